"""Where the root is: one path for the whole clip, by reprojection and smoothness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from pydantic import Field

from ..body import Body
from ..constants import JOINT_SETS
from ..registry import Settings
from ..types import CameraPath, Result
from .base import moved, register
from .root_path import Manner, Sight, camera_scale, solve_path

UNSOLVED = "The root's path could not be solved for with these settings (refiners.root): it stays as the network gave it."


class RootSettings(Settings):
    """Of ``root``. The numbers are standard deviations."""

    joint_m: float = Field(0.045, ge=1e-3, le=10, description="of a seen joint's place beside the body's joint, metres")
    together_s: float = Field(0.2, ge=1e-3, le=1000, description="errors of a joint within so many seconds are one error")
    acceleration: float = Field(3.0, ge=1e-3, le=1e6, description="of the root across the line of sight, m/s^2")
    depth_acceleration: float = Field(0.5, ge=1e-3, le=1e6, description="along it, m/s^2: depth is what a picture shows worst")
    velocity: float = Field(5.0, ge=1e-3, le=1e6, description="of the root, m/s")
    foot_m_s: float = Field(
        0.1, ge=1e-3, le=1e6, description="of the depth of a foot that is still in the picture, m/s; large: feet do not count"
    )
    stand_m_s: float = Field(
        0.025, ge=1e-3, le=1e6, description="of the root's depth while both feet stand, m/s; large: standing does not count"
    )


@register("root", settings=RootSettings)
def root(results: Sequence[Result], body: Body, settings: RootSettings) -> list[Result]:
    """Each person's translation fits all joints that are seen, in perspective, and moves as people move.

    Rotations and shapes stay. Where nothing is seen the path goes on smoothly. With a camera's path it is smooth in the world.
    """
    return [_placed(result, body, Manner(**settings.model_dump())) for result in results]


@torch.no_grad()
def _placed(result: Result, body: Body, manner: Manner) -> Result:
    start = result.params.translation
    if start is None or not len(start):
        return result
    sight, first = sight_of(result, body), start.double().cpu().numpy()
    try:
        if result.camera_path is not None and not result.camera_path.metric:
            scale = camera_scale(sight, first, manner)
            sight = replace(sight, translation=scale * sight.translation)
            result = _scaled(result, result.camera_path, scale)
        places = solve_path(sight, first, manner)
    except np.linalg.LinAlgError:  # of settings that are further apart than numbers are precise
        places = np.full_like(first, np.nan)
    if not np.isfinite(places).all():
        return replace(result, messages=(*result.messages, UNSOLVED))
    return moved(result, replace(result.params, translation=torch.from_numpy(places).to(start)), body)


def _scaled(result: Result, path: CameraPath, scale: float) -> Result:
    """With the camera's path in metres, and a message."""
    said = f"The camera's path is in units of {scale:.3g} m, as the person moves most evenly so (refiner root)."
    metres = replace(path, translation=scale * path.translation, metric=True)
    return replace(result, camera_path=metres, messages=(*result.messages, said))


@torch.no_grad()
def sight_of(result: Result, body: Body) -> Sight:
    """The joints that are seen of a result, and its body's, as the solver takes them."""
    keypoints, camera, count = result.keypoints_before, result.camera, len(result.joints)
    params = result.params.to(body.v_template)
    points = body.keypoints(params.rotations, params.betas, keypoints.joint_set).double().cpu().numpy()
    seen = (keypoints.xy.double().cpu().numpy() - camera.center_px) / camera.focal_px
    weight = keypoints.confidence.double().cpu().numpy().clip(0, 1)
    weight = np.where(np.isfinite(seen).all(-1), weight, 0)
    names = JOINT_SETS[keypoints.joint_set]
    feet = tuple(names.index(name) for name in ("L_Ankle", "R_Ankle") if name in names)
    if result.camera_path is None:
        rotation, translation = np.broadcast_to(np.eye(3), (count, 3, 3)), np.zeros((count, 3))
    else:
        path = result.camera_path
        rotation, translation = path.rotation.double().cpu().numpy(), path.translation.double().cpu().numpy()
    return Sight(points, np.where(weight[..., None] > 0, seen, 0), weight, result.times.numpy(), rotation, translation, feet)
