"""BVH: a skeleton with Euler angles, read by most animation programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import roma
import torch
from torch import Tensor

from ..constants import SMPL24, SMPL_PARENTS
from ..geometry.kinematics import global_rotations
from ..geometry.world import Origin, Up
from ..types import Result
from .base import Unit, register, require_size, scale_of
from .scene import person_in


def bone_offsets(rotations: Tensor, joints: Tensor) -> Tensor:
    """Offset of each joint from its parent in the rest pose, [24, 3] (0 for the pelvis), computed from the motion itself.

    ``offset = mean over frames of R_parent^T (joint - parent)`` with the global rotations R [T, 24, 3, 3]: exact for a fixed
    shape, otherwise that of the mean shape.
    """
    parents = list(SMPL_PARENTS[1:])
    bones = global_rotations(rotations)[:, parents].mT @ (joints[:, 1:] - joints[:, parents])[..., None]
    return torch.cat((joints.new_zeros(1, 3), bones[..., 0].mean(0)))


@register("bvh")
def write_bvh(
    result: Result,
    path: Path,
    beside: Sequence[Result] = (),
    up: Up = "y",
    origin: Origin = "person",
    unit: Unit = "cm",
    in_place: bool = False,
    fps: float | None = None,
) -> None:
    """SMPL's 24 joints, y up by default; positions in centimetres (``unit="m"``: metres), angles in degrees.

    BVH has one frame rate: ``fps``, or the clip's average; a motion with other times is resampled.

    Channels: position of the pelvis, then Z, X, Y rotations (R = Rz Rx Ry) of each joint. The rest pose is SMPL's
    T-pose, facing +z; its bones are those of the clip's mean shape. ``beside``: the people of the clip, who share one floor.
    """
    scale, rate = scale_of(unit), result.fps if fps is None else fps
    motion = person_in(result, beside, up, origin, in_place, rate).motion
    require_size(len(motion.joints) * 75 * 11)
    offsets = bone_offsets(motion.rotations, motion.joints) * scale
    lines = ["HIERARCHY", *_joint_lines(0, offsets, 0)]
    angles = roma.rotmat_to_euler("ZXY", motion.rotations, degrees=True)
    angles = np.unwrap(angles[:, _depth_first(0)].flatten(1).numpy(), period=360, axis=0)
    frames = np.concatenate((motion.joints[:, 0].numpy() * scale, angles), 1)
    lines += ["MOTION", f"Frames: {len(frames)}", f"Frame Time: {1 / rate:.8f}"]
    with open(path, "w", encoding="ascii", newline="\n") as file:
        file.write("\n".join(lines) + "\n")
        np.savetxt(file, frames, fmt="%.5f")  # a hundredth of a millimetre at worst


def _children(joint: int) -> list[int]:
    return [child for child, parent in enumerate(SMPL_PARENTS) if parent == joint]


def _depth_first(joint: int) -> list[int]:
    """The joints in the order in which BVH lists them and their channels."""
    return [joint, *(index for child in _children(joint) for index in _depth_first(child))]


def _joint_lines(joint: int, offsets: Tensor, depth: int) -> list[str]:
    indent = "  " * depth
    position = "Xposition Yposition Zposition " if joint == 0 else ""
    lines = [
        f"{indent}{'ROOT' if joint == 0 else 'JOINT'} {SMPL24[joint]}",
        f"{indent}{{",
        f"{indent}  OFFSET {_triple(offsets[joint])}",
        f"{indent}  CHANNELS {6 if joint == 0 else 3} {position}Zrotation Xrotation Yrotation",
    ]
    for child in _children(joint):
        lines += _joint_lines(child, offsets, depth + 1)
    if not _children(joint):  # extend the last bone by half its length
        end = ["End Site", "{", f"  OFFSET {_triple(offsets[joint] / 2)}", "}"]
        lines += [f"{indent}  {line}" for line in end]
    return [*lines, f"{indent}}}"]


def _triple(vector: Tensor) -> str:
    return " ".join(f"{value:.6f}" for value in vector.tolist())
