"""Segments of a clip and how an epoch draws them (Sec. 4.1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ...labelers.spans import frame_labels, frame_trust
from ...settings import LoopSettings
from ...types import Segment, SegmentLabel


def make_segments(
    labels: Sequence[SegmentLabel], num_frames: int, length: int = 60, stride: int = 30, drop_mixed: bool = False
) -> list[Segment]:
    """Segments of ``length`` frames every ``stride``, the last one flush with the end, so that every frame is in one.

    A segment whose frames carry different labels has the label None and is not aligned; ``drop_mixed`` leaves it out ("only
    keep those where all images share the same text label", Sec. 4.1), unless there is no other. A clip shorter than
    ``length`` is one segment.
    """
    length = min(length, num_frames)
    last = num_frames - length
    starts = [*range(0, last, stride), last]
    names, trust = frame_labels(labels, num_frames), frame_trust(labels, num_frames)
    segments: list[Segment] = []
    mixed: list[Segment] = []
    for start in starts:
        stop = start + length
        inside = set(names[start:stop])
        of_one_label = len(inside) == 1
        segment = Segment(start, stop, inside.pop() if of_one_label else None, trust[start:stop].mean().item())
        (segments if of_one_label or not drop_mixed else mixed).append(segment)
    return segments or mixed


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


def frames_of(segments: Sequence[Segment], step: int, generator: torch.Generator) -> Tensor:
    """Every ``step``-th frame of segments of one length, each from a random one of its first ``step``; as many of each: [N]."""
    step = min(step, len(segments[0]))
    within = step * torch.arange(len(segments[0]) // step)
    first = torch.randint(step, (len(segments),), generator=generator)
    return torch.cat([s.start + o + within for s, o in zip(segments, first.tolist(), strict=True)])


def draw_batches(
    segments: Sequence[Segment], num_frames: int, loop: LoopSettings, weights: Tensor | None, generator: torch.Generator
) -> list[tuple[Tensor, list[Segment]]]:
    """One epoch of (frames [N], segments): every segment's worth of draws, and ``loop.min_steps`` batches at least.

    ``weights`` [S] are ``sampling_weights``; None draws each segment once. Single frames come without segments.
    """
    batches: list[tuple[Tensor, list[Segment]]] = []
    while len(batches) < loop.min_steps:
        if loop.sampling == "frames":
            batches += [(frames, []) for frames in draw_frames(num_frames, loop.batch_frames, generator)]
            continue
        for chosen in draw_segments(weights, len(segments), loop.batch_segments, generator):
            chosen_segments = [segments[i] for i in chosen]
            batches.append((frames_of(chosen_segments, loop.segment_step, generator), chosen_segments))
    return batches
