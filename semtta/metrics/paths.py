"""Errors of where a person is: of the root's path in the camera frame."""

from __future__ import annotations

from torch import Tensor

from .errors import MM, procrustes_align

#: A true root that is nearer to the camera than this, metres, was not placed in front of it: joints around their root.
NEAREST_M = 0.1


def root_path_errors(predicted: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Errors of a root's path, by frame.

    Args:
        predicted: places of the root [T, 3], metres, camera frame.
        target: the true ones.
    Returns:
        ``root_path_mm`` [T]: distance once both start at one place; ``root_offset_mm`` [T]: once their mean places are one;
        ``root_similarity_mm`` [T]: after the similarity (scale, rotation, shift) that fits best, which is all that can be asked
        where the focal length is not known; ``root_depth_pct`` [T]: depth, percent of the true one. Empty for a truth that is
        not in front of the camera.

    >>> import torch
    >>> path = torch.tensor([[0.0, 0, 4], [1, 0, 4]])
    >>> root_path_errors(path + torch.tensor([0.0, 0, 1]), path)["root_depth_pct"].tolist()
    [25.0, 25.0]
    """
    if not len(target) or not bool((target[:, 2] > NEAREST_M).all()):
        return {}
    aligned = procrustes_align(predicted, target) if len(target) > 2 else target
    return {
        "root_path_mm": MM * ((predicted - predicted[:1]) - (target - target[:1])).norm(dim=-1),
        "root_offset_mm": MM * ((predicted - predicted.mean(0)) - (target - target.mean(0))).norm(dim=-1),
        "root_similarity_mm": MM * (aligned - target).norm(dim=-1),
        "root_depth_pct": 100 * (predicted[:, 2] / target[:, 2] - 1).abs(),
    }
