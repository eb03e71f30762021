"""Motions and their labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from torch import Tensor
from typing_extensions import Self

from .fields import TensorFields


@dataclass(frozen=True)
class BodyParams(TensorFields):
    """SMPL-format parameters."""

    rotations: Tensor  # [..., 24, 3, 3] parent-relative, 0 is global
    betas: Tensor  # [..., 10]
    translation: Tensor | None = None  # [..., 3] metres, added to the posed body


@dataclass(frozen=True)
class Prediction(TensorFields):
    """What an estimator says of N frames."""

    rotations: Tensor  # [N, 24, 3, 3] parent-relative; index 0 into the camera frame
    betas: Tensor  # [N, 10]
    camera: Tensor  # [N, 3] weak perspective (s, tx, ty) of the 224 crop, see geometry.project_to_crop
    extras: Mapping[str, Tensor] = field(default_factory=dict)  # what only training or a method looks at

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Rotations, betas and camera."""
        return self.rotations, self.betas, self.camera

    @classmethod
    def of(cls, tensors: Iterable[Tensor]) -> Self:
        """From rotations, betas and camera, in this order."""
        rotations, betas, camera = tensors
        return cls(rotations, betas, camera)

    def updated(self, frames: Tensor, new: Prediction) -> Prediction:
        """A copy in which ``frames`` [M] are those of ``new``, detached."""
        pairs = zip(self.tensors(), new.tensors(), strict=True)
        return Prediction.of(old.index_copy(0, frames, value.detach()) for old, value in pairs)


@dataclass(frozen=True)
class Motion(TensorFields):
    """Pose sequences as a motion prior sees them."""

    rotations: Tensor  # [B, T, 24, 3, 3] parent-relative, 0 is global
    mask: Tensor | None = None  # [B, T] bool, True = real frame; None = all real
    visible: Tensor | None = None  # [B, T, 24] in [0, 1], how far 2D evidence backs each joint; None = unknown
    fps: float = 30.0
    rays: Tensor | None = (
        None  # [B, T, 24, 3] unit vectors of the camera's rays through the joints, pelvis's frame; None = unknown
    )


@dataclass(frozen=True)
class Segment:
    """A run of frames with one label: frames ``start`` to ``stop`` (exclusive)."""

    start: int
    stop: int
    label: str | None = None  # None: no alignment for this segment
    trust: float = 1.0  # in the label, mean over the frames

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class SegmentLabel:
    """What a labeler said about frames ``start`` to ``stop`` (exclusive)."""

    start: int
    stop: int
    label: str | None  # None: no suitable label
    description: str = ""
    source: str = ""  # labeler, model
    score: float | None = None  # CLIP similarity of label and images
    reason: str = ""  # why the label is what it is: replaced by a near one, refused, failed ...
    trust: float = 1.0  # in [0, 1]: scales the alignment if losses.align.use_trust says so
    similarity: float | None = None  # the prior's own, of label and unadapted motion (labeler retrieval)
