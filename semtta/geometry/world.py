"""The motion in a world frame with an up axis, from the camera frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from ..errors import unknown_name
from ..types import Result, World

Up = Literal["camera", "y", "z"]
Origin = Literal["camera", "person"]

#: Rotation from the camera frame (x right, y down, z forward) to each world frame; x is kept. For a result without ``world`` the
#: image's vertical is taken as the world's, so with a pitched or rolled camera the person leans.
AXES = {
    "camera": ((1.0, 0, 0), (0, 1, 0), (0, 0, 1)),
    "y": ((1.0, 0, 0), (0, -1, 0), (0, 0, -1)),  # towards the camera: +z
    "z": ((1.0, 0, 0), (0, 0, 1), (0, -1, 0)),  # towards the camera: -y (AMASS, Blender)
}
UP_AXIS = {"camera": 1, "y": 1, "z": 2}


@dataclass(frozen=True)
class WorldMotion:
    """A motion in a world frame, metres."""

    rotations: Tensor  # [T, 24, 3, 3] parent-relative; 0 is global, into the world frame
    joints: Tensor  # [T, 24, 3]
    rotation: Tensor  # [3, 3] from camera to world; of a camera that moves: as it is in the first frame
    shift: Tensor  # [3] metres: world = rotation @ camera + shift

    @property
    def matrix(self) -> Tensor:
        """The homogeneous transform [4, 4] from camera to world, metres."""
        matrix = torch.eye(4, dtype=self.rotation.dtype, device=self.rotation.device)
        matrix[:3, :3], matrix[:3, 3] = self.rotation, self.shift
        return matrix


def to_world(result: Result, up: Up = "y", origin: Origin = "person") -> WorldMotion:
    """A result's motion in a world with an up axis: that of ``result.world``, or for one without it the camera's, turned.

    Args:
        result: a motion in the camera frame (x right, y down, z forward), and perhaps in the world.
        up: the world's up axis, "y" or "z"; "camera" keeps the camera frame (y down).
        origin: "camera" puts the camera at 0 (of one that moves, where it is in the first frame); "person" puts the pelvis of the
            first frame above 0 and the floor at height 0: that of ``result.world``, whose origin all people of a clip share, or
            else the lowest joint of the clip.
    Returns:
        The motion in the world, float64 on the CPU.
    Raises:
        SemttaError: for an unknown axis or origin.
    """
    if up not in get_args(Up):
        raise unknown_name("up axis", up, get_args(Up))
    if origin not in get_args(Origin):
        raise unknown_name("origin", origin, get_args(Origin))
    if result.world is not None and up != "camera" and len(result.joints):
        return _of_world(result.world, up, origin)
    rotation = torch.tensor(AXES[up], dtype=torch.float64)
    rotations = result.params.rotations.detach().cpu().double().clone()
    rotations[:, 0] = rotation @ rotations[:, 0]
    joints = result.joints.detach().cpu().double() @ rotation.mT
    shift = torch.zeros(3, dtype=torch.float64)
    if origin == "person" and len(joints):
        shift = -joints[0, 0]
        heights = joints[..., UP_AXIS[up]]
        shift[UP_AXIS[up]] = -(heights.max() if up == "camera" else heights.min())
    return WorldMotion(rotations, joints + shift, rotation, shift)


def _of_world(world: World, up: Up, origin: Origin) -> WorldMotion:
    """A world, which has z up, with its axes as ``up`` names them; x is kept."""
    world = world.to("cpu", torch.float64)
    turn = torch.tensor(AXES[up], dtype=torch.float64) @ torch.tensor(AXES["z"], dtype=torch.float64).mT
    back = world.camera.rotation[0].mT
    camera = -back @ world.camera.translation[0]
    shift = camera if origin == "camera" else torch.zeros(3, dtype=torch.float64)
    rotations = world.params.rotations.clone()
    rotations[:, 0] = turn @ rotations[:, 0]
    return WorldMotion(rotations, (world.joints - shift) @ turn.mT, turn @ back, turn @ (camera - shift))
