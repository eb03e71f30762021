"""Rotations as matrices, rotation vectors (axis times angle) and in 6D; conversions use roma.

A rotation matrix ``R`` [..., 3, 3] rotates column vectors: ``y = R x``. Three incompatible 6D layouts are in use, so the
layout is always named:

==================  ===========================================  =========================================
``rows``            first two rows: R00 R01 R02 R10 R11 R12      MotionCLIP (PyTorch3D)
``columns``         first two columns, one after the other:      HMR2.0
                    R00 R10 R20 R01 R11 R21
``columns_interleaved``  first two columns, row by row:          SPIN, VIBE, CycleAdapt
                    R00 R01 R10 R11 R20 R21
==================  ===========================================  =========================================
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import roma
from torch import Tensor, linspace

from ..errors import SemttaError, unknown_name

Layout6D = Literal["rows", "columns", "columns_interleaved"]


def axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """Rotation vectors to matrices, by Rodrigues' formula; differentiable everywhere, also at 0.

    Args:
        axis_angle: rotation vectors [..., 3], radians.
    Returns:
        Rotation matrices [..., 3, 3].

    >>> import torch
    >>> quarter = axis_angle_to_matrix(torch.tensor([0.0, 0.0, torch.pi / 2]))
    >>> (quarter @ torch.tensor([1.0, 0.0, 0.0])).round().int().tolist()  # about z, x becomes y
    [0, 1, 0]
    """
    return roma.rotvec_to_rotmat(axis_angle)


def matrix_to_axis_angle(matrix: Tensor) -> Tensor:
    """Matrices to rotation vectors; the gradient is finite everywhere. At an angle of pi either sign may result.

    Args:
        matrix: rotation matrices [..., 3, 3].
    Returns:
        Rotation vectors [..., 3], radians, of norm at most pi.
    """
    return roma.rotmat_to_rotvec(matrix)


def matrix_to_6d(matrix: Tensor, layout: Layout6D) -> Tensor:
    """Matrices to six of their nine numbers (Zhou et al., On the Continuity of Rotation Representations, 2019).

    Args:
        matrix: rotation matrices [..., 3, 3].
        layout: which six and in which order: see the table of this module.
    Returns:
        6D rotations [..., 6].
    Raises:
        SemttaError: for an unknown layout.

    >>> import torch
    >>> numbers = torch.arange(9).view(3, 3)
    >>> matrix_to_6d(numbers, "rows").tolist(), matrix_to_6d(numbers, "columns").tolist()
    ([0, 1, 2, 3, 4, 5], [0, 3, 6, 1, 4, 7])
    """
    if layout == "rows":
        return matrix[..., :2, :].flatten(-2)
    if layout == "columns":
        return matrix[..., :, :2].mT.flatten(-2)
    if layout == "columns_interleaved":
        return matrix[..., :, :2].flatten(-2)
    raise unknown_name("6D layout", layout, get_args(Layout6D))


def matrix_from_6d(six: Tensor, layout: Layout6D) -> Tensor:
    """6D rotations to matrices, by Gram-Schmidt: the first vector keeps its direction (Zhou et al. 2019).

    Args:
        six: two vectors of any length [..., 6]; they must not be parallel (the result is then not finite).
        layout: their arrangement in the six numbers: see the table of this module.
    Returns:
        Rotation matrices [..., 3, 3].
    Raises:
        SemttaError: for an unknown layout.

    >>> import torch
    >>> matrix_from_6d(torch.tensor([2.0, 0, 0, 1, 3, 0]), "columns").equal(torch.eye(3))
    True
    """
    if layout not in get_args(Layout6D):
        raise unknown_name("6D layout", layout, get_args(Layout6D))
    pairs = six.unflatten(-1, (3, 2)) if layout == "columns_interleaved" else six.unflatten(-1, (2, 3)).mT
    matrix = roma.special_gramschmidt(pairs)
    return matrix.mT if layout == "rows" else matrix


def resample_rotations(rotations: Tensor, source_fps: float, target_fps: float) -> Tensor:
    """Rotations at another frame rate, by spherical linear interpolation (slerp); differentiable.

    The first and last frame are kept, with ``T' = round((T - 1) target_fps / source_fps) + 1`` evenly spaced frames in all. A
    single frame is returned as it is.

    Args:
        rotations: rotation matrices [..., T, J, 3, 3].
        source_fps: their frames per second.
        target_fps: the result's.
    Returns:
        Rotation matrices [..., T', J, 3, 3].
    Raises:
        SemttaError: for a rate that is not a positive number.

    >>> import torch
    >>> turns = axis_angle_to_matrix(torch.tensor([[[0.0, 0, 0]], [[0, 0, 1]]]))  # two frames of one joint
    >>> matrix_to_axis_angle(resample_rotations(turns, 10, 20))[:, 0, 2]
    tensor([0.0000, 0.5000, 1.0000])
    """
    if not (0 < source_fps < math.inf and 0 < target_fps < math.inf):
        raise SemttaError(f"Frame rates must be positive numbers, not {source_fps} and {target_fps}.")
    length = rotations.shape[-4]
    if source_fps == target_fps or length <= 1:
        return rotations
    count = round((length - 1) * target_fps / source_fps) + 1
    return rotations_at(rotations, linspace(0, length - 1, count, device=rotations.device, dtype=rotations.dtype))


def rotations_at(rotations: Tensor, position: Tensor) -> Tensor:
    """Rotations [..., T, J, 3, 3] at positions [T'] in frames (0 to T - 1, fractions too), by slerp; differentiable.

    Returns:
        Rotation matrices [..., T', J, 3, 3].
    """
    length = rotations.shape[-4]
    if length <= 1:
        return rotations.index_select(-4, position.long())
    low = position.floor().long().clamp(max=length - 2)
    before, after = rotations.narrow(-4, 0, length - 1), rotations.narrow(-4, 1, length - 1)
    steps = roma.rotmat_to_rotvec(before.mT @ after).index_select(-3, low)  # the costly part, once per pair of frames
    return before.index_select(-4, low) @ roma.rotvec_to_rotmat((position - low)[:, None, None] * steps)
