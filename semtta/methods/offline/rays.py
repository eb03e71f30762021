"""The camera's rays through joints, as a prior takes them."""

from __future__ import annotations

import torch
from torch import Tensor

from ...geometry import uncrop_points
from ...types import FrameBatch


def pelvis_rays(points: Tensor, rotation: Tensor, places: FrameBatch) -> Tensor:
    """Unit vectors [N, J, 3] along the rays through joints, away from the camera, in the frame of the pelvis.

    Args:
        points: the joints' places [N, J, 2], pixels of the 224 crops of ``places``.
        rotation: of the pelvis into the camera frame [N, 3, 3].
    """
    focal, center = places.intrinsics[:, None, :1], places.intrinsics[:, None, 1:]
    pixels = (uncrop_points(points, places.boxes) - center) / focal
    ray = torch.nn.functional.normalize(torch.cat((pixels, torch.ones_like(pixels[..., :1])), -1), dim=-1)
    return ray @ rotation  # R^T r, for rows
