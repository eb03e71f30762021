"""Labelers that need no vision-language model."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from pydantic import Field

from ..errors import SemttaError
from ..registry import Settings
from ..types import SegmentLabel, Video
from .base import LabelContext, Labeler, Usage, labelers, register
from .spans import frame_labels


class AutoSettings(Settings):
    """Of ``auto``."""

    otherwise: str = Field("retrieval", description="labeler of videos that come without a label; preset paper: gpt4o")


@register("auto", settings=AutoSettings)
class Auto(Labeler):
    """The video's own labels (from ``--label`` or a dataset), else those of another labeler (``labeler.otherwise``)."""

    name = "auto"

    def __init__(self, settings: AutoSettings | None = None) -> None:
        self._name = (settings or AutoSettings()).otherwise
        self._otherwise: Labeler | None = None

    def check(self, videos: Sequence[Video]) -> None:
        """As ``Labeler.check``: the other labeler's, if a video comes without labels."""
        if self._name != "retrieval" and not all(any(item.label for item in video.labels) for video in videos):
            self._other().check(videos)

    def label(self, video: Video, spans: Sequence[tuple[int, int]], context: LabelContext) -> list[SegmentLabel]:
        """As ``Labeler.label``; retrieval without a prior that has a dictionary gives no labels."""
        names = set(frame_labels(video.labels, video.num_frames))
        if any(names):
            labeler: Labeler = Fixed(names.pop()) if len(names) == 1 else Oracle()
        elif self._name == "retrieval" and context.suggest is None:
            labeler = NoLabeler()
        else:
            labeler = self._other()
        return labeler.label(video, spans, context)

    def _other(self) -> Labeler:
        self._otherwise = self._otherwise or labelers.create(self._name)
        if self._name == "gpt4o" and not os.environ.get("OPENAI_API_KEY"):
            raise SemttaError(
                "The paper labels with GPT-4o: set OPENAI_API_KEY ('semtta label VIDEO --labeler gpt4o --dry-run' shows the "
                "cost), or choose --labels FILE, --label TEXT, --labeler retrieval or --labeler none."
            )
        return self._otherwise

    @property
    def usage(self) -> Usage | None:
        """Of the other labeler, if it was asked."""
        return None if self._otherwise is None else self._otherwise.usage


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


class RetrievalSettings(Settings):
    """Of ``retrieval``. Both were chosen on the val part of synthwild (scripts/retrieval_floor.py)."""

    floor: float = Field(0.3, ge=-1, le=1, description="best similarity below which a segment gets no label")
    weak: float = Field(0.4, ge=-1, le=1, description="similarity below which a label is doubted: val has no wrong one above")


@register("retrieval", settings=RetrievalSettings)
class Retrieval(Labeler):
    """The dictionary's label that the prior itself finds nearest to the unadapted motion; none if it is not near."""

    name = "retrieval"

    def __init__(self, settings: RetrievalSettings | None = None) -> None:
        self.settings = settings or RetrievalSettings()

    def label(self, video: Video, spans: Sequence[tuple[int, int]], context: LabelContext) -> list[SegmentLabel]:
        if context.suggest is None:
            raise SemttaError("The labeler 'retrieval' needs a prior with a dictionary: --prior open.")
        labels = []
        for start, stop in spans:
            labels.append(self._judged(start, stop, context.suggest(start, stop)))
            if context.progress:
                context.progress("labelling", len(labels), len(spans))
        return labels

    def _judged(self, start: int, stop: int, ranked: Sequence[tuple[str, float]]) -> SegmentLabel:
        nearest = ", ".join(f"{name} {value:.2f}" for name, value in ranked[:3])
        label, similarity = ranked[0] if ranked else (None, None)
        reason = ""
        if label is not None and similarity is not None and similarity < self.settings.floor:
            doubt = f"no label is near the motion (best '{label}', {similarity:.2f} of {self.settings.floor:.2f})"
            reason = f"{doubt}: give --label ('semtta dictionary list' shows all)"
            label = None
        elif similarity is not None and similarity < self.settings.weak:
            reason = f"in doubt: '{label}' is only the nearest ({similarity:.2f}), check it or give --label"
        return SegmentLabel(start, stop, label, f"nearest: {nearest}", self.name, reason=reason, similarity=similarity)


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
