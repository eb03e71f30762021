"""What a labeler is: it says, for each span of a video, what the person is doing."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ..registry import Registry
from ..types import Progress, SegmentLabel, Video

#: The nearest labels of the first prediction on frames start to stop, with their similarity, best first.
Suggest = Callable[[int, int], list[tuple[str, float]]]
#: Any wording -> the dictionary's label that stands for it (None: none does), the likeness, and why, if it is another.
Resolve = Callable[[str], tuple[str | None, float, str]]


@dataclass(frozen=True)
class LabelContext:
    """What a labeler may use beside the video."""

    dictionary: Sequence[str] = ()  # the prior's labels; empty: any wording
    suggest: Suggest | None = None  # the prior's own opinion of the unadapted motion
    unlike: Callable[[str], list[str]] | None = None  # the dictionary's other labels, least like a label in meaning first
    seed: int = 0  # of the run
    resolve: Resolve | None = None
    nearest: Callable[[str, int], list[str]] | None = None  # so many of the dictionary's labels, most like a text first
    device: str = "cpu"
    stop: threading.Event = field(default_factory=threading.Event)  # set when the answers are no longer wanted
    progress: Progress | None = None  # of the spans


@dataclass
class Usage:
    """What a run has asked for so far."""

    segments: int = 0
    requests: int = 0  # sent, those that failed too
    cached: int = 0  # answers that were on disk
    retries: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0  # US dollars
    priced: bool = True  # whether the model's price is known
    seconds: float = 0.0

    def summary(self) -> str:
        """One line."""
        retried = f" ({self.retries} of them again, after faults)" if self.retries else ""
        cost = f"${self.cost:.4f}" if self.priced else "cost not known"
        return (
            f"{self.segments} segments: {self.requests} requests{retried}, {self.cached} answers from the cache, "
            f"{self.seconds:.1f} s, {cost}"
        )


@dataclass(frozen=True)
class CostEstimate:
    """What labelling would take, second questions apart."""

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
    """Spans of a video -> labels. One object may label several videos: a budget then holds for all of them.

    ``early``: it makes no use of ``suggest``, so it works in a thread of its own while the first prediction is made.
    """

    name: str = ""
    early: bool = False

    @abstractmethod
    def label(self, video: Video, spans: Sequence[tuple[int, int]], context: LabelContext) -> list[SegmentLabel]:
        """One SegmentLabel for each span (start, stop exclusive); ``label`` None where none is suitable."""

    def estimate(self, video: Video, spans: Sequence[tuple[int, int]], context: LabelContext) -> CostEstimate:
        """What ``label`` would send and cost; nothing is sent."""
        return CostEstimate(len(spans))

    @property
    def usage(self) -> Usage | None:
        """What it has asked for so far; None for a labeler that asks nobody."""
        return None


_PLACES = {
    **dict.fromkeys(("auto", "fixed", "oracle", "retrieval", "wrong", "none"), "simple"), "file": "from_file",
    **dict.fromkeys(("gpt4o", "vlm", "local"), "vlm"),
}  # fmt: skip
labelers: Registry[Labeler] = Registry("labeler", {name: f"{__package__}.{module}" for name, module in _PLACES.items()})
register = labelers.register
