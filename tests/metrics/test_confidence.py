"""Confidence of joints: less where less is seen, by the formula of its module."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from semtta.constants import BLAZEPOSE33, SMPL24, SMPL29
from semtta.geometry import project_to_image
from semtta.metrics.confidence import BONE, CARRIED, FILLED, MEMORY_S, REPROJECTION, joint_confidence, remembered
from semtta.types import Landmarks3D

LEGS = [SMPL24.index(f"{side}_{joint}") for side in "LR" for joint in ("Knee", "Ankle")]
ARMS = [SMPL24.index(f"{side}_{joint}") for side in "LR" for joint in ("Elbow", "Wrist")]


@pytest.fixture(scope="module")
def result(make_result):
    """Seen in frames 0 to 5 and 12 to 17; the legs are filled in between."""
    return make_result(frames=18)


@pytest.fixture(scope="module")
def confidence(result, open_body):
    return joint_confidence(result, open_body)


def test_hidden_legs_are_guesses_and_the_arms_are_not(confidence):
    assert confidence.shape == (18, 24)
    assert confidence.dtype == torch.float32
    assert ((confidence >= 0) & (confidence <= 1)).all()
    legs, arms = confidence[:, LEGS], confidence[:, ARMS]
    assert (legs[8:10].amax(0) < legs[[0, 17]].amin(0)).all()
    assert legs[8, 0] < legs[6, 0] < legs[5, 0]  # the longer ago, the less
    assert (arms.amax(0) - arms.amin(0) < 0.15).all()


def test_a_joint_in_numbers(result, open_body, confidence):
    """The left wrist of frame 3, by hand, without landmarks: 1 - 0.5 + 0.5 * 0.5 of what is seen."""
    t, chain = 3, [SMPL24.index(name) for name in ("Pelvis", "Spine1", "Spine2", "Spine3", "L_Collar", "L_Shoulder", "L_Elbow")]
    points = open_body.keypoints(result.params.rotations, result.params.betas, "smpl29") + result.params.translation[:, None]
    xy = project_to_image(points, result.camera.focal_px, result.camera.center_px)
    wrist = SMPL24.index("L_Wrist")
    d = (xy - result.keypoints_before.xy).norm(dim=-1) / result.boxes[:, 2:]
    seen = (result.keypoints_before.confidence * (-d / REPROJECTION).exp()).sqrt()[:, wrist]
    best = max(float(seen[s]) * np.exp(-abs(s - t) / 30 / MEMORY_S) for s in range(18))
    expected = best * 0.75 * (BONE * float(confidence[t, chain[-1]])) ** CARRIED
    assert float(confidence[t, wrist]) == pytest.approx(expected, rel=1e-4)


def test_nothing_seen_is_worth_what_the_prior_says(result, open_body):
    none = replace(result.keypoints_before, confidence=torch.zeros(18, 29))
    assert not joint_confidence(replace(result, keypoints_before=none, keypoints=none), open_body).any()
    filled = joint_confidence(replace(result, keypoints_before=none), open_body)
    assert 0 < filled[:, LEGS].max() <= FILLED


def test_a_detection_far_from_the_motion_is_worth_less(result, open_body, confidence):
    xy = result.keypoints_before.xy.clone()
    wrist = SMPL29.index("L_Wrist")
    xy[:, wrist] += 30.0
    moved = joint_confidence(replace(result, keypoints_before=replace(result.keypoints_before, xy=xy)), open_body)
    assert (moved[:, wrist] < 0.5 * confidence[:, wrist]).all()
    torch.testing.assert_close(moved[:, LEGS], confidence[:, LEGS])


def test_landmarks_that_disagree_lower_what_they_see(result, open_body, confidence):
    points = torch.zeros(18, 33, 3)
    for name in set(BLAZEPOSE33) & set(SMPL24):
        points[:, BLAZEPOSE33.index(name)] = result.joints[:, SMPL24.index(name)] - result.joints[:, 1:3].mean(1)
    off = points.clone()
    off[:, BLAZEPOSE33.index("R_Elbow")] += 0.3

    def with_landmarks(xyz):
        landmarks = Landmarks3D(xyz, torch.ones(18, 33), "blazepose33")
        return joint_confidence(
            replace(result, keypoints_before=replace(result.keypoints_before, landmarks=landmarks)), open_body
        )

    agree, differ = with_landmarks(points), with_landmarks(off)
    elbow, wrist = SMPL24.index("R_Elbow"), SMPL24.index("R_Wrist")
    assert (agree[:, elbow] > confidence[:, elbow]).all()
    assert (differ[:, elbow] < 0.8 * agree[:, elbow]).all()
    assert (differ[:, wrist] < agree[:, wrist]).all()  # hangs on the elbow


def test_memory_follows_the_clock_and_not_the_frames():
    seen = torch.tensor([[1.0], [0.0], [0.0]])
    late = remembered(seen, torch.tensor([0.0, 0.1, 5.0]))[:, 0]
    assert late[1] == pytest.approx(np.exp(-0.1 / MEMORY_S), rel=1e-5)
    assert late[2] < 1e-6
    assert not remembered(torch.zeros(0, 24), torch.zeros(0)).numel()
