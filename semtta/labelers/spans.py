"""The spans of a video that get one label each, and the label of every frame."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..types import SegmentLabel


def label_spans(num_frames: int, length: int = 60) -> list[tuple[int, int]]:
    """Consecutive spans (start, stop) of ``length`` frames; a remainder shorter than half of it joins the last span."""
    starts = list(range(0, num_frames, length))
    if len(starts) > 1 and num_frames - starts[-1] < length / 2:
        starts.pop()
    return list(zip(starts, [*starts[1:], num_frames], strict=True))


def frame_labels(labels: Sequence[SegmentLabel], num_frames: int) -> list[str | None]:
    """The label of every frame; None where there is none."""
    names: list[str | None] = [None] * num_frames
    for item in labels:
        for frame in range(max(item.start, 0), min(item.stop, num_frames)):
            names[frame] = item.label
    return names


def frame_trust(labels: Sequence[SegmentLabel], num_frames: int) -> Tensor:
    """The trust [T] in the label of every frame; 1 where there is none."""
    trust = torch.ones(num_frames)
    for item in labels:
        trust[max(item.start, 0) : item.stop] = item.trust
    return trust
