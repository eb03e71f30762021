"""Every error, worked out by hand on small numbers."""

import math
from dataclasses import replace

import pytest
import torch

from semtta import metrics
from semtta.errors import SemttaError
from semtta.geometry import axis_angle_to_matrix
from semtta.types import GroundTruth

POSE = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3], [0.5, 0.2, 0.1]])
#: Millimetres.
SMALL = 1e-3


def test_mpjpe_is_root_aligned_and_in_millimetres():
    # Everything is shifted by a metre, and joint 1 by another 30 mm along x and 40 along y: 50 mm over 5 joints.
    predicted = POSE + 1.0
    predicted[1] += torch.tensor([0.030, 0.040, 0.0])
    assert metrics.mpjpe(predicted, POSE).item() == pytest.approx(10.0, abs=SMALL)
    assert metrics.mpjpe(POSE + torch.tensor([0.0, 0, 0.25]), POSE, root=None).item() == pytest.approx(250.0, abs=SMALL)


def test_root_may_be_the_middle_of_two_joints():
    predicted = POSE.clone()
    predicted[1:3] += 0.1  # the root of both moves by 0.1, so the other three are off by -0.1 in x, y and z
    assert metrics.mpjpe(predicted, POSE, root=(1, 2)).item() == pytest.approx(3 / 5 * 100 * math.sqrt(3), abs=0.01)


def test_mask_restricts_the_mean_and_not_the_alignment():
    predicted = POSE.clone()
    predicted[1] += torch.tensor([0.030, 0.040, 0.0])
    mask = torch.tensor([False, True, True, False, False])
    assert metrics.mpjpe(predicted, POSE, mask=mask).item() == pytest.approx(25.0, abs=SMALL)
    assert metrics.mpjpe(predicted, POSE, mask=torch.zeros(5, dtype=torch.bool)).isnan()


def test_results_are_per_frame_over_any_batch_dimensions():
    pose = POSE.expand(2, 7, 5, 3)
    assert metrics.mpjpe(pose, pose).shape == (2, 7)
    assert metrics.pa_mpjpe(pose, pose).shape == (2, 7)
    assert metrics.acceleration_error(pose, pose).shape == (2, 5)
    assert metrics.pck(pose, pose).shape == (2, 7)


def similar(points):
    rotation = axis_angle_to_matrix(torch.tensor([0.3, -1.2, 2.0], dtype=points.dtype))
    return 0.4 * points @ rotation.mT + torch.tensor([5.0, -2, 40], dtype=points.dtype)


def test_procrustes_undoes_rotation_scale_and_shift():
    torch.testing.assert_close(metrics.procrustes_align(similar(POSE), POSE), POSE, atol=1e-5, rtol=0)
    assert metrics.pa_mpjpe(similar(POSE.double()), POSE.double()).item() == pytest.approx(0, abs=1e-9)


def test_procrustes_never_mirrors():
    mirrored = POSE * torch.tensor([-1.0, 1, 1])
    assert metrics.pa_mpjpe(mirrored, POSE).item() > 100
    # By hand: unit points on the axes, x turned over. The best proper rotation has trace(S Z) = variance - 2 s_min.
    axes = torch.cat((torch.diag(torch.tensor([1.0, 2, 3])), -torch.diag(torch.tensor([1.0, 2, 3]))))
    mirrored = axes * torch.tensor([-1.0, 1, 1])
    scale = (9 + 4 - 1) / (9 + 4 + 1)  # = 6/7; x stays turned over
    expected = ((scale + 1) * 1 + (1 - scale) * 2 + (1 - scale) * 3) / 3 * 1000
    assert metrics.pa_mpjpe(mirrored, axes).item() == pytest.approx(expected, abs=0.01)


def test_procrustes_of_coinciding_or_collinear_points_is_finite():
    point = torch.ones(5, 3)
    torch.testing.assert_close(metrics.procrustes_align(point, POSE), POSE.mean(0).expand(5, 3))
    assert metrics.pa_mpjpe(POSE, point).item() == pytest.approx(0, abs=SMALL)
    line = torch.linspace(0, 1, 5)[:, None] * torch.tensor([1.0, 0, 0])
    assert metrics.pa_mpjpe(similar(line), line).item() == pytest.approx(0, abs=0.01)


def test_procrustes_in_a_batch_equals_one_by_one():
    torch.manual_seed(0)
    predicted, target = torch.randn(4, 3, 24, 3), torch.randn(4, 3, 24, 3)
    together = metrics.pa_mpjpe(predicted, target)
    pairs = zip(predicted.flatten(0, 1), target.flatten(0, 1), strict=True)
    alone = torch.stack([metrics.pa_mpjpe(p, t) for p, t in pairs])
    torch.testing.assert_close(together.flatten(), alone)


def test_mpvpe_is_relative_to_the_roots():
    vertices = torch.zeros(2, 4, 3)
    moved = vertices + torch.tensor([0.0, 0, 2.0])
    moved[:, 0, 1] += 0.008
    assert metrics.mpvpe(moved, vertices, moved[:, 1], vertices[:, 1]).tolist() == pytest.approx([2.0, 2.0], abs=SMALL)
    assert metrics.mpvpe(vertices + torch.tensor([0.0, 0, 2.0]), vertices).tolist() == [2000.0, 2000.0]


