"""Rotations, crops and cameras. Rotation conversions go through roma; every 6D layout is named.

Three incompatible 6D layouts are in use, all of a matrix ``R`` (3 x 3):

==================  ===========================================  =========================================
``rows``            first two rows: R00 R01 R02 R10 R11 R12      MotionCLIP (PyTorch3D)
``columns``         first two columns, one after the other:      HMR2.0
                    R00 R10 R20 R01 R11 R21
``columns_interleaved``  first two columns, row by row:          SPIN, VIBE, CycleAdapt
                    R00 R01 R10 R11 R20 R21
==================  ===========================================  =========================================
"""

from __future__ import annotations

from typing import Literal, get_args

import roma
import torch
from torch import Tensor

from ..errors import unknown_name

Layout6D = Literal["rows", "columns", "columns_interleaved"]


def axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """Rotation vectors [..., 3] (radians) -> matrices [..., 3, 3]."""
    return roma.rotvec_to_rotmat(axis_angle)


def matrix_to_axis_angle(matrix: Tensor) -> Tensor:
    """Matrices [..., 3, 3] -> rotation vectors [..., 3], norm at most pi."""
    return roma.rotmat_to_rotvec(matrix)


def matrix_to_6d(matrix: Tensor, layout: Layout6D) -> Tensor:
    """Matrices [..., 3, 3] -> [..., 6] in the named layout."""
    if layout == "rows":
        return matrix[..., :2, :].flatten(-2)
    if layout == "columns":
        return matrix[..., :, :2].mT.flatten(-2)
    if layout == "columns_interleaved":
        return matrix[..., :, :2].flatten(-2)
    raise unknown_name("6D layout", layout, get_args(Layout6D))


def matrix_from_6d(six: Tensor, layout: Layout6D) -> Tensor:
    """[..., 6] in the named layout -> matrices [..., 3, 3], by Gram-Schmidt on the two vectors."""
    if layout not in get_args(Layout6D):
        raise unknown_name("6D layout", layout, get_args(Layout6D))
    pairs = six.unflatten(-1, (3, 2)) if layout == "columns_interleaved" else six.unflatten(-1, (2, 3)).mT
    matrix = roma.special_gramschmidt(pairs)
    return matrix.mT if layout == "rows" else matrix


def resample_rotations(rotations: Tensor, source_fps: float, target_fps: float) -> Tensor:
    """Rotations [..., T, J, 3, 3] at one rate -> [..., T', J, 3, 3] at another over the same time, by slerp.

    ``T' = round((T - 1) target / source) + 1``; differentiable.
    """
    length = rotations.shape[-4]
    if source_fps == target_fps or length == 1:
        return rotations
    count = round((length - 1) * target_fps / source_fps) + 1
    position = torch.linspace(0, length - 1, count, device=rotations.device, dtype=rotations.dtype)
    low = position.floor().long().clamp(max=length - 2)
    before, after = rotations.narrow(-4, 0, length - 1), rotations.narrow(-4, 1, length - 1)
    turn = roma.rotmat_to_rotvec(before.mT @ after).index_select(-3, low)  # the costly part once between two frames
    return before.index_select(-4, low) @ roma.rotvec_to_rotmat((position - low)[:, None, None] * turn)
