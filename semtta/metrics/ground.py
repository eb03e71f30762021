"""How a motion stands on its floor: measures that need a world and no ground truth."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..body import Surface, body_of
from ..constants import SMPL24
from ..types import Result
from .errors import MM

#: Knees that are bent by less (degrees, of both) are those of somebody who stands.
STRAIGHT_DEG = 35.0


@torch.no_grad()
def ground_quality(result: Result, body: Any = None, unadapted: bool = False) -> dict[str, float]:
    """How a motion stands on the floor of its world; empty for a result without one.

    ``root_range_x_m``, ``_y_m``, ``_z_m``: how far the pelvis moves in all (z is up, y ahead of the camera); ``foot_slide_mm``:
    how far points that stand move along the floor from frame to frame, mean over the frames in which they stand;
    ``penetration_mm``: how deep the lowest point of the mesh is below the floor, mean over the frames; ``floor_gap_95_mm``: its
    distance from the floor, above or below, which 95 % of the frames do not exceed; ``lean_deg``: angle between the trunk (pelvis
    to neck) and the vertical, median over the frames in which both legs are straight and a foot stands.

    ``unadapted``: of the motion before adaptation, in the same world and with the same contacts.
    """
    world = result.world
    if world is None or not len(world.joints):
        return {}
    model = body_of(result, body)
    params = (result.unadapted if unadapted else result.params).to(model.v_template)
    outer, feet = Surface(model).points(params)
    joints = model.joints(params.rotations, params.betas, params.translation)
    outer, feet, joints = (
        (points.cpu().float() - world.camera.translation[:, None]) @ world.camera.rotation for points in (outer, feet, joints)
    )
    return measure_ground(outer, feet, joints, world.contacts)


def measure_ground(outer: Tensor, feet: Tensor, joints: Tensor, contacts: Tensor) -> dict[str, float]:
    """The same of outermost points [T, K, 3], points of FOOT_POINTS [T, 4, 3], joints [T, 24, 3] and contacts [T, 4]."""
    span = joints[:, 0].amax(0) - joints[:, 0].amin(0)
    numbers = {f"root_range_{axis}_m": float(value) for axis, value in zip("xyz", span, strict=True)}
    stands = contacts > 0.5
    both = stands[1:] & stands[:-1]
    if both.any():
        numbers["foot_slide_mm"] = float(feet[..., :2].diff(dim=0).norm(dim=-1)[both].mean()) * MM
    lowest = outer[..., 2].amin(1)
    numbers["penetration_mm"] = float((-lowest).clamp(min=0).mean()) * MM
    numbers["floor_gap_95_mm"] = float(lowest.abs().quantile(0.95)) * MM
    upright = standing(joints) & stands.any(1)
    if upright.any():
        trunk = normalize(joints[:, SMPL24.index("Neck")] - joints[:, 0], dim=-1)
        numbers["lean_deg"] = float(torch.rad2deg(torch.acos(trunk[upright, 2].clamp(-1, 1))).median())
    return numbers


def standing(joints: Tensor) -> Tensor:
    """Whether both legs of joints [T, 24, 3] are straight: bool [T]."""
    bends = []
    for side in "LR":
        hip, knee, ankle = (joints[:, SMPL24.index(f"{side}_{name}")] for name in ("Hip", "Knee", "Ankle"))
        cosine = (normalize(knee - hip, dim=-1) * normalize(ankle - knee, dim=-1)).sum(-1)
        bends.append(torch.rad2deg(torch.acos(cosine.clamp(-1, 1))))
    return torch.stack(bends).amax(0) < STRAIGHT_DEG
