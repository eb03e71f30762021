"""The labeler interface: spans of a video -> what the person does in each."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ..registry import Registry
from ..types import Progress, SegmentLabel, Video

#: (start, stop) -> the labels nearest to the unadapted motion of these frames, with their similarity, best first.
Suggest = Callable[[int, int], list[tuple[str, float]]]
#: Any wording -> the matching label of the dictionary (None: no match), the similarity, and a reason if it differs.
Resolve = Callable[[str], tuple[str | None, float, str]]


@dataclass(frozen=True)
class LabelContext:
    """What a labeler may use besides the video."""

    dictionary: Sequence[str] = ()  # the prior's labels; empty: any wording
    suggest: Suggest | None = None  # the labels that the prior itself suggests for the unadapted motion
    unlike: Callable[[str], list[str]] | None = None  # label -> the dictionary's other labels, least similar in meaning first
    seed: int = 0  # of the run
    resolve: Resolve | None = None
    nearest: Callable[[str, int], list[str]] | None = (
        None  # (text, count) -> the dictionary's labels nearest to the text, nearest first
    )
    device: str = "cpu"
    stop: threading.Event = field(default_factory=threading.Event)  # set when the answers are no longer wanted
    progress: Progress | None = None  # of the spans


@dataclass
class Usage:
    """The requests of a run so far, and their cost."""

    segments: int = 0
    requests: int = 0  # sent, including those that failed
    cached: int = 0  # answers from the cache
    retries: int = 0
    failed: int = 0  # segments without an answer because of the server's faults
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0  # US dollars
    priced: bool = True  # whether the model's price is known
    seconds: float = 0.0

    def summary(self) -> str:
        """One line."""
        retried = f" ({self.retries} of them retries after faults)" if self.retries else ""
        cost = f"${self.cost:.4f}" if self.priced else "cost not known"
        return (
            f"{self.segments} segments: {self.requests} requests{retried}, {self.cached} answers from the cache, "
            f"{self.seconds:.1f} s, {cost}"
        )


@dataclass(frozen=True)
class CostEstimate:
    """The requests that labelling would send and their cost, without second requests for doubtful labels."""

    segments: int
    requests: int = 0
    cached: int = 0
    input_tokens: int = 0
    output_tokens: int = 0  # at most
    cost: float | None = 0.0  # US dollars, at most; None: the price is not known

    def __add__(self, other: CostEstimate) -> CostEstimate:
        cost = None if self.cost is None or other.cost is None else self.cost + other.cost
        sums = {key: value + getattr(other, key) for key, value in vars(self).items() if key != "cost"}
        return replace(self, **sums, cost=cost)


class Labeler(ABC):
    """Spans of a video -> labels. One object may label several videos: a budget then covers all of them.

    ``early``: the labeler does not use ``suggest``, so it can run in a separate thread during the first prediction.
    """

    name: str = ""
    early: bool = False

    def check(self, videos: Sequence[Video]) -> None:
        """Raises SemttaError for what would keep the labeler from labelling any of the videos (no key, a damaged file).

        Called before anything is decoded; sends nothing.
        """
        return None

    @abstractmethod
    def label(self, video: Video, spans: Sequence[tuple[int, int]], context: LabelContext) -> list[SegmentLabel]:
        """One SegmentLabel per span (start, stop exclusive, frames); ``label`` is None where none fits."""

    def estimate(self, video: Video, spans: Sequence[tuple[int, int]], context: LabelContext) -> CostEstimate:
        """What ``label`` would send and cost. Sends nothing."""
        return CostEstimate(len(spans))

    @property
    def usage(self) -> Usage | None:
        """The requests so far; None for a labeler that sends none."""
        return None


_MODULES = {
    **dict.fromkeys(("auto", "fixed", "oracle", "retrieval", "wrong", "none"), "simple"), "file": "from_file",
    **dict.fromkeys(("gpt4o", "vlm", "local"), "vlm"),
}  # fmt: skip
labelers: Registry[Labeler] = Registry("labeler", {name: f"{__package__}.{module}" for name, module in _MODULES.items()})
register = labelers.register
