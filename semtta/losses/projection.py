"""Eq. 5: the 2D projection loss."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from .base import StepContext, TermSettings, register

Reduction = Literal["mean", "sum"]


class ProjectionSettings(TermSettings):
    """Of ``2d``."""

    weight: float = Field(0.1, ge=0, le=1e6, description="lambda_1 of Eq. 10")
    reduction: Reduction = Field(
        "mean", description="over the 29 joints: lambda_1 = 0.1 agrees with CycleAdapt under the mean; Eq. 5 is a sum"
    )
    unlabelled: bool = Field(True, description="segments without one label count too")


def projection_loss(predicted: Tensor, target: Tensor, visible: Tensor, reduction: Reduction = "mean") -> Tensor:
    """Eq. 5: L1 distance of visible joints per frame [N], in pixels of the 224 crop.

    ``predicted``, ``target`` [N, J, 2], ``visible`` [N, J] bool. ``sum`` is Eq. 5; ``mean`` divides by every element, hidden
    ones included, as CycleAdapt does.
    """
    distance = (predicted - target).abs().where(visible[..., None], 0)
    return distance.mean((-2, -1)) if reduction == "mean" else distance.sum((-2, -1))


@register("2d", settings=ProjectionSettings)
def projection(context: StepContext, settings: ProjectionSettings) -> Tensor:
    """Distance of projected joints from the keypoints, pixels of the crop (Eq. 5).

    Of the step's frames: [N].
    """
    present = context.evidence.present
    if not settings.unlabelled and context.segments:
        labelled = torch.tensor([s.label is not None for s in context.segments], device=present.device)
        present = present & labelled.repeat_interleave(len(present) // len(labelled))[:, None]
    return projection_loss(context.projected, context.evidence.points, present, settings.reduction)
