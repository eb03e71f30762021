"""Smoothness of the motion in space: people accelerate little, whatever the video's frame rate."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from .base import StepContext, TermSettings, register


class AccelerationSettings(TermSettings):
    """Of ``acceleration``."""

    weight: float = Field(
        0.0, ge=0, le=1e6, description="of the joints' acceleration, per metre a squared 30th of a second; 0: left out"
    )


def acceleration_loss(joints: Tensor, fps: float = 30.0) -> Tensor:
    """Mean acceleration [B], metres per squared 30th of a second, of joints [B, L, J, 3] relative to the first.

    In a slow video the differences from frame to frame are large without haste: they count by the time between frames.
    """
    return (joints - joints[..., :1, :]).diff(n=2, dim=1).norm(dim=-1).mean((1, 2)) * (fps / 30) ** 2


@register("acceleration", settings=AccelerationSettings)
def acceleration(context: StepContext, settings: AccelerationSettings) -> Tensor | None:
    """Acceleration of the joints relative to the pelvis.

    Of each frame [N] that of its segment; None when single frames are drawn, or segments of fewer than three.
    """
    count = len(context.segments)
    if not count or len(context.frames) < 3 * count:
        return None
    joints = context.joints.unflatten(0, (count, -1))
    return acceleration_loss(joints, context.fps).repeat_interleave(joints.shape[1])
