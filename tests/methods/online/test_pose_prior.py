import math
import os
import pickle

import numpy as np
import pytest
import torch

from semtta.errors import SemttaError
from semtta.geometry import axis_angle_to_matrix
from semtta.methods.online.pose_prior import PosePrior, local_vectors


def two() -> PosePrior:
    """Around 0 with unit variance and around 0.8 with variance 1/4, weights 3/4 and 1/4."""
    means = torch.stack((torch.zeros(69), torch.full((69,), 0.8)))
    return PosePrior(means, torch.stack((torch.eye(69), torch.eye(69) / 4)), torch.tensor([0.75, 0.25]))


def test_energy_by_hand():
    pose = torch.zeros(1, 69)
    pose[0, 0] = 0.5
    near, far = two().energies(pose)[0].tolist()
    constant = 69 / 2 * math.log(2 * math.pi)
    # The second determinant is 4^-69, the smallest: half the difference of their logarithms is 69 log 2.
    assert near == pytest.approx(0.5 * 0.25 + 69 * math.log(2) + constant - math.log(0.75), rel=1e-5)
    assert far == pytest.approx(0.5 * 4 * (68 * 0.64 + 0.09) + constant - math.log(0.25), rel=1e-5)


def test_loss_takes_the_nearest_gaussian():
    prior = two()
    pose = torch.stack((torch.zeros(69), torch.full((69,), 0.8)))
    rotations = torch.cat((torch.eye(3).expand(2, 1, 3, 3), axis_angle_to_matrix(pose.unflatten(-1, (23, 3)))), 1)
    torch.testing.assert_close(local_vectors(rotations), pose)
    torch.testing.assert_close(prior.loss(rotations), prior.energies(pose).amin(1))
    assert prior.energies(pose).argmin(1).tolist() == [0, 1]


def test_disturbed_poses_spread_as_their_gaussian():
    torch.manual_seed(0)
    rest = torch.eye(3).expand(4000, 24, 3, 3)
    moved = two().disturbed(rest, 0.1)
    assert torch.equal(moved[:, 0], rest[:, 0])
    assert local_vectors(moved).std().item() == pytest.approx(0.1, rel=0.01)  # 0.1 standard deviations of 1 radian
    assert two().disturbed(rest[:2], 0.0).sub(rest[:2]).abs().max() < 1e-6


def test_included_prior_prefers_poses_of_people():
    prior = PosePrior.load()
    assert prior.means.shape == (8, 69)
    standing = torch.zeros(1, 24, 3)
    standing[0, [16, 17], 2] = torch.tensor([-1.2, 1.2])  # arms down
    backwards = standing.clone()
    backwards[0, [4, 5], 0] = -1.2  # knees bent forwards
    rotations = axis_angle_to_matrix(torch.cat((standing, backwards)))
    good, bad = prior.loss(rotations).tolist()
    assert bad > good + 30


def test_smplify_pickle_is_read_without_executing(tmp_path):
    arrays = {"means": np.zeros((2, 69)), "covars": np.stack([np.eye(69)] * 2), "weights": np.full(2, 0.5)}
    (tmp_path / "gmm_08.pkl").write_bytes(pickle.dumps(arrays, protocol=2))
    assert PosePrior.load(tmp_path / "gmm_08.pkl").energies(torch.zeros(1, 69)).shape == (1, 2)

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'executed'}",)

    (tmp_path / "evil.pkl").write_bytes(pickle.dumps({"means": Evil()}))
    with pytest.raises(SemttaError, match="nothing of it was executed"):
        PosePrior.load(tmp_path / "evil.pkl")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "arrays",
    [
        {"means": np.zeros((2, 69)), "weights": np.ones(2)},
        {"means": np.zeros((2, 63)), "covars": np.zeros((2, 63, 63)), "weights": np.ones(2)},
        {"means": np.zeros((1, 69)), "covars": np.zeros((1, 69, 69)), "weights": np.ones(1)},  # not positive definite
    ],
)
def test_other_files_are_refused(tmp_path, arrays):
    np.savez(tmp_path / "other.npz", **arrays)
    with pytest.raises(SemttaError, match="holds no pose prior"):
        PosePrior.load(tmp_path / "other.npz")
