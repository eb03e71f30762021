"""What a labeler is: it says, for each span of a video, what the person is doing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..registry import Registry
from ..structures import SegmentLabel, Video

#: The nearest labels of the first prediction on frames start to stop, with their similarity, best first.
Suggest = Callable[[int, int], list[tuple[str, float]]]


@dataclass(frozen=True)
class LabelContext:
    """What a labeler may use beside the video."""

    dictionary: Sequence[str] = ()  # the prior's labels; empty: any wording
    suggest: Suggest | None = None  # the prior's own opinion of the unadapted motion
    unlike: Callable[[str], list[str]] | None = None  # the dictionary's other labels, least like a label in meaning first
    seed: int = 0  # of the run


class Labeler(ABC):
    """Spans of a video -> labels."""

    name: str = ""

    @abstractmethod
    def label(self, video: Video, spans: Sequence[tuple[int, int]], context: LabelContext) -> list[SegmentLabel]:
        """One SegmentLabel for each span (start, stop exclusive); ``label`` None where none is suitable."""


labelers: Registry[Labeler] = Registry("labelers")
register = labelers.register
