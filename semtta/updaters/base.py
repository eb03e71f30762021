"""The updates of Eq. 6-8 as pure functions of the 2D evidence.

An updater is called with the evidence as it was before this epoch's update and with what the updaters before it made of
it: so EMA and fill-in compose to Eq. 8 in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import torch
from pydantic import Field
from torch import Tensor

from ..constants import SMPL24, SMPL29
from ..geometry import CROP_PX
from ..registry import Registry, Settings
from ..settings import Part
from ..types import Evidence


@dataclass(frozen=True)
class UpdateContext:
    """What an update may look at. T frames, J joints."""

    before: Evidence  # [T, J] as it was before this epoch's update
    current: Evidence  # [T, J] after the updaters that came first
    predicted: Tensor  # [T, J, 2] projection of the prediction, pixels of the 224 crop
    similarity: Tensor  # [T] of the motion to its label (Eq. 3)
    sigma: float  # of Eq. 6, the prior's
    supervised: Tensor  # [J] bool, joints that keypoints may supervise


class Updater(Protocol):
    """Context and the updater's settings -> the evidence [T, J] after it."""

    def __call__(self, context: UpdateContext) -> Evidence: ...


updaters: Registry[Evidence] = Registry("updater", dict.fromkeys(("ema", "fill_in", "none"), __name__))
register = updaters.register


class EMASettings(Settings):
    """Of ``ema``."""

    alpha: float = Field(0.9, ge=0, le=1, description="weight of the keypoint as it was (Eq. 7)")


class FillInSettings(Settings):
    """Of ``fill_in``. The threshold sigma belongs to the prior."""

    joints: Literal["supervised", "smpl24", "smpl29"] = Field("supervised", description="joints that may be filled in")
    outside_crop: bool = Field(True, description="whether points outside the crop may be filled in")


@register("ema", settings=EMASettings)
def ema(context: UpdateContext, settings: EMASettings) -> Evidence:
    """Eq. 7: ``alpha * point + (1 - alpha) * prediction`` where there was a point."""
    before, current = context.before, context.current
    moved = settings.alpha * before.points + (1 - settings.alpha) * context.predicted
    return Evidence(moved.where(before.present[..., None], current.points), current.present)


@register("fill_in", settings=FillInSettings)
def fill_in(context: UpdateContext, settings: FillInSettings) -> Evidence:
    """Eq. 6: the prediction where there was no point and the motion's similarity to its label exceeds sigma."""
    predicted, current = context.predicted, context.current
    fill = ~context.before.present & (context.similarity > context.sigma)[:, None]
    if settings.joints == "supervised":
        fill = fill & context.supervised
    elif settings.joints == "smpl24":
        fill = fill & (torch.arange(len(SMPL29), device=fill.device) < len(SMPL24))
    if not settings.outside_crop:
        fill = fill & ((predicted >= 0) & (predicted <= CROP_PX)).all(-1)
    return Evidence(predicted.where(fill[..., None], current.points), current.present | fill)


@register("none")
def none(context: UpdateContext) -> Evidence:
    """Keeps the 2D evidence as it is."""
    return context.current


def bind(parts: Sequence[Part]) -> list[Updater]:
    """The updaters of a run, with their settings."""
    return [updaters.bind(part.name, part.settings) for part in parts]


def update(steps: Sequence[Updater], context: UpdateContext) -> Evidence:
    """The updaters one after the other; all see the evidence as it was before the update (Eq. 8)."""
    for step in steps:
        context = replace(context, current=step(context))
    return context.current
