"""A made-up result in a made-up world."""

from __future__ import annotations

from dataclasses import replace

import torch

from semtta.geometry import axis_angle_to_matrix
from semtta.geometry.world import AXES
from semtta.types import BodyParams, CameraPath, Result, World

#: Where the camera stands at first, metres.
CENTER = torch.tensor([0.5, -5.0, 1.4])


def in_a_world(result: Result, turn: float = 0.3, walk: float = 0.4) -> Result:
    """With a world: the camera turns about the vertical by ``turn`` radians and moves right by ``walk`` metres a second."""
    times = result.times.float()
    turning = axis_angle_to_matrix(turn * times[:, None] * torch.tensor([0.0, 0, 1]))
    rotation = turning @ torch.tensor(AXES["z"])  # from the camera to the world
    center = CENTER + walk * times[:, None] * torch.tensor([1.0, 0, 0])
    rotations = result.params.rotations.clone()
    rotations[:, 0] = rotation @ rotations[:, 0]
    joints = result.joints @ rotation.mT + center[:, None]
    rest = result.joints[:, 0] - result.params.translation
    params = BodyParams(rotations, result.params.betas, joints[:, 0] - rest)
    contacts = torch.linspace(0, 1, len(times))[:, None].expand(-1, 4)
    camera = CameraPath(rotation.mT, -(rotation.mT @ center[..., None])[..., 0])
    confidence = torch.linspace(0, 1, 24).expand(len(times), 24)
    return replace(result, world=World(params, joints, contacts, camera), confidence=confidence)
