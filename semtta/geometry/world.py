"""The motion in a world frame with an up axis: where a refiner has placed it, or as the camera saw it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from ..errors import unknown_name
from ..types import CameraPath, Result

Up = Literal["camera", "y", "z"]
Origin = Literal["camera", "person"]

#: Rotation from the camera frame (x right, y down, z forward) to each world frame; x is kept. Without ``Result.world``
#: the image's vertical is taken as the world's, so with a pitched or rolled camera the person leans.
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
    cameras: CameraPath  # of the T frames: camera = rotation @ world + translation

    @property
    def rotation(self) -> Tensor:
        """The rotation [3, 3] from the first frame's camera to the world."""
        return self.cameras.rotation[0].mT

    @property
    def shift(self) -> Tensor:
        """Where the first frame's camera is [3], metres: world = rotation @ camera + shift."""
        return camera_centers(self.cameras)[0]

    @property
    def matrix(self) -> Tensor:
        """The homogeneous transform [4, 4] from the first frame's camera to the world, metres."""
        matrix = torch.eye(4, dtype=self.rotation.dtype, device=self.rotation.device)
        matrix[:3, :3], matrix[:3, 3] = self.rotation, self.shift
        return matrix


def camera_centers(cameras: CameraPath) -> Tensor:
    """Where the cameras are in the world [T, 3], metres: ``-R^T t``."""
    return -(cameras.rotation.mT @ cameras.translation[..., None])[..., 0]


def to_world(result: Result, up: Up = "y", origin: Origin = "person", in_place: bool = False) -> WorldMotion:
    """A result's motion in a world with an up axis: ``to_worlds`` of one person."""
    return to_worlds([result], up, origin, in_place)[0]


def to_worlds(results: Sequence[Result], up: Up = "y", origin: Origin = "person", in_place: bool = False) -> list[WorldMotion]:
    """The motions of the people of one clip in one world with an up axis.

    Args:
        results: motions in the camera frame (x right, y down, z forward), and in the world if a refiner has placed all of them
            there (``Result.world``); otherwise the image's vertical is the world's.
        up: the world's up axis, "y" or "z"; "camera" keeps the camera frame (y down), of each frame.
        origin: "camera" puts the first frame's camera at 0. "person" puts the floor at height 0 (without ``Result.world`` it
            is at the lowest joint of all), and the pelvis of the first person's first frame above 0.
        in_place: each person stays over the spot of the first frame; heights are kept.
    Returns:
        The motions in the world, float64 on the CPU.
    Raises:
        SemttaError: for an unknown axis or origin.
    """
    if up not in get_args(Up):
        raise unknown_name("up axis", up, get_args(Up))
    if origin not in get_args(Origin):
        raise unknown_name("origin", origin, get_args(Origin))
    placed = up != "camera" and all(result.world is not None for result in results)
    motions = [_in_world(result, up) if placed else _in_camera(result, up) for result in results]
    shift = torch.zeros(3, dtype=torch.float64)
    if origin == "camera" and placed:
        shift = -motions[0].shift
    elif origin == "person" and not placed:
        heights = torch.cat([motion.joints[..., UP_AXIS[up]].flatten() for motion in motions])
        shift = -motions[0].joints[0, 0]
        shift[UP_AXIS[up]] = -(heights.max() if up == "camera" else heights.min())
    return [_moved(motion, shift, UP_AXIS[up], in_place) for motion in motions]


def _in_camera(result: Result, up: Up) -> WorldMotion:
    """The camera frame with other axes."""
    rotation = torch.tensor(AXES[up], dtype=torch.float64)
    rotations, joints = (x.detach().cpu().double() for x in (result.params.rotations, result.joints))
    still = CameraPath(rotation.mT.expand(len(joints), 3, 3), torch.zeros(len(joints), 3, dtype=torch.float64))
    return WorldMotion(_turned(rotations, rotation), joints @ rotation.mT, still)


def _in_world(result: Result, up: Up) -> WorldMotion:
    """The refined world, which has z up, with other axes."""
    assert result.world is not None
    world = result.world.to(device="cpu", dtype=torch.float64)
    rotation = torch.tensor(AXES[up], dtype=torch.float64) @ torch.tensor(AXES["z"], dtype=torch.float64).mT
    cameras = CameraPath(world.camera.rotation.detach() @ rotation.mT, world.camera.translation.detach())
    return WorldMotion(_turned(world.params.rotations.detach(), rotation), world.joints.detach() @ rotation.mT, cameras)


def _turned(rotations: Tensor, rotation: Tensor) -> Tensor:
    return torch.cat((rotation @ rotations[:, :1], rotations[:, 1:]), 1)


def _moved(motion: WorldMotion, shift: Tensor, up_axis: int, in_place: bool) -> WorldMotion:
    """The motion with all of the world moved by ``shift`` [3], and with the walk taken out."""
    joints = motion.joints + shift
    if in_place:
        walk = joints[:, :1] - joints[:1, :1]
        walk[..., up_axis] = 0
        joints = joints - walk
    translation = motion.cameras.translation - motion.cameras.rotation @ shift
    return WorldMotion(motion.rotations, joints, CameraPath(motion.cameras.rotation, translation))
