"""Depth of what is seen: the prior's say along the camera's rays, where 2D decides nothing."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from .base import StepContext, TermSettings, register


class DepthSettings(TermSettings):
    """Of ``depth``."""

    weight: float = Field(
        0.0, ge=0, le=1e6, description="of the prior's pull on seen joints along the camera's rays, per metre; 0: left out"
    )
    warmup: float = Field(
        0.4, ge=0, le=1, description="share of the epochs in which the weight grows from 0: what is seen is fitted first"
    )


@register("depth", settings=DepthSettings)
def depth(context: StepContext, settings: DepthSettings) -> Tensor | None:
    """Distance of seen joints from where the prior would have them, along the camera's rays, metres.

    Of each labelled segment [B']; None without one, and with a prior that has no such opinion.
    """
    return None if context.motion is None else context.prior.depth_loss(context.motion, context.labels)
