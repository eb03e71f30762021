"""Segments of a video: which frames are labelled together, and which are adapted together (Sec. 4.1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ...labelers.spans import frame_labels, frame_trust
from ...types import Segment, SegmentLabel


def make_segments(labels: Sequence[SegmentLabel], num_frames: int, length: int = 60, stride: int = 30) -> list[Segment]:
    """Segments of ``length`` frames every ``stride``, the last one flush with the end, so that every frame is in one.

    A segment whose frames carry different labels has the label None: it is not aligned (the paper leaves it out of the
    alignment to avoid mixed motions). A video shorter than ``length`` is one segment.
    """
    length = min(length, num_frames)
    last = num_frames - length
    starts = [*range(0, last, stride), last]
    names, trust = frame_labels(labels, num_frames), frame_trust(labels, num_frames)
    segments = []
    for start in starts:
        stop = start + length
        inside = set(names[start:stop])
        segments.append(Segment(start, stop, inside.pop() if len(inside) == 1 else None, trust[start:stop].mean().item()))
    return segments


def sampling_weights(similarity: Tensor, labelled: Tensor) -> Tensor:
    """Weights [S] of drawing each segment: ``1 - sim`` (Sec. 4.1); unlabelled ones count as the mean of the labelled."""
    weights = (1 - similarity).clamp(min=1e-3)
    typical = weights[labelled].mean() if labelled.any() else weights.new_ones(())
    return torch.where(labelled, weights, typical)


def draw_segments(weights: Tensor | None, count: int, batch: int, generator: torch.Generator) -> Iterator[list[int]]:
    """One epoch of batches of segment indices: ``count`` draws with replacement by ``weights`` [S], or each once if None."""
    if weights is None:
        order = torch.randperm(count, generator=generator)
    else:
        order = torch.multinomial(weights.cpu(), count, replacement=True, generator=generator)
    for chunk in order.split(batch):
        yield chunk.tolist()


def draw_frames(num_frames: int, batch: int, generator: torch.Generator) -> Iterator[Tensor]:
    """One epoch of shuffled batches of frames (CycleAdapt)."""
    yield from torch.randperm(num_frames, generator=generator).split(batch)
