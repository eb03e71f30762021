"""Eq. 4: the alignment of motion and label."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from .base import StepContext, TermSettings, register


class AlignmentSettings(TermSettings):
    """Of ``align``."""

    weight: float = Field(0.2, ge=0, le=1e6, description="lambda_2 of Eq. 10")
    warmup: float = Field(
        0.0, ge=0, le=1, description="share of the epochs in which the weight grows from 0: what is seen is fitted first"
    )
    use_trust: bool = Field(False, description="scale a segment's loss by the trust in its label; the paper does not")


@register("align", settings=AlignmentSettings)
def alignment(context: StepContext, settings: AlignmentSettings) -> Tensor | None:
    """How badly the motion of labelled segments fits their labels, by the prior (Eq. 4).

    Of each labelled segment [B']; None without one.
    """
    if context.motion is None:
        return None
    loss = context.prior.loss(context.motion, context.labels)
    return loss * context.trust if settings.use_trust else loss
