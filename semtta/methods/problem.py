"""What a method is given, and what it leaves."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, device, nn

from ..body import Body
from ..estimators import Estimator
from ..priors import Prior
from ..types import Evidence, FrameBatch, Landmarks3D, Prediction, SegmentLabel, frame_times


@dataclass(frozen=True)
class Problem:
    """One person in one clip of T frames, ready on the device."""

    inputs: FrameBatch  # all T frames; of a part of a clip, with what is known of the whole clip
    evidence: Evidence  # [T, 29] the detector's
    labels: tuple[SegmentLabel, ...]  # as the prior takes them
    fps: float
    times_s: Tensor | None = None  # [T] seconds since the first frame, on the CPU; None: evenly spaced, by fps

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def seconds(self) -> Tensor:
        """When each frame is [T], seconds, on the CPU."""
        return frame_times(len(self), self.fps, self.times_s)

    @property
    def landmarks(self) -> Landmarks3D | None:
        """3D landmarks of its frames [T], smoothed, camera frame."""
        of_clip = self.inputs.landmarks
        return None if of_clip is None else of_clip[self.inputs.frames]

    def part(self, start: int, stop: int) -> Problem:
        """Frames ``start`` to ``stop`` (exclusive); an estimator still sees them as frames of the whole clip."""
        times_s = None if self.times_s is None else self.times_s[start:stop] - self.times_s[start]
        labels = tuple(
            replace(label, start=max(label.start, start) - start, stop=min(label.stop, stop) - start)
            for label in self.labels
            if label.start < stop and label.stop > start
        )
        return Problem(self.inputs[start:stop], self.evidence[start:stop], labels, self.fps, times_s)

    @property
    def device(self) -> device:
        """Where the clip is."""
        return self.inputs.device


@dataclass(frozen=True)
class Roles:
    """The parts that a method is composed of."""

    estimator: Estimator
    body: Body
    denoiser: nn.Module | None
    prior: Prior

    def to(self, device: device) -> Roles:
        """The parts on a device: copies of those that are elsewhere, so that the caller's are never moved.

        Parts that are not modules (a plug-in's prior need not be one) stay as they are.
        """

        def moved(part: Any) -> Any:
            if not isinstance(part, nn.Module):
                return part
            tensors = [*part.parameters(), *part.buffers()]
            return part if all(tensor.device == device for tensor in tensors) else deepcopy(part).to(device)

        return Roles(moved(self.estimator), moved(self.body), moved(self.denoiser), moved(self.prior))


@dataclass(frozen=True)
class Outcome:
    """What a method leaves."""

    before: Prediction  # [T] of the pre-trained network
    after: Prediction  # [T]
    evidence: Evidence  # [T, 29] after the last update
    similarity: Tensor  # [T] of the segments that a frame is in
    history: tuple[dict[str, Any], ...]  # one record per epoch
    weights: dict[str, Tensor]  # of the estimator, adapted
