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

from .errors import unknown_name

Layout6D = Literal["rows", "columns", "columns_interleaved"]

#: Side of the crop in whose pixels the projection loss is measured.
CROP_PX = 224
#: Focal length of the crop's camera in crop pixels (SPIN, CycleAdapt).
CROP_FOCAL_PX = 5000.0


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


def crop_points(points: Tensor, boxes: Tensor) -> Tensor:
    """Image points [T, J, 2] -> pixels of the 224 crop of their box [T, 3] (centre x, centre y, side)."""
    return (points - boxes[:, None, :2]) * (CROP_PX / boxes[:, None, 2:]) + CROP_PX / 2


def uncrop_points(points: Tensor, boxes: Tensor) -> Tensor:
    """Inverse of ``crop_points``."""
    return (points - CROP_PX / 2) * (boxes[:, None, 2:] / CROP_PX) + boxes[:, None, :2]


def crop_translation(camera: Tensor, focal_px: float = CROP_FOCAL_PX) -> Tensor:
    """Weak-perspective camera (s, tx, ty) [..., 3] -> translation [..., 3] in the crop's camera frame, metres.

    ``t = (tx, ty, 2 f / (224 s + 1e-9))``, f = 5000 crop pixels (SPIN; CycleAdapt) unless ``focal_px`` says another.
    """
    scale, tx, ty = camera.unbind(-1)
    return torch.stack((tx, ty, 2 * focal_px / (CROP_PX * scale + 1e-9)), -1)


def project_to_crop(joints: Tensor, camera: Tensor, focal_px: float = CROP_FOCAL_PX) -> Tensor:
    """Eq. 2's projection: joints [..., J, 3] (metres, body at its origin) -> pixels of the 224 crop [..., J, 2].

    The camera [..., 3] is the estimator's (s, tx, ty); division is by ``z + 1e-4`` as in CycleAdapt.
    """
    points = joints + crop_translation(camera, focal_px)[..., None, :]
    return focal_px * points[..., :2] / (points[..., 2:] + 1e-4) + CROP_PX / 2


def image_focal_px(size: tuple[int, int]) -> float:
    """Focal length of the whole image that goes with the crop's: 5000 at 224 pixels, scaled to the longer side."""
    return CROP_FOCAL_PX / CROP_PX * max(size)


def image_translation(camera: Tensor, boxes: Tensor, focal_px: float, center_px: tuple[float, float]) -> Tensor:
    """Crop cameras [T, 3] and boxes [T, 3] -> translation [T, 3] in the camera frame of the whole image, metres.

    The depth keeps the person's size in the image, the offset its position (the weak-perspective argument of
    CLIFF and HMR2.0): ``z = 2 f / (side s)``, ``x = tx + 2 (cx - W/2) / (side s)``.
    """
    scale = boxes[..., 2] * camera[..., 0] + 1e-9
    x = camera[..., 1] + 2 * (boxes[..., 0] - center_px[0]) / scale
    y = camera[..., 2] + 2 * (boxes[..., 1] - center_px[1]) / scale
    return torch.stack((x, y, 2 * focal_px / scale), -1)


def project_to_image(points: Tensor, focal_px: float, center_px: tuple[float, float]) -> Tensor:
    """Camera-frame points [..., 3] (metres) -> pixels [..., 2] of the image."""
    center = points.new_tensor(center_px)
    return focal_px * points[..., :2] / points[..., 2:] + center


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
