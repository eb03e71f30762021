from pathlib import Path

import numpy as np
import pytest

from semtta.errors import SemttaError
from semtta.methods.online.pose_prior import PosePrior
from semtta.training.pose_prior import MIN_VARIANCE, fit_pose_prior


def packed(folder: Path, name: str, count: int) -> None:
    """A motion file: the left knee is bent by 1 or by 2 radians."""
    rng = np.random.default_rng(0)
    poses = np.zeros((count, 24, 3))
    poses[:, 4, 0] = 1 + (np.arange(count) % 2) + 0.05 * rng.normal(size=count)
    scale = np.pi / 32767
    text = {key: np.array(["one"]) for key in ("clip_id", "content", "style", "text")}
    np.savez(
        folder / name, poses=(poses.reshape(count, 72) / scale).astype(np.int16), pose_scale=scale, fps=30, source="bandai1",
        trans=np.zeros((count, 3), np.float32), start=np.array([0]), length=np.array([count]), **text,
    )  # fmt: skip


def test_two_clusters_are_found(tmp_path):
    packed(tmp_path, "bandai1_train.npz", 400)
    packed(tmp_path, "bandai1_val.npz", 100)
    scores = fit_pose_prior(tmp_path, tmp_path / "prior.npz", components=4, count=2000)
    assert abs(scores["log-likelihood, train"] - scores["log-likelihood, val"]) < 10
    prior = PosePrior.load(tmp_path / "prior.npz")
    knees = prior.means[:, [9, 12]]  # left and right knee about x; mirrored poses bend the right one
    found = sorted(tuple(round(value) for value in row) for row in knees.abs().tolist())
    assert found == [(0, 1), (0, 2), (1, 0), (2, 0)]
    spread = np.linalg.eigvalsh(np.load(tmp_path / "prior.npz")["covars"])
    assert spread.min() == pytest.approx(MIN_VARIANCE, rel=0.01)


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(SemttaError, match=r"is an \.npz file"):
        fit_pose_prior(tmp_path, tmp_path / "prior.pkl")
