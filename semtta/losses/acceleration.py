"""Smoothness of the motion in space: people accelerate little from one frame to the next."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from .base import StepContext, TermSettings, register


class AccelerationSettings(TermSettings):
    """Of ``acceleration``."""

    weight: float = Field(0.0, ge=0, le=1e6, description="of the joints' acceleration, per metre a frame squared; 0: left out")


def acceleration_loss(joints: Tensor) -> Tensor:
    """Mean length of the second differences in time [B], metres per frame squared, of joints [B, L, J, 3] around the pelvis."""
    return (joints - joints[..., :1, :]).diff(n=2, dim=1).norm(dim=-1).mean((1, 2))


@register("acceleration", settings=AccelerationSettings)
def acceleration(context: StepContext, settings: AccelerationSettings) -> Tensor | None:
    """Acceleration of the joints relative to the pelvis.

    Of each segment [B]; None when single frames are drawn, or segments of fewer than three.
    """
    count = len(context.segments)
    if not count or len(context.frames) < 3 * count:
        return None
    return acceleration_loss(context.joints.unflatten(0, (count, -1)))
