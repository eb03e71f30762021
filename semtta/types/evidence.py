"""What is seen of a person: keypoints, landmarks, evidence; and what an estimator is given."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from typing_extensions import Self

from .fields import PER_CLIP, TensorFields


def not_found(xy: Tensor, confidence: Tensor) -> Tensor:
    """Which joints xy [..., J, 2] are no detections, bool [..., J]: at exactly (0, 0), or not finite in place or confidence.

    Several detectors write a joint that they did not find as (0, 0), some of them with a confidence above 0.
    """
    return (xy == 0).all(-1) | ~xy.isfinite().all(-1) | ~confidence.isfinite()


def frame_times(count: int, fps: float, times_s: Tensor | None) -> Tensor:
    """Seconds since the first frame [T], float64, on the CPU: the frames' own (``times_s``), or evenly spaced."""
    return torch.arange(count, dtype=torch.float64) / fps if times_s is None else times_s.double().cpu()


@dataclass(frozen=True)
class Landmarks3D(TensorFields):
    """3D points that a detector gives beside its 2D ones, of one person."""

    xyz: Tensor  # [T, L, 3] metres from the middle of the hips, axes of the ray to the person (its crop's)
    confidence: Tensor  # [T, L] in [0, 1]; 0: not seen
    joint_set: str  # a name of semtta.constants.JOINT_SETS
    source: str = ""

    def __len__(self) -> int:
        return len(self.xyz)


@dataclass(frozen=True)
class Keypoints2D(TensorFields):
    """2D joints of one person. ``confidence`` 0, or a place that is none (``not_found``), means: not seen."""

    xy: Tensor  # [T, J, 2] pixels of the video frame
    confidence: Tensor  # [T, J]
    joint_set: str  # a name of semtta.constants.JOINT_SETS
    source: str = ""  # where they came from, kept with the result
    landmarks: Landmarks3D | None = None  # of the same person and frames, where there are any

    def only_found(self) -> Self:
        """The same with zeros, in place and confidence, for the joints that ``not_found`` names."""
        absent = not_found(self.xy, self.confidence)
        return replace(self, xy=self.xy.where(~absent[..., None], 0), confidence=self.confidence.where(~absent, 0))

    def __len__(self) -> int:
        return len(self.xy)


@dataclass(frozen=True)
class Evidence(TensorFields):
    """2D joints that supervise, in pixels of the 224 crop."""

    points: Tensor  # [T, J, 2]
    present: Tensor  # [T, J] bool, False: empty (nothing supervises this joint)


@dataclass(frozen=True)
class FrameBatch(TensorFields):
    """N frames of a clip, as an estimator is given them.

    What an estimator says of a frame may depend on the whole clip's evidence, never on which other frames are in the batch:
    micro-batches rely on it.
    """

    frames: Tensor  # [N] int64, their numbers in the clip
    boxes: Tensor  # [N, 3] centre x, centre y, side; pixels of the picture
    intrinsics: Tensor  # [N, 3] focal length, centre x, centre y; pixels of the picture
    crops: Tensor | None = None  # uint8 RGB [N, 3, S, S]; None: the estimator takes none
    image_size: tuple[int, int] = field(default=(0, 0), metadata=PER_CLIP)  # width, height of the picture, pixels
    keypoints: Keypoints2D | None = field(default=None, metadata=PER_CLIP)  # of all T frames, as detected, pixels of the picture
    landmarks: Landmarks3D | None = field(default=None, metadata=PER_CLIP)  # of all T frames, smoothed, camera frame
    all_boxes: Tensor | None = field(default=None, metadata=PER_CLIP)  # [T, 3] of all T frames; None: the batch is the clip

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def device(self) -> torch.device:
        """Where its tensors are."""
        return self.frames.device

    def split(self, size: int) -> list[Self]:
        """Batches of at most ``size`` frames, in order."""
        return [self[start : start + size] for start in range(0, len(self), size)]

    @classmethod
    def of_crops(cls, crops: Tensor, focal_px: float = 5000.0) -> Self:
        """Crops [N, 3, S, S] that belong to no picture: each counts as a whole picture of 224 pixels."""
        n, device = len(crops), crops.device
        boxes = torch.tensor((112.0, 112.0, 224.0), device=device).expand(n, 3)
        intrinsics = torch.tensor((focal_px, 112.0, 112.0), device=device).expand(n, 3)
        return cls(torch.arange(n, device=device), boxes, intrinsics, crops, (224, 224))
