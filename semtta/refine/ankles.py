"""Legs that end where their ankles are seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from ..body import Body
from ..constants import JOINT_SETS
from ..registry import Settings
from ..types import Result
from .base import moved, register
from .legs import Leg, reach
from .smooth import blend


class AnklesSettings(Settings):
    """Of ``ankles``. The numbers are standard deviations, metres, at the person's depth."""

    seen_m: float = Field(0.02, ge=1e-3, le=10, description="of where an ankle is seen")
    leg_m: float = Field(0.05, ge=1e-3, le=10, description="of how far a leg must reach for it, beside the line of sight")
    acceleration: float = Field(4.0, ge=1e-3, le=1e6, description="of that, m/s^2")


#: An ankle that is seen further from the body's than so many times what a leg may be off by, is not this ankle.
_WRONG = 4.0


@register("ankles", settings=AnklesSettings)
@torch.no_grad()
def ankles(results: Sequence[Result], body: Body, settings: AnklesSettings) -> list[Result]:
    """Legs reach for the ankles that are seen, beside the line of sight; depth is left to the pose.

    What is the same over the whole clip (the median) stays: detectors and bodies mean different places by "ankle". A root that
    moves as people do cannot follow a pose whose depth is wrong, as the one of a single frame can: without this, the feet of
    someone who squats on one spot would slip and rise.
    """
    return [_reaching(result, body, settings) for result in results]


def _reaching(result: Result, body: Body, settings: AnklesSettings) -> Result:
    points, translation = result.keypoints_before, result.params.translation
    names = JOINT_SETS[points.joint_set]
    if translation is None or not len(result.joints) or not {"L_Ankle", "R_Ankle"} <= set(names):
        return result
    on_body = result.params.to(body.v_template)
    places = body.keypoints(on_body.rotations, on_body.betas, points.joint_set).cpu().float() + translation.cpu().float()[:, None]
    rotations, joints = result.params.rotations.cpu().float(), result.joints.cpu().float()
    for side in "LR":
        leg, at = Leg.of(side), names.index(f"{side}_Ankle")
        step = _missing(places[:, at], points.xy[:, at].cpu(), result)
        known = points.confidence[:, at].cpu().double().clamp(0, 1) * (step.norm(dim=-1) < _WRONG * settings.leg_m)
        weights = (known / settings.seen_m**2).numpy()
        if (known > 0).any():  # what never changes is that a detector means another place by the joint's name
            step = step - step[known > 0].median(0).values
        move = blend(step.double().numpy(), weights, result.times.numpy(), settings.acceleration, settings.leg_m)
        rotations = reach(rotations, joints, leg, joints[:, leg.ankle] + torch.from_numpy(np.ascontiguousarray(move)).float())
    return moved(result, replace(result.params, rotations=rotations.to(result.params.rotations)), body)


def _missing(place: Tensor, seen: Tensor, result: Result) -> Tensor:
    """The shortest way [T, 3] from places [T, 3] to the rays on which they are seen, pixels [T, 2]."""
    camera = result.camera
    plane = (seen - torch.tensor(camera.center_px)) / camera.focal_px
    ray = torch.nn.functional.normalize(torch.cat((plane, torch.ones_like(plane[:, :1])), -1), dim=-1)
    return (place * ray).sum(-1, keepdim=True) * ray - place
