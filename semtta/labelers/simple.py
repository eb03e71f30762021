"""Labelers that need no vision-language model."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ..errors import SemttaError
from ..types import SegmentLabel, Video
from .base import LabelContext, Labeler, register
from .spans import frame_labels


@register("auto")
class Auto(Labeler):
    """The video's own labels (from ``--label`` or a dataset), else retrieval, else none."""

    name = "auto"

    def label(self, video: Video, spans: Sequence[tuple[int, int]], context: LabelContext) -> list[SegmentLabel]:
        """As ``Labeler.label``; retrieval needs a prior with a dictionary."""
        names = set(frame_labels(video.labels, video.num_frames))
        if any(names):
            labeler: Labeler = Fixed(names.pop()) if len(names) == 1 else Oracle()
        else:
            labeler = NoLabeler() if context.suggest is None else Retrieval()
        return labeler.label(video, spans, context)


@register("fixed", argument="TEXT")
class Fixed(Labeler):
    """One label for the whole video."""

    name = "fixed"
    early = True

    def __init__(self, label: str | None = None) -> None:
        self.text = label

    def label(self, video: Video, spans: Sequence[tuple[int, int]], context: LabelContext) -> list[SegmentLabel]:
        text = self.text or next((item.label for item in video.labels if item.label), None)
        if not text:
            raise SemttaError("The labeler 'fixed' needs a label: --label \"walking\" (or --labeler retrieval).")
        return [SegmentLabel(start, stop, text, source=self.name) for start, stop in spans]


@register("oracle")
class Oracle(Labeler):
    """The clip's own labels; each span gets the label that most of its frames carry."""

    name = "oracle"
    early = True

    def label(self, video: Video, spans: Sequence[tuple[int, int]], context: LabelContext) -> list[SegmentLabel]:
        names = frame_labels(video.labels, video.num_frames)
        labels = []
        for start, stop in spans:
            counts = Counter(name for name in names[start:stop] if name)
            label = counts.most_common(1)[0][0] if counts else None
            reason = "" if label else "the clip has no label for these frames"
            labels.append(SegmentLabel(start, stop, label, source=self.name, reason=reason))
        return labels


@register("retrieval")
class Retrieval(Labeler):
    """The dictionary's label that the prior itself finds nearest to the unadapted motion."""

    name = "retrieval"

    def label(self, video: Video, spans: Sequence[tuple[int, int]], context: LabelContext) -> list[SegmentLabel]:
        if context.suggest is None:
            raise SemttaError("The labeler 'retrieval' needs a prior with a dictionary: --prior open.")
        labels = []
        for start, stop in spans:
            best = context.suggest(start, stop)
            label, score = best[0] if best else (None, None)
            nearest = ", ".join(f"{name} {value:.2f}" for name, value in best[:3])
            labels.append(SegmentLabel(start, stop, label, f"nearest: {nearest}", self.name, score))
        return labels


@register("wrong")
class Wrong(Labeler):
    """A wrong label instead of the clip's own, for the failure case of Table 7.

    It is drawn, with the run's seed, from the third of the dictionary that is least similar in meaning to the right label; spans
    with the same label get the same wrong label.
    """

    name = "wrong"
    early = True

    def label(self, video: Video, spans: Sequence[tuple[int, int]], context: LabelContext) -> list[SegmentLabel]:
        if context.unlike is None:
            raise SemttaError("The labeler 'wrong' needs a prior with a dictionary: --prior open.")
        labels = []
        for item in Oracle().label(video, spans, context):
            if item.label is not None:
                others = context.unlike(item.label)
                others = others[: max(1, len(others) // 3)]
                digest = hashlib.sha256(f"{context.seed} {item.label}".encode()).digest()
                label = others[int.from_bytes(digest[:8], "big") % len(others)]
                item = replace(item, label=label, reason=f"wrong on purpose: it is '{item.label}'")
            labels.append(replace(item, source=self.name))
        return labels


@register("none")
class NoLabeler(Labeler):
    """No labels: no alignment."""

    name = "none"
    early = True

    def label(self, video: Video, spans: Sequence[tuple[int, int]], context: LabelContext) -> list[SegmentLabel]:
        return [SegmentLabel(start, stop, None, source=self.name) for start, stop in spans]
