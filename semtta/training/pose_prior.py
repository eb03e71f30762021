"""Fits the pose prior of BOA and DynaBOA: a Gaussian mixture like SMPLify's, on the poses of motion clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import SemttaError, missing_extra
from ..io.files import write_atomically
from ..motions import mocap

#: Smallest variance in any direction (radians squared): the smallest eigenvalue of the published ``gmm_08.pkl``.
MIN_VARIANCE = 1e-3


def local_poses(folder: str | Path, split: str, count: int, seed: int) -> NDArray[np.float64]:
    """``count`` random poses [count, 69] (rotation vectors of joints 1 to 23) of a split, half of them mirrored.

    Each content counts by the square root of its length, as in the training of the other priors.
    """
    from ..motions.poses import PoseSampler, mirror_pose

    sampler, rng = PoseSampler(mocap.load(folder, split)), np.random.default_rng(seed)
    poses = sampler.poses[sampler.sample_indices(rng, count)]
    flip = rng.random(count) < 0.5
    poses[flip] = mirror_pose(poses[flip])
    return poses[:, 1:].reshape(count, 69).astype(np.float64)


def fit_pose_prior(
    folder: str | Path, out: Path, components: int = 8, count: int = 60_000, seed: int = 0, split: str = "train"
) -> dict[str, float]:
    """Fit a mixture by expectation-maximisation and write it to ``out`` (npz: means, covars, weights).

    Returns the mean log-likelihood of the training poses and of poses of ``val``. Raises SemttaError if ``out`` is not an .npz.
    """
    if Path(out).suffix != ".npz":
        raise SemttaError(f"{out}: a pose prior is an .npz file.")
    try:
        from sklearn.mixture import GaussianMixture
    except ImportError as error:
        raise missing_extra("Fitting a pose prior", "fit", error) from error

    mixture = GaussianMixture(components, reg_covar=MIN_VARIANCE, random_state=seed, max_iter=200)
    poses = local_poses(folder, split, count, seed)
    mixture.fit(poses)
    arrays = {"means": mixture.means_, "covars": mixture.covariances_, "weights": mixture.weights_}
    packed = {name: value.astype(np.float32) for name, value in arrays.items()}
    write_atomically(Path(out), lambda path: np.savez_compressed(path, **packed))
    held_out = local_poses(folder, "val", count // 10, seed)
    return {"log-likelihood, train": float(mixture.score(poses)), "log-likelihood, val": float(mixture.score(held_out))}
