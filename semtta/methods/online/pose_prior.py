"""SMPLify's pose prior: a mixture of Gaussians over the 23 local rotation vectors (Bogo et al., ECCV 2016)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ... import assets
from ...errors import SemttaError, first_line
from ...geometry import axis_angle_to_matrix, matrix_to_axis_angle
from ...io.arrays import read_array_pickle, read_npz

DIM = 69


class PosePrior:
    """K Gaussians: means [K, 69], covariances [K, 69, 69], weights [K]; on the CPU until ``to``."""

    def __init__(self, means: Tensor, covariances: Tensor, weights: Tensor, dtype: torch.dtype = torch.float32) -> None:
        covariances, weights = covariances.double(), weights.double()
        logdet = torch.linalg.slogdet(covariances).logabsdet
        # SMPLify divides the determinants by the smallest of them, which shifts the loss by a constant.
        constants = 0.5 * (logdet - logdet.min()) + DIM / 2 * math.log(2 * math.pi) - weights.log()
        self.means, self.constants = means.to(dtype), constants.to(dtype)
        self.cholesky = torch.linalg.cholesky(covariances).to(dtype)
        self.precisions = torch.linalg.inv(covariances).to(dtype)

    @classmethod
    def load(cls, path: str | Path | None = None) -> PosePrior:
        """The included mixture, or that of an npz or a pickle as SMPLify's ``gmm_08.pkl``, of which nothing is executed.

        Raises SemttaError for a file without means [K, 69], covars [K, 69, 69] (positive definite) and weights [K].
        """
        path = Path(path or assets.verify("pose_prior.npz"))
        arrays = read_npz(path) if path.suffix == ".npz" else read_array_pickle(path)
        try:
            means, covariances, weights = (torch.from_numpy(np.array(arrays[k])) for k in ("means", "covars", "weights"))
            count = len(weights)
            if means.shape != (count, DIM) or covariances.shape != (count, DIM, DIM):
                raise ValueError(f"means {tuple(means.shape)}, covars {tuple(covariances.shape)}")
            if weights.ndim != 1 or not (weights > 0).all() or not (means.isfinite().all() and covariances.isfinite().all()):
                raise ValueError("weights that are not positive, or numbers that are not finite")
            return cls(means, covariances, weights)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = first_line(error)
            raise SemttaError(
                f"{path} holds no pose prior ({reason}): expected means [K, 69], covars [K, 69, 69] and weights [K]."
            ) from error

    def to(self, device: torch.device) -> PosePrior:
        """The same on another device."""
        for name, value in vars(self).items():
            setattr(self, name, value.to(device))
        return self

    def energies(self, pose: Tensor) -> Tensor:
        """Of each Gaussian: half the squared Mahalanobis distance of poses [N, 69] plus its constant, [N, K]."""
        off = pose[:, None] - self.means
        return 0.5 * torch.einsum("nki,kij,nkj->nk", off, self.precisions, off) + self.constants

    def loss(self, rotations: Tensor) -> Tensor:
        """Negative log of the largest component (SMPLify's Eq. 6) at rotations [N, 24, 3, 3]: [N]."""
        return self.energies(local_vectors(rotations)).amin(1)

    def disturbed(self, rotations: Tensor, spread: float) -> Tensor:
        """Poses around rotations [N, 24, 3, 3]: the nearest Gaussian's variation times ``spread`` is added to each.

        Draws from torch's global random state; the global rotation stays.
        """
        pose = local_vectors(rotations)
        nearest = self.energies(pose).argmin(1)
        noise = torch.randn(pose.shape, dtype=pose.dtype).to(pose)
        moved = pose + spread * (self.cholesky[nearest] @ noise[..., None])[..., 0]
        return torch.cat((rotations[:, :1], axis_angle_to_matrix(moved.unflatten(-1, (23, 3)))), 1)


def local_vectors(rotations: Tensor) -> Tensor:
    """Rotations [N, 24, 3, 3] -> rotation vectors of joints 1 to 23, [N, 69]."""
    return matrix_to_axis_angle(rotations[:, 1:]).flatten(1)
