"""Motions at a constant rate, from frames that have times of their own."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from semtta.errors import SemttaError
from semtta.geometry import axis_angle_to_matrix, matrix_to_axis_angle
from semtta.geometry.timing import frame_positions, motion_at_constant_rate, resampled
from semtta.types import SegmentLabel

#: 30 frames per second, then 10.
TIMES = torch.cat((torch.arange(7) / 30, 0.2 + torch.arange(1, 6) / 10)).double()


def turning(times: torch.Tensor, speed: float = 1.0) -> torch.Tensor:
    """Rotations [T, 24, 3, 3] of joints that turn about x by ``speed`` radians per second."""
    angles = torch.zeros(len(times), 24, 3)
    angles[..., 0] = speed * times[:, None].float()
    return axis_angle_to_matrix(angles)


def test_positions_are_those_of_even_instants():
    place = frame_positions(TIMES, 10)
    assert place.tolist() == pytest.approx([0, 3, 6, 7, 8, 9, 10, 11])


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf"), 1e6])
def test_rates_that_are_none(fps):
    with pytest.raises(SemttaError, match="is not a rate"):
        frame_positions(TIMES, fps)


def test_too_many_frames():
    with pytest.raises(SemttaError, match="too many"):
        frame_positions(torch.tensor([0.0, 1e9]), 30)


def test_a_steady_turn_seen_at_uneven_times_is_steady_for_the_prior():
    """Taken as evenly spaced, the turn would look three times as fast at the end."""
    motion = motion_at_constant_rate(turning(TIMES)[None], TIMES[None], 30.0)
    angles = matrix_to_axis_angle(motion.rotations)[0, :, 5, 0]
    torch.testing.assert_close(angles, torch.arange(22) / 30, atol=1e-5, rtol=0)
    assert motion.fps == 30
    assert motion.mask.all()


def test_segments_of_other_durations_are_masked_and_take_the_nearest_visibility():
    times = torch.stack((torch.arange(4) / 10, torch.arange(4) / 5)).double()
    rotations = torch.stack((turning(times[0]), turning(times[1]))).requires_grad_()
    visible = torch.arange(8.0).reshape(2, 4, 1).expand(2, 4, 24)
    motion = motion_at_constant_rate(rotations, times, 10.0, visible)
    assert motion.mask.sum(1).tolist() == [4, 7]
    assert motion.visible[0, :4, 0].tolist() == [0, 1, 2, 3]
    assert motion.visible[1, ::2, 0].tolist() == [4, 5, 6, 7]
    angles = matrix_to_axis_angle(motion.rotations)[:, :, 3, 0]
    torch.testing.assert_close(angles[1], torch.arange(7) / 10, atol=1e-5, rtol=0)
    (slope,) = torch.autograd.grad((motion.rotations * motion.mask[..., None, None, None]).square().sum(), rotations)
    assert slope.isfinite().all()
    assert (slope.abs().sum((2, 3, 4)) > 0).all()


def test_a_result_at_a_constant_rate_keeps_its_bones(make_result, open_body):
    result = replace(make_result(frames=12), times_s=TIMES)
    even = resampled(result, 20)
    assert len(even.joints) == 15
    assert (even.fps, even.times_s) == (20, None)
    assert even.times[-1] == pytest.approx(0.7)
    posed = open_body.joints(even.params.rotations, even.params.betas, even.params.translation)
    torch.testing.assert_close(even.joints, posed, atol=2e-4, rtol=0)
    torch.testing.assert_close(even.joints[4], result.joints[6], atol=1e-5, rtol=0)  # 0.2 s
    assert even.frame_index[4] == 6
    assert len(even.keypoints) == len(even.boxes) == 15


def test_labels_go_with_their_frames(make_result):
    labels = (SegmentLabel(0, 6, "one"), SegmentLabel(6, 12, "two"), SegmentLabel(5, 6, "too short for an instant"))
    even = resampled(replace(make_result(frames=12), times_s=TIMES, labels=labels), 10)
    assert [(s.start, s.stop, s.label) for s in even.labels] == [(0, 2, "one"), (2, 8, "two")]


def test_nothing_to_resample_is_left_alone(make_result):
    result = make_result(frames=3)
    assert resampled(result) is result
    assert resampled(result, 30.0) is result
    one = resampled(replace(make_result(frames=1), times_s=torch.zeros(1)), 10)
    assert len(one.joints) == 1
