"""Each loss with numbers worked out by hand."""

import pytest
import torch

from semtta.methods.online import terms
from semtta.methods.online.loop import Decoded, to_unit_square
from semtta.types import Prediction


def test_crop_is_minus_one_to_one():
    assert to_unit_square(torch.tensor([0.0, 112.0, 224.0])).tolist() == [-1, 0, 1]


def test_2d_counts_hidden_coordinates_as_zero():
    predicted = torch.tensor([[[0.0, 0.0], [0.5, 0.5]]])
    target = torch.tensor([[[0.3, 0.4], [9.0, 9.0]]])
    # (0.09 + 0.16 + 0 + 0) / 4
    assert terms.squared_2d(predicted, target, torch.tensor([[True, False]])).item() == pytest.approx(0.0625)


def test_3d_is_relative_to_the_hips():
    target = torch.zeros(1, 24, 3)
    assert terms.squared_3d(target + torch.tensor([1.0, 2.0, 3.0]), target).item() == pytest.approx(0, abs=1e-9)
    moved = target.clone()
    moved[0, 20, 0] = 0.6  # the left wrist: 0.36 / 72
    assert terms.squared_3d(moved, target).item() == pytest.approx(0.005)
    moved = target.clone()
    moved[0, 1, 1] = 0.2  # the left hip: everything else moves by -0.1, the hip by 0.1; 24 * 0.01 / 72
    assert terms.squared_3d(moved, target).item() == pytest.approx(24 * 0.01 / 72)


def test_shape_prior_sums_over_betas():
    assert terms.shape_prior(torch.tensor([[1.0, 2.0] + [0.0] * 8, [0.0] * 9 + [3.0]])).item() == pytest.approx((5 + 9) / 2)


def decoded(rotation: float = 0.0, beta: float = 0.0, joint: float = 0.0, point: float = 0.0) -> Decoded:
    joints = torch.zeros(1, 24, 3)
    joints[0, 20, 0] = joint
    prediction = Prediction(torch.full((1, 24, 3, 3), rotation), torch.full((1, 10), beta), torch.zeros(1, 3))
    return Decoded(prediction, joints, torch.full((1, 24, 2), point))


def test_supervised_is_spins_sum():
    # 5 * 0.2^2 + 5 * 0.36 / 72 + 0.1^2 + 0.001 * 2^2
    assert terms.towards(decoded(0.1, 2.0, 0.6, 0.2), decoded()).item() == pytest.approx(0.2 + 0.025 + 0.01 + 0.004)


def test_motion_compares_displacements():
    now, past = torch.tensor([[[0.5, 0.0], [0.7, 0.7]]]), torch.tensor([[[0.1, 0.0], [0.0, 0.0]]])
    target_now, target_past = torch.tensor([[[0.9, 0.9], [0.0, 0.0]]]), torch.tensor([[[0.7, 0.9], [0.0, 0.0]]])
    # First point: it moves by 0.4, its keypoint by 0.2; second point not seen in both: 0.04 / 4.
    found = terms.motion(now, past, target_now, target_past, torch.tensor([[True, False]]))
    assert found.item() == pytest.approx(0.01)
