"""Annotations of datasets as the types of this project: boxes, keypoints, rotations in the camera frame."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..types import Keypoints2D


def square_boxes(corners: np.ndarray, expand: float = 1.0) -> Tensor:
    """Boxes [T, 4] (left, top, right, bottom; pixels) -> square boxes [T, 3] (centre x, centre y, side) on the longer side."""
    low, high = corners[:, :2], corners[:, 2:]
    side = (high - low).max(-1, keepdims=True) * expand
    return torch.from_numpy(np.concatenate(((low + high) / 2, side), -1)).float()


def boxes_around(points: np.ndarray, expand: float = 1.2) -> Tensor:
    """Square boxes [T, 3] around points [T, J, 2] (pixels), ``expand`` times the longer side (SPIN: 1.2)."""
    return square_boxes(np.concatenate((points.min(1), points.max(1)), -1), expand)


def spin_boxes(center: np.ndarray, scale: np.ndarray) -> Tensor:
    """SPIN's ``center`` [T, 2] and ``scale`` [T] (side / 200) -> square boxes [T, 3], pixels."""
    return torch.from_numpy(np.concatenate((center, 200 * scale.reshape(-1, 1)), -1).astype(np.float32))


def to_keypoints(points: np.ndarray, joint_set: str, source: str) -> Keypoints2D:
    """Points [T, J, 3] (x, y in pixels, confidence) -> Keypoints2D."""
    values = torch.from_numpy(points.astype(np.float32))
    return Keypoints2D(values[..., :2], values[..., 2], joint_set, source)


def rotate_root(rotations: Tensor, rotation: Tensor) -> Tensor:
    """Rotations [T, 24, 3, 3] with the global one followed by ``rotation`` [T, 3, 3], such as world to camera."""
    return torch.cat(((rotation @ rotations[:, 0])[:, None], rotations[:, 1:]), 1)


def frame_step(index: np.ndarray) -> float:
    """The median distance between consecutive frame numbers [T]; 1 for a single frame."""
    return float(np.median(np.diff(index))) if len(index) > 1 else 1.0
