"""Random poses, and a model in SMPL's format with nothing of SMPL in it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from semtta.constants import SMPL_PARENTS
from semtta.geometry import axis_angle_to_matrix


def random_rotations(*batch: int, scale: float = 0.6, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    """Rotations [*batch,24,3,3]."""
    generator = torch.Generator().manual_seed(seed)
    return axis_angle_to_matrix(scale * torch.randn(*batch, 24, 3, generator=generator, dtype=torch.float64)).to(dtype)


def random_betas(*batch: int, dtype: torch.dtype = torch.float64, seed: int = 1) -> Tensor:
    return torch.randn(*batch, 10, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def identity(*batch: int) -> Tensor:
    return torch.eye(3, dtype=torch.float64).expand(*batch, 24, 3, 3).clone()


def random_model(vertices: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Arrays of a valid model under SMPL's names."""
    rng = np.random.default_rng(seed)
    weights = np.zeros((vertices, 24))
    for column in rng.integers(0, 24, (3, vertices)):
        weights[np.arange(vertices), column] += rng.uniform(0.1, 1, vertices)
    regressor = np.zeros((24, vertices))
    for row in regressor:
        row[rng.choice(vertices, 12, replace=False)] = rng.uniform(0.1, 1, 12)
    return {
        "v_template": rng.normal(size=(vertices, 3)) * 0.4,
        "shapedirs": rng.normal(size=(vertices, 3, 10)) * 0.02,
        "posedirs": rng.normal(size=(vertices, 3, 207)) * 0.005,
        "weights": weights / weights.sum(1, keepdims=True),
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "f": rng.integers(0, vertices, (100, 3)).astype(np.uint32),
        "kintree_table": np.array([SMPL_PARENTS, range(24)]).astype(np.uint32),
    }


def assert_agree(found: Tensor, expected: Tensor, inputs: tuple[Tensor, ...], tolerance: float) -> None:
    """The same points, and the same gradient of them, along a random direction, with respect to each of the inputs."""
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)
    along = torch.randn(expected.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(expected)
    gradients = (torch.autograd.grad((points * along).sum(), inputs) for points in (found, expected))
    for mine, theirs in zip(*gradients, strict=True):
        assert theirs.abs().max() > 0.1
        torch.testing.assert_close(mine, theirs, rtol=100 * tolerance, atol=100 * tolerance)