def test_acceleration_error_by_hand():
    # Joint 1 moves along x: 0, 1, 4, 9 mm: second differences 2, 2. The truth moves steadily: 0.
    target = torch.zeros(4, 2, 3)
    target[:, 1, 0] = torch.tensor([0.0, 1, 2, 3]) / 1000
    predicted = torch.zeros(4, 2, 3)
    predicted[:, 1, 0] = torch.tensor([0.0, 1, 4, 9]) / 1000
    assert metrics.acceleration_error(predicted, target).tolist() == pytest.approx([1.0, 1.0], abs=SMALL)
    assert metrics.acceleration_error(predicted[:2], target[:2]).shape == (0,)


def test_pck_in_millimetres_and_in_pixels():
    predicted = POSE.clone()
    predicted[1, 0] += 0.149
    predicted[2, 0] += 0.151
    assert metrics.pck(predicted + 3, POSE).item() == pytest.approx(0.8)
    points = torch.zeros(4, 2)
    shifted = points + torch.tensor([[0.0, 0], [3, 4], [0, 5.1], [6, 8]])
    assert metrics.pck(shifted, points, threshold=5.0).item() == pytest.approx(0.5)
    assert metrics.pck(shifted, points, threshold=5.0, mask=torch.tensor([1, 1, 0, 0])).item() == 1.0


def truth_of(result, **changes):
    return replace(GroundTruth(result.joints, params=result.params, body=result.body), **changes)


def test_evaluate_of_the_truth_itself_is_zero(open_body, make_result):
    result = make_result()
    numbers = metrics.evaluate(result, truth_of(result), open_body)
    paths = {"root_path_mm", "root_offset_mm", "root_similarity_mm", "root_depth_pct"}
    assert set(numbers) == {"mpjpe", "pa_mpjpe", "accel", "mpvpe", "frames", *paths}
    assert numbers.pop("frames") == len(result.joints)
    assert all(value == pytest.approx(0, abs=0.05) for value in numbers.values())


def test_evaluate_counts_valid_frames_and_hidden_joints(open_body, make_result):
    result = make_result(frames=10)
    joints = result.joints.clone()
    joints[:, 7] += torch.tensor([0.024, 0, 0])  # 24 mm at one of 24 joints: 1 mm a frame
    joints[5:, 3] += 1.0  # frames that do not count
    valid = torch.arange(10) < 5
    visible = torch.ones(10, 24, dtype=torch.bool)
    visible[0, 7] = False  # frame 0: the joint that is off
    visible[1, [7, 8]] = False  # frame 1: and one that is right; other frames have nothing hidden
    numbers = metrics.evaluate(result, truth_of(result, joints=joints, visible=visible, valid=valid), open_body)
    assert numbers["frames"] == 5
    assert numbers["mpjpe"] == pytest.approx(1.0, abs=0.01)
    assert numbers["mpjpe_occluded"] == pytest.approx((24 + 12) / 2, abs=0.01)


def test_evaluate_h36m_uses_the_14_joints_and_skips_other_bodies(open_body, make_result):
    result = make_result(frames=4)
    joints = open_body.keypoints(result.params.rotations, result.params.betas, "h36m17")
    joints[:, 7] += 1.0  # the torso is not evaluated
    numbers = metrics.evaluate(result, GroundTruth(joints, "h36m17", params=result.params, body="smpl"), open_body)
    assert "mpvpe" not in numbers
    assert numbers["mpjpe"] == pytest.approx(0, abs=0.01)


def test_evaluate_takes_the_frames_of_the_result_or_says_they_differ(open_body, make_result):
    result = make_result(frames=10)
    half = replace(result, joints=result.joints[::2], params=result.params[::2], frame_index=torch.arange(0, 10, 2))
    assert metrics.evaluate(half, truth_of(result), open_body)["mpjpe"] == pytest.approx(0, abs=0.01)
    with pytest.raises(SemttaError, match="10 frames, the ground truth 5"):
        metrics.evaluate(result, truth_of(half))
    with pytest.raises(SemttaError, match="no frame"):
        metrics.evaluate(result, truth_of(result, valid=torch.zeros(10, dtype=torch.bool)))


def test_compare_has_numbers_before_and_after_without_truth(open_body, make_result):
    table = metrics.compare(make_result(), body=open_body)
    assert set(table) == {"before", "after"}
    assert table["after"]["reprojection_px"] < table["before"]["reprojection_px"]
    assert {"jitter", "bone_variation_mm"} <= set(table["after"])


def test_a_total_is_weighted_by_frames():
    rows = [{"mpjpe": 80.0, "accel": 3.0, "frames": 30}, {"mpjpe": 100.0, "frames": 10}]
    # (30 * 80 + 10 * 100) / 40; the second track is too short for an acceleration
    assert metrics.total(rows) == {"mpjpe": 85.0, "accel": 3.0, "frames": 40}
