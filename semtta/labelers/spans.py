"""Spans of a video that one label is asked for, and the label of every frame."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..types import SegmentLabel


def label_spans(num_frames: int, length: int = 60) -> list[tuple[int, int]]:
    """Consecutive spans of ``length`` frames; a rest shorter than half of it joins the span before."""
    starts = list(range(0, num_frames, length))
    if len(starts) > 1 and num_frames - starts[-1] < length / 2:
        starts.pop()
    return list(zip(starts, [*starts[1:], num_frames], strict=True))


def frame_labels(labels: Sequence[SegmentLabel], num_frames: int) -> list[str | None]:
    """The label of every frame; None where nothing was said."""
    out: list[str | None] = [None] * num_frames
    for item in labels:
        for frame in range(max(item.start, 0), min(item.stop, num_frames)):
            out[frame] = item.label
    return out


def frame_trust(labels: Sequence[SegmentLabel], num_frames: int) -> Tensor:
    """Trust [T] in the label of every frame; 1 where nothing was said."""
    trust = torch.ones(num_frames)
    for item in labels:
        trust[max(item.start, 0) : item.stop] = item.trust
    return trust
