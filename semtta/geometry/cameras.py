"""Crops and cameras: points of the image, of a crop, and of the camera frame."""

from __future__ import annotations

import torch
from torch import Tensor

#: Side of the crop in whose pixels the projection loss is measured.
CROP_PX = 224


#: Focal length of the crop's camera in crop pixels (SPIN, CycleAdapt).
CROP_FOCAL_PX = 5000.0


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
