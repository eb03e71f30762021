import math

import pytest
import torch

from semtta.geometry import axis_angle_to_matrix, matrix_to_6d
from semtta.training.prior_repair import Case, Repair, attempt
from semtta.training.prior_thresholds import CurvePoint, choose_threshold, curve, fill_in_curve, keypoint_hits
from semtta.types import Motion


def test_the_curve_by_hand():
    # Four windows of 10 missing keypoints: begun, done (right label), done (right label), wrong label.
    similarity = torch.tensor([0.12, 0.62, 0.42, 0.32])
    hits, missing, kinds = torch.tensor([2, 9, 8, 1]), torch.tensor([10, 10, 10, 10]), torch.tensor([0, 3, 3, 4])
    points = {p.threshold: p for p in curve(similarity, hits, missing, kinds)}
    assert points[0.0] == CurvePoint(0.0, 1.0, 0.5, 1.0, 1.0)
    assert points[0.3] == CurvePoint(0.3, 0.75, pytest.approx(0.6), 1.0, 1.0)
    assert points[0.4] == CurvePoint(0.4, 0.5, pytest.approx(0.85), 1.0, 0.0)
    assert points[0.6] == CurvePoint(0.6, 0.25, pytest.approx(0.9), 0.5, 0.0)
    assert points[0.7].filled == 0
    assert math.isnan(points[0.7].precision)


def test_the_rule():
    # Right minus wrong: 0.7 (2 * 0.6 - 1) = 0.14, 0.5 * 0.72 = 0.36, 0.3 * 0.8 = 0.24, 0.05 * 0.98 = 0.05.
    precisions = {0.3: 0.6, 0.4: 0.86, 0.5: 0.9, 0.6: 0.99, 0.7: math.nan}
    fills = {0.3: 0.7, 0.4: 0.5, 0.5: 0.3, 0.6: 0.05, 0.7: 0.0}
    points = [CurvePoint(t, fills[t], p, 0.0, 0.0) for t, p in precisions.items()]
    assert choose_threshold(points) == 0.4
    assert choose_threshold(points[2:]) == 0.5
    assert choose_threshold(points[4:]) == 0.7  # fills nothing anywhere: leave it so


def test_a_keypoint_is_right_within_a_fifth_of_the_torso():
    straight = torch.eye(3).repeat(3, 60, 24, 1, 1)
    hidden, visible = torch.zeros(3, 24), torch.ones(3, 60, 24)
    case = Case("toy", straight, ["walking"] * 3, hidden, visible)
    assert keypoint_hits(case, straight).all()
    vectors = torch.zeros(3, 60, 24, 3)
    vectors[:, :, 1, 0] = -torch.pi / 2  # the left thigh raised to the front
    hits = keypoint_hits(case, axis_angle_to_matrix(vectors))
    assert hits[:, :, [0, 1, 2, 5, 8, 15, 16, 20]].all()
    assert not hits[:, :, 7].any()  # the ankle is off by more than a metre


def test_the_curve_of_a_prior_that_knows():
    """A prior whose similarity tells how far the hidden knee is right fills what is right, and only that."""

    class Knows:
        name = "knows"
        labels = ("bowing", "walking")

        def loss(self, motion: Motion, labels):
            return (motion.rotations[:, :, 4] - torch.eye(3)).square().mean((1, 2, 3))

        def similarity(self, motion: Motion, labels):
            return torch.exp(-20 * self.loss(motion, labels)) * torch.tensor([label == "walking" for label in labels])

    hidden, visible = torch.zeros(2, 24), torch.ones(2, 60, 24)
    hidden[:, 4], visible[:, :, 7] = 1, 0
    case = Case("toy", torch.eye(3).repeat(2, 60, 24, 1, 1), ["walking"] * 2, hidden, visible)
    bent = torch.zeros(24, 3)
    bent[4, 0] = 1.2
    tried = attempt(Knows(), case, matrix_to_6d(axis_angle_to_matrix(bent), "columns"), Repair(steps=40))
    assert tried.wrong == ["bowing"] * 2
    points = fill_in_curve(Knows(), [tried])
    chosen = next(p for p in points if p.threshold == choose_threshold(points))
    assert points[0].filled > chosen.filled
    assert chosen.precision > points[0].precision
    assert (chosen.filled_right, chosen.filled_wrong) == (1.0, 0.0)
