"""Which way is up, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from semtta.refine.gravity import CAMERA_PITCH, PERSON, estimate_up, pitch_and_roll, robust_mean, up_of, up_of_pitch


def degrees(a, b):
    return math.degrees(math.acos(max(-1.0, min(1.0, float((a * b).sum())))))


def test_pitch_and_roll_by_hand():
    assert up_of_pitch(0.0).tolist() == [0, -1, 0]  # level: up is up in the picture
    assert up_of_pitch(30.0).tolist() == pytest.approx([0, -math.sqrt(3) / 2, -0.5])  # looking down: up comes nearer
    angles = torch.tensor([[0.3, -0.2], [-1.0, 0.4], [0.0, 0.0]])
    torch.testing.assert_close(pitch_and_roll(up_of(angles)), angles)
    torch.testing.assert_close(up_of(torch.tensor([math.radians(30), 0.0])), up_of_pitch(30.0))


def test_most_frames_decide():
    """Two thirds upright, a third bent by 80 degrees: the mean of all would be 27 degrees off."""
    upright, bent = up_of_pitch(0.0), up_of_pitch(80.0)
    frames = torch.stack([upright] * 40 + [bent] * 20)
    mean, off = robust_mean(frames, torch.full((60,), math.radians(5)))
    assert degrees(mean, upright) < 5
    assert off > math.radians(5)  # that they disagree is part of the uncertainty
    assert robust_mean(frames[:40], torch.full((40,), math.radians(5)))[1] == pytest.approx(math.radians(5), rel=1e-3)


def test_a_person_and_the_camera_are_weighed_by_their_variances():
    """One person says 20 degrees of pitch: 20 v_c / (v_c + v_p), with the variance of the person and of cameras."""
    spread = 5.0
    people = [(up_of_pitch(20.0).repeat(30, 1), torch.full((30,), math.radians(spread)))]
    person, camera = PERSON**2 + spread**2, CAMERA_PITCH**2
    wanted = 20 * camera / (camera + person)
    assert math.degrees(pitch_and_roll(estimate_up(people))[0]) == pytest.approx(wanted, abs=0.05)


def test_one_who_leans_does_not_tilt_many():
    leaning = (up_of(torch.tensor([0.0, math.radians(30)])).repeat(30, 1), torch.full((30,), math.radians(5)))
    upright = (up_of_pitch(0.0).repeat(30, 1), torch.full((30,), math.radians(5)))
    alone, among = estimate_up([leaning]), estimate_up([leaning, upright, upright])
    assert degrees(among, up_of_pitch(0.0)) < 0.7 * degrees(alone, up_of_pitch(0.0)) < 0.7 * 30


def test_nobody_or_someone_vague_leaves_the_camera_level():
    assert estimate_up([]).tolist() == pytest.approx([0, -1, 0])
    assert estimate_up([(torch.zeros(0, 3), torch.zeros(0))]).tolist() == pytest.approx([0, -1, 0])
    vague = [(up_of_pitch(40.0).repeat(5, 1), torch.full((5,), 1.0))]
    assert degrees(estimate_up(vague), up_of_pitch(0.0)) < 3


def test_one_who_lies_is_not_a_camera_on_its_side():
    lying = [(up_of(torch.tensor([0.0, math.radians(85)])).repeat(30, 1), torch.full((30,), math.radians(3)))]
    assert degrees(estimate_up(lying), up_of_pitch(0.0)) < 5
