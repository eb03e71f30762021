"""Evaluation of labels against true ones: accuracy, confusion, CLIP scores (Fig. 7), cost and time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..types import SegmentLabel
from .base import Usage

Labels = Mapping[str, Sequence[SegmentLabel]]  # by video
#: Width of a histogram bin.
BIN = 0.02


@dataclass(frozen=True)
class LabelEvaluation:
    """The numbers of one labeler."""

    labeler: str
    segments: int  # with a true label
    accuracy: float | None  # per cent of them; None if there are none
    answered: float | None  # per cent of them that got a label
    confusion: Mapping[tuple[str, str], int]  # (true, predicted) -> segments
    right_scores: tuple[float, ...]  # CLIP similarity of the right labels
    wrong_scores: tuple[float, ...]
    seconds_per_segment: float
    cost_per_segment: float | None  # US dollars; None: the price is not known

    def histogram(self) -> list[tuple[float, int, int]]:
        """Fig. 7: (left edge, right labels, wrong labels) of each bin, from the lowest to the highest score."""
        bars = [Counter(int(score // BIN) for score in scores) for scores in (self.right_scores, self.wrong_scores)]
        used = bars[0].keys() | bars[1].keys()
        if not used:
            return []
        return [(round(i * BIN, 10), bars[0][i], bars[1][i]) for i in range(min(used), max(used) + 1)]

    def record(self) -> dict[str, Any]:
        """The numbers as JSON values."""
        scores = (*self.right_scores, *self.wrong_scores)
        return {
            "labeler": self.labeler,
            "segments": self.segments,
            "accuracy": self.accuracy,
            "answered": self.answered,
            "confusion": [{"true": a, "found": b, "segments": n} for (a, b), n in sorted(self.confusion.items())],
            "clip_mean": sum(scores) / len(scores) if scores else None,
            "clip_histogram": [{"from": edge, "right": right, "wrong": wrong} for edge, right, wrong in self.histogram()],
            "seconds_per_segment": self.seconds_per_segment,
            "cost_per_segment": self.cost_per_segment,
        }


def evaluate_labels(labeler: str, predicted: Labels, truth: Labels, usage: Usage) -> LabelEvaluation:
    """Compare labels with the true ones of the same spans. Spans without a true label are ignored; None may be the truth."""
    pairs = []
    for video, items in truth.items():
        known = {(item.start, item.stop): item for item in predicted.get(video, ())}
        pairs += [(true, known[true.start, true.stop]) for true in items if (true.start, true.stop) in known]
    right = [(item.label == true.label, item) for true, item in pairs]
    count = len(pairs)
    segments = max(1, usage.segments)
    return LabelEvaluation(
        labeler=labeler,
        segments=count,
        accuracy=100 * sum(ok for ok, _ in right) / count if count else None,
        answered=100 * sum(item.label is not None for _, item in right) / count if count else None,
        confusion=Counter((true.label or "None", item.label or "None") for true, item in pairs),
        right_scores=tuple(item.score for ok, item in right if ok and item.score is not None),
        wrong_scores=tuple(item.score for ok, item in right if not ok and item.score is not None),
        seconds_per_segment=usage.seconds / segments,
        cost_per_segment=usage.cost / segments if usage.priced else None,
    )


@dataclass(frozen=True)
class LabelRun:
    """The labels of one labeler."""

    labeler: str
    labels: Mapping[str, tuple[SegmentLabel, ...]]  # by video
    messages: tuple[str, ...]
    usage: Usage
    dictionary: tuple[str, ...]
