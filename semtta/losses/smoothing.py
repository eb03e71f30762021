"""Eq. 9: the smoothing loss, as two terms."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from .base import StepContext, TermSettings, register


class PoseSettings(TermSettings):
    """Of ``pose``."""

    weight: float = Field(1.0, ge=0, le=1e6, description="of the rotations in Eq. 9")


class ShapeSettings(TermSettings):
    """Of ``shape``."""

    weight: float = Field(0.001, ge=0, le=1e6, description="of the shape in Eq. 9: the paper writes 1, CycleAdapt uses 0.001")


def smoothing_loss(rotations: Tensor, betas: Tensor, smooth_rotations: Tensor, smooth_betas: Tensor) -> tuple[Tensor, Tensor]:
    """Eq. 9's two terms per frame [N]: mean L1 to the denoised rotations [N, 24, 3, 3] and to the averaged shape [N, 10]."""
    return (rotations - smooth_rotations).abs().mean((-3, -2, -1)), (betas - smooth_betas).abs().mean(-1)


def _both(context: StepContext) -> tuple[Tensor, Tensor] | None:
    if context.target is None:
        return None
    now, target = context.prediction, context.target
    return smoothing_loss(now.rotations, now.betas, target.rotations, target.betas)


@register("pose", settings=PoseSettings)
def pose(context: StepContext, settings: PoseSettings) -> Tensor | None:
    """Distance of the rotations from the denoised ones (Eq. 9).

    Of each frame [N]; None before there are any.
    """
    both = _both(context)
    return None if both is None else both[0]


@register("shape", settings=ShapeSettings)
def shape(context: StepContext, settings: ShapeSettings) -> Tensor | None:
    """Distance of the shape from the average over sliding windows (Eq. 9).

    Of each frame [N]; None before there is one.
    """
    both = _both(context)
    return None if both is None else both[1]
