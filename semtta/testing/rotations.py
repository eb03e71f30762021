"""Random rotations, and what all rotations must be."""

from __future__ import annotations

import torch
from torch import Tensor

from ..geometry import axis_angle_to_matrix


def random_rotations(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return axis_angle_to_matrix(0.4 * torch.randn(*shape, 24, 3, generator=generator))


def require_rotations(rotations: Tensor, what: str) -> None:
    """They are finite rotation matrices [..., 3, 3]."""
    assert torch.isfinite(rotations).all(), f"{what} are not finite."
    off = (rotations @ rotations.mT - torch.eye(3).to(rotations)).abs().max()
    assert off < 1e-4, f"{what} are not orthonormal matrices."
    assert (torch.linalg.det(rotations) > 0).all(), f"{what} mirror: their determinant must be +1."
