"""Cameras: pixels of the image, pixels of a person's crop, and metres in the camera frame.

Three frames, all with x right and y down:

* the image, in pixels from its top left corner;
* the crop of a person, 224 pixels wide, cut out by a square box ``(centre x, centre y, side)`` in image pixels;
* the camera, in metres, z forward. The crop's camera looks at the middle of the crop and the image's at the middle of the
  image; a translation places the body, whose joints are given around its own origin, before one or the other.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Side of the crop in whose pixels the projection loss is measured.
CROP_PX = 224

#: Focal length of the crop's camera in crop pixels (SPIN, CycleAdapt).
CROP_FOCAL_PX = 5000.0


def crop_points(points: Tensor, boxes: Tensor) -> Tensor:
    """Image pixels to crop pixels: ``(p - centre) 224 / side + 112``.

    Args:
        points: image points [..., J, 2], pixels.
        boxes: their boxes [..., 3] (centre x, centre y, side), image pixels.
    Returns:
        Points [..., J, 2], crop pixels.

    >>> crop_points(torch.tensor([[75.0, 200.0]]), torch.tensor([100.0, 200.0, 50.0])).tolist()  # middle of the left edge
    [[0.0, 112.0]]
    """
    return (points - boxes[..., None, :2]) * (CROP_PX / boxes[..., None, 2:]) + CROP_PX / 2


def uncrop_points(points: Tensor, boxes: Tensor) -> Tensor:
    """Crop pixels to image pixels, the inverse of ``crop_points``.

    Args:
        points: points [..., J, 2], crop pixels.
        boxes: their boxes [..., 3] (centre x, centre y, side), image pixels.
    Returns:
        Image points [..., J, 2], pixels.
    """
    return (points - CROP_PX / 2) * (boxes[..., None, 2:] / CROP_PX) + boxes[..., None, :2]


def crop_translation(camera: Tensor, focal_px: float = CROP_FOCAL_PX) -> Tensor:
    """Weak-perspective camera to the body's place in the crop's camera frame: ``(tx, ty, 2 f / (224 s + 1e-9))`` (SPIN).

    Args:
        camera: weak-perspective cameras [..., 3]: scale s (one metre spans s half crops), shift tx, ty (metres).
        focal_px: focal length f of the crop's camera, crop pixels.
    Returns:
        Translations [..., 3], metres, crop's camera frame.
    """
    scale, tx, ty = camera.unbind(-1)
    return torch.stack((tx, ty, 2 * focal_px / (CROP_PX * scale + 1e-9)), -1)


def project_to_crop(joints: Tensor, camera: Tensor, focal_px: float = CROP_FOCAL_PX) -> Tensor:
    """Joints to crop pixels: the projection of Eq. 2. Division is by ``z + 1e-4`` as in CycleAdapt.

    Args:
        joints: joints [..., J, 3] around the body's origin, metres, axes of the camera.
        camera: weak-perspective cameras [..., 3] (s, tx, ty), as in ``crop_translation``.
        focal_px: focal length of the crop's camera, crop pixels.
    Returns:
        Points [..., J, 2], crop pixels.

    >>> project_to_crop(torch.tensor([[0.5, 0.0, 0.0]]), torch.tensor([1.0, 0.0, -0.5])).round().tolist()
    [[168.0, 56.0]]
    """
    points = joints + crop_translation(camera, focal_px)[..., None, :]
    return focal_px * points[..., :2] / (points[..., 2:] + 1e-4) + CROP_PX / 2


def image_focal_px(size: tuple[int, int]) -> float:
    """Focal length of an image, pixels, that goes with the crop's: 5000 at 224 pixels, scaled to the longer side.

    Args:
        size: width and height, pixels.

    >>> image_focal_px((448, 200))
    10000.0
    """
    return CROP_FOCAL_PX / CROP_PX * max(size)


def image_translation(
    camera: Tensor, boxes: Tensor, focal_px: float | Tensor, center_px: tuple[float | Tensor, float | Tensor]
) -> Tensor:
    """Weak-perspective camera of a crop to the body's place in the camera frame of the whole image.

    The depth keeps the person's size in the image, the offset its position (the weak-perspective argument of CLIFF and
    HMR2.0): ``z = 2 f / (side s)``, ``x = tx + 2 (cx - W/2) / (side s)``, y likewise. The body's origin comes to the same
    pixel as by ``project_to_crop``; other points differ in perspective only.

    Args:
        camera: weak-perspective cameras [..., 3] (s, tx, ty), as in ``crop_translation``.
        boxes: boxes of the crops [..., 3] (centre x, centre y, side), image pixels.
        focal_px: focal length f of the image, pixels; one, or [...].
        center_px: its principal point, pixels; likewise.
    Returns:
        Translations [..., 3], metres, camera frame.
    """
    scale = boxes[..., 2] * camera[..., 0] + 1e-9
    x = camera[..., 1] + 2 * (boxes[..., 0] - center_px[0]) / scale
    y = camera[..., 2] + 2 * (boxes[..., 1] - center_px[1]) / scale
    return torch.stack((x, y, 2 * focal_px / scale), -1)


def project_to_image(points: Tensor, focal_px: float | Tensor, center_px: tuple[float | Tensor, float | Tensor]) -> Tensor:
    """Points to image pixels through a pinhole: ``f x / z + c``.

    Args:
        points: points [..., 3], metres, camera frame.
        focal_px: focal length f of the image, pixels; one, or as many as points broadcast with.
        center_px: its principal point c, pixels; likewise.
    Returns:
        Image points [..., 2], pixels; not finite at z = 0.

    >>> project_to_image(torch.tensor([1.0, -0.5, 2.0]), 100.0, (320.0, 240.0)).tolist()
    [370.0, 215.0]
    """
    x, y, z = points.unbind(-1)
    return torch.stack((focal_px * x / z + center_px[0], focal_px * y / z + center_px[1]), -1)


def ray_rotation(points: Tensor, intrinsics: Tensor) -> Tensor:
    """The smallest rotation that turns the camera's z axis onto the ray through a pixel.

    Turning a body with its ray leaves its look in a crop around that pixel nearly the same (CLIFF; Kissos et al., ECCV 2020
    workshops).

    Args:
        points: pixels of the image [..., 2].
        intrinsics: focal length and principal point [..., 3], pixels.
    Returns:
        Rotations [..., 3, 3], from the frame of the ray (its z axis) to the camera's.

    >>> ray_rotation(torch.tensor([100.0, 0.0]), torch.tensor([100.0, 0.0, 0.0]))[:, 2].mul(2**0.5).round().tolist()
    [1.0, 0.0, 1.0]
    """
    ray = torch.cat(((points - intrinsics[..., 1:]) / intrinsics[..., :1], torch.ones_like(points[..., :1])), -1)
    x, y, z = (ray / ray.norm(dim=-1, keepdim=True)).unbind(-1)
    xx, xy, yy = (v / (1 + z) for v in (x * x, x * y, y * y))
    rows = (1 - xx, -xy, x, -xy, 1 - yy, y, -x, -y, z)
    return torch.stack(rows, -1).unflatten(-1, (3, 3))
