"""Eq. 5, 9 and 10 with numbers worked out by hand."""

from __future__ import annotations

import torch

from semtta.losses import overall_loss, projection_loss, smoothing_loss


def test_projection_loss_by_hand():
    predicted = torch.tensor([[[10.0, 10.0], [0.0, 0.0]], [[5.0, 5.0], [7.0, 7.0]]])
    target = torch.tensor([[[13.0, 14.0], [9.0, 9.0]], [[5.0, 6.0], [7.0, 9.0]]])
    visible = torch.tensor([[True, False], [True, True]])
    # visible distances: |3|+|4| = 7 in the first frame; 1 and 2 in the second
    assert projection_loss(predicted, target, visible, "sum").tolist() == [7, 3]
    assert projection_loss(predicted, target, visible, "sum").mean().item() == (7 + 3) / 2
    assert projection_loss(predicted, target, visible, "mean").tolist() == [7 / 4, 3 / 4]
    assert projection_loss(predicted, target, visible, "mean").mean().item() == 10 / 8


def test_hidden_joints_give_no_gradient_even_where_they_are_nan():
    predicted = torch.zeros(1, 2, 2, requires_grad=True)
    target = torch.tensor([[[1.0, 1.0], [float("nan"), float("inf")]]])
    loss = projection_loss(predicted, target, torch.tensor([[True, False]]))
    loss.backward()
    assert loss.item() == 2 / 4
    assert predicted.grad.tolist() == [[[-0.25, -0.25], [0.0, 0.0]]]


def test_smoothing_loss_by_hand():
    rotations = torch.eye(3).expand(2, 24, 3, 3)
    smooth = rotations.clone()
    smooth[0, 5, 0, 1] = 0.9  # one of the first frame's 24 * 9 entries
    betas, smooth_betas = torch.zeros(2, 10), torch.zeros(2, 10)
    smooth_betas[1, 3] = -2.0
    pose, shape = smoothing_loss(rotations, betas, smooth, smooth_betas)
    torch.testing.assert_close(pose, torch.tensor([0.9 / 216, 0.0]))
    torch.testing.assert_close(shape, torch.tensor([0.0, 2.0 / 10]))
    torch.testing.assert_close(pose.mean(), torch.tensor(0.9 / 432))  # Eq. 9 is the batch's mean
    torch.testing.assert_close(shape.mean(), torch.tensor(2.0 / 20))


def test_overall_loss_is_the_weighted_sum():
    terms = {"2d": torch.tensor(3.0), "align": torch.tensor(0.5), "pose": torch.tensor(0.25)}
    weights = {"2d": 0.1, "align": 0.2, "pose": 1.0, "shape": 7.0}
    torch.testing.assert_close(overall_loss(terms, weights), torch.tensor(0.3 + 0.1 + 0.25))
