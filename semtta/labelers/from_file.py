"""The labeler that reads labels from a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..errors import SemttaError
from ..io.labels import labels_of, read_labels
from ..types import SegmentLabel, Video
from .base import LabelContext, Labeler, register
from .simple import Oracle


@register("file", argument="PATH")
class File(Labeler):
    """Labels from a file (``file:PATH``): each span gets the label that most of its frames carry."""

    early = True

    def __init__(self, path: str = "") -> None:
        if not path:
            raise SemttaError("The labeler 'file' needs a file: --labels FILE, or --labeler file:FILE.")
        self.name, self.path = f"file:{path}", path

    def check(self, videos: Sequence[Video]) -> None:
        """As ``Labeler.check``: the file can be read and fits every video."""
        known = read_labels(self.path)
        for video in videos:
            labels_of(known, video, self.path)

    def label(self, video: Video, spans: Sequence[tuple[int, int]], context: LabelContext) -> list[SegmentLabel]:
        """As ``Labeler.label``; description, score and reason come from the file's segment."""
        known = labels_of(read_labels(self.path), video, self.path)
        labels = Oracle().label(replace(video, labels=known), spans, context)
        return [self._with_details(item, known) for item in labels]

    def _with_details(self, label: SegmentLabel, known: Sequence[SegmentLabel]) -> SegmentLabel:
        def overlap(item: SegmentLabel) -> int:
            return min(item.stop, label.stop) - max(item.start, label.start)

        same = [item for item in known if item.label == label.label and overlap(item) > 0]
        if not same:
            return replace(label, source=self.name, reason=f"{self.path} has no label for these frames")
        best = max(same, key=overlap)
        return replace(best, start=label.start, stop=label.stop, source=best.source or self.name)
