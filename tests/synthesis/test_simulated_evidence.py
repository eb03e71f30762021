"""Simulated evidence: geometry that agrees with itself, and errors of the sizes that are said."""

from __future__ import annotations

import pytest
import torch

import semtta.body
from semtta.constants import BODY25, LIMBS12
from semtta.geometry import matrix_to_axis_angle, ray_rotation
from semtta.motions.procedural.generate import procedural_motions
from semtta.motions.windows import WindowSampler, all_labels
from semtta.synthesis.evidence import Limits, Seen, observe, vary


@pytest.fixture(scope="module")
def windows() -> torch.Tensor:
    clips = procedural_motions(["squatting", "clapping"], count=3, seconds=3)
    sampler = WindowSampler(clips, all_labels(clips), 24)
    return sampler.sample(48, torch.Generator().manual_seed(0)).rotations


@pytest.fixture(scope="module")
def seen(windows) -> Seen:
    return observe(windows, semtta.body.load("open"), torch.Generator().manual_seed(1))


def test_the_true_points_are_the_joints_seen_in_perspective(seen):
    """There is a place of the pelvis [3] per frame from which the joints, turned with the ray, project to the points."""
    turn = ray_rotation(seen.boxes[..., :2], torch.tensor([1.0, 0, 0]).expand(*seen.boxes.shape))
    joints = (seen.joints @ turn.mT).double()
    u, v = seen.points[..., :24, :].double().unbind(-1)
    one, zero = torch.ones_like(u), torch.zeros_like(u)
    rows = torch.cat((torch.stack((one, zero, -u), -1), torch.stack((zero, one, -v), -1)), -2)
    known = torch.cat((u * joints[..., 2] - joints[..., 0], v * joints[..., 2] - joints[..., 1]), -1)[..., None]
    place = torch.linalg.lstsq(rows, known).solution
    depth = place[..., 2, 0]
    assert ((rows @ place - known)[..., 0].abs().amax(-1) < 1e-4 * depth).all()
    assert depth.min() > 1.5
    assert depth.max() < 11


def test_the_joints_are_those_of_the_rotations(seen):
    joints = semtta.body.load("open").joints(seen.rotations, seen.betas[:, None].expand(-1, 24, -1))
    torch.testing.assert_close(joints - joints[:, :, :1], seen.joints, atol=1e-4, rtol=1e-4)


def test_detected_points_are_near_the_true_ones_and_some_are_missing(seen):
    nose, found = BODY25.index("Nose"), seen.keypoints[..., 2] > 0
    error = (seen.keypoints[..., nose, :2] - seen.points[..., 24, :]).norm(dim=-1)[found[..., nose]]
    height = 0.75 * seen.boxes[..., 2].median()
    assert error.median() < 0.03 * height
    assert error.median() > 0.001 * height
    assert 0.05 < 1 - found.float().mean() < 0.5
    assert (seen.keypoints[~found] == 0).all()


def test_boxes_hold_what_is_found(seen):
    found = seen.keypoints[..., 2] > 0.3
    inside = (seen.keypoints[..., :2] - seen.boxes[..., None, :2]).abs().amax(-1) < 0.5 * seen.boxes[..., None, 2]
    assert inside[found].float().mean() > 0.97


def test_landmarks_are_centred_on_the_hips_and_absent_in_a_part_of_the_windows(seen):
    hips = [LIMBS12.index("L_Hip"), LIMBS12.index("R_Hip")]
    torch.testing.assert_close(seen.landmarks[:, :, hips].mean(2), torch.zeros(48, 24, 3), atol=1e-5, rtol=0)
    there = seen.landmarks.abs().amax((2, 3)) > 0
    assert 0.3 < there.float().mean() < 0.9
    from semtta.constants import SMPL24

    true = seen.joints[:, :, [SMPL24.index(name) for name in LIMBS12]]
    true = true - true[:, :, hips].mean(2, keepdim=True)
    error = (seen.landmarks - true).norm(dim=-1)[there]
    assert 0.02 < error.median() < 0.15


def test_variations_stay_within_the_limits_and_change_poses(windows):
    limits = Limits(windows.flatten(0, 1), widen=0.1)
    varied = vary(windows, limits, torch.Generator().manual_seed(2))
    changed = (varied[:, :, 1:] - windows[:, :, 1:]).abs().amax((1, 2, 3, 4)) > 0.05
    assert 0.4 < changed.float().mean() <= 1
    vectors = matrix_to_axis_angle(varied[:, :, 1:])
    assert (vectors <= limits.high + 1e-3).float().mean() > 0.995
    assert torch.linalg.det(varied).sub(1).abs().max() < 1e-4
    again = vary(windows, limits, torch.Generator().manual_seed(2))
    assert again.equal(varied)
