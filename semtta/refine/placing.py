"""A motion in the frame of a camera, and the same one in the world."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..types import BodyParams, CameraPath, Result, World


def path_of(result: Result) -> CameraPath:
    """The camera's path as it was given with the result, or standing still at the origin; [T], as float32 on the CPU."""
    if result.camera_path is not None:
        return result.camera_path.to("cpu", torch.float32)
    count = len(result.joints)
    return CameraPath(torch.eye(3).repeat(count, 1, 1), torch.zeros(count, 3))


def into_world(points: Tensor, camera: CameraPath) -> Tensor:
    """Points [T, ..., 3] of the camera's frame in the world: ``rotation^T (x - translation)``."""
    flat = points.flatten(1, -2) if points.dim() > 2 else points[:, None]
    return ((flat - camera.translation[:, None]) @ camera.rotation).reshape(points.shape)


def into_camera(points: Tensor, camera: CameraPath) -> Tensor:
    """Points [T, ..., 3] of the world in the camera's frame: ``rotation x + translation``."""
    flat = points.flatten(1, -2) if points.dim() > 2 else points[:, None]
    return (flat @ camera.rotation.mT + camera.translation[:, None]).reshape(points.shape)


def world_of(result: Result, camera: CameraPath, contacts: Tensor) -> World:
    """The result's motion in the world of a camera's path: moved rigidly, frame by frame."""
    params, joints = result.params.to("cpu", torch.float32), result.joints.cpu().float()
    rotations = torch.cat((camera.rotation.mT[:, None] @ params.rotations[:, :1], params.rotations[:, 1:]), 1)
    placed = into_world(joints, camera)
    return World(BodyParams(rotations, params.betas, placed[:, 0] - rest_pelvis(result)), placed, contacts, camera)


def rest_pelvis(result: Result) -> Tensor:
    """Where the pelvis is in the body's own frame [T, 3]: the centre of the global rotation."""
    pelvis, translation = result.joints[:, 0].cpu().float(), result.params.translation
    return pelvis if translation is None else pelvis - translation.cpu().float()


def moved_path(path: CameraPath, turn: Tensor, origin: Tensor) -> CameraPath:
    """A camera's path after the world was changed by ``x -> turn x - origin``, with turn [3, 3] or [T, 3, 3]."""
    rotation = path.rotation @ turn.mT
    return CameraPath(rotation, path.translation + (rotation @ origin[..., None])[..., 0])


def told(result: Result, message: str) -> Result:
    """The result with one more message, which it has only once."""
    return result if message in result.messages else replace(result, messages=(*result.messages, message))
