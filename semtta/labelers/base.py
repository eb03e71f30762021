"""What a labeler is: it says, for each span of a video, what the person is doing."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..registry import Registry
from ..types import SegmentLabel, Video
from .settings import VLMConfig

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
    settings: VLMConfig = field(default_factory=VLMConfig)  # of labelers that ask a vision-language model
    device: str = "cpu"
    stop: threading.Event = field(default_factory=threading.Event)  # set when the answers are no longer wanted
    progress: Callable[[int, int], None] | None = None  # spans done, spans in all


class Labeler(ABC):
    """Spans of a video -> labels.

    ``early``: it makes no use of ``suggest``, so it works in a thread of its own while the first prediction is made.
    """

    name: str = ""
    early: bool = False

    @abstractmethod
    def label(self, video: Video, spans: Sequence[tuple[int, int]], context: LabelContext) -> list[SegmentLabel]:
        """One SegmentLabel for each span (start, stop exclusive); ``label`` None where none is suitable."""


labelers: Registry[Labeler] = Registry("labelers")
register = labelers.register
