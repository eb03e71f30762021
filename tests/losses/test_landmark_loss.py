"""The loss of 3D landmarks with numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from semtta.constants import BLAZEPOSE33, LIMBS12, SMPL29
from semtta.losses import StepContext, bind
from semtta.losses.landmarks import LandmarkSettings, fitted_landmarks, landmark_loss, landmarks
from semtta.settings import Part
from semtta.types import Evidence, Landmarks3D, Prediction

#: A person in metres from the middle of the hips: x right, y down, z forward; the left is at positive x.
RIGHT = {
    "Hip": (-0.1, 0, 0), "Knee": (-0.1, 0.4, 0), "Ankle": (-0.1, 0.8, 0), "Shoulder": (-0.2, -0.5, 0), "Elbow": (-0.5, -0.5, 0),
    "Wrist": (-0.75, -0.5, 0),
}  # fmt: skip


def person(scale=1.0):
    rows = [(x if n[0] == "R" else -x, y, z) for n in LIMBS12 for x, y, z in [RIGHT[n[2:]]]]
    return torch.tensor(rows, dtype=torch.float64) * scale


def context(joints12, landmarks12, confidence, frames):
    """A step on ``frames`` of a clip whose limbs are ``landmarks12`` [T, 12, 3]."""
    joints = torch.full((len(joints12), 29, 3), 9.0, dtype=torch.float64)  # what is no limb does not count
    joints[:, [SMPL29.index(name) for name in LIMBS12]] = joints12
    xyz = torch.full((len(landmarks12), 33, 3), -7.0, dtype=torch.float64)
    seen = torch.ones(len(landmarks12), 33, dtype=torch.float64)
    index = [BLAZEPOSE33.index(name) for name in LIMBS12]
    xyz[:, index], seen[:, index] = landmarks12, confidence
    n = len(joints12)
    prediction = Prediction(torch.eye(3).expand(n, 24, 3, 3), torch.zeros(n, 10), torch.ones(n, 3))
    evidence = Evidence(torch.zeros(n, 29, 2), torch.ones(n, 29, dtype=torch.bool))
    return StepContext(
        prediction, joints, torch.zeros(n, 29, 2), evidence, torch.tensor(frames), (), None, None, None, (), torch.zeros(0), 0.0,
        Landmarks3D(xyz, seen, "blazepose33"),
    )  # fmt: skip


def test_mean_distance_by_hand():
    joints, target = torch.zeros(2, 12, 3), torch.zeros(2, 12, 3)
    target[0, 4] = torch.tensor([0.3, -0.6, 0.9])
    target[1] = 0.2
    confidence = torch.ones(2, 12)
    confidence[0, 4] = 0.5
    confidence[1, :6] = 0
    torch.testing.assert_close(landmark_loss(joints, target, confidence), torch.tensor([0.5 * 0.6 / 12, 6 * 0.2 / 12]))


@pytest.mark.parametrize(("axis", "sign"), [(axis, sign) for axis in range(3) for sign in (1, -1)])
def test_a_joint_is_pulled_towards_its_landmark(axis, sign):
    joints = person().repeat(1, 1, 1).requires_grad_()
    target = person().repeat(1, 1, 1)
    wrist = LIMBS12.index("L_Wrist")
    target[0, wrist, axis] += sign * 0.1
    step = context(joints, target, torch.ones(1, 12, dtype=torch.float64), [0])
    landmarks(step, LandmarkSettings(weight=1, scale="landmarks")).sum().backward()
    assert joints.grad[0, wrist, axis].item() == pytest.approx(-sign / 36)


def test_the_hips_are_where_both_are_measured_from_and_frames_are_the_steps():
    """The body stands anywhere; of the clip's frames those of the step count."""
    moved = person()[None] + torch.tensor([3.0, 2, 5])
    far = person()[None] + torch.zeros(3, 12, 3)
    far[0, LIMBS12.index("R_Ankle"), 2] += 0.36
    confidence = torch.ones(3, 12, dtype=torch.float64)
    settings = LandmarkSettings(weight=1, scale="landmarks")
    values = landmarks(context(moved.repeat(2, 1, 1), far, confidence, [2, 0]), settings)
    torch.testing.assert_close(values, torch.tensor([0.0, 0.36 / 36]).double())


@pytest.mark.parametrize("scale", ["bones", "body"])
def test_a_small_persons_landmarks_are_enlarged_once_for_the_clip(scale):
    """A clip at 0.8 of the size, one frame of it at 0.9: the median decides, so that frame stays too large."""
    clip = torch.stack([person(0.8), person(0.8), person(0.9)])
    confidence = torch.ones(3, 12, dtype=torch.float64)
    found = fitted_landmarks(clip, confidence, person()[None], scale)
    torch.testing.assert_close(found, torch.stack([person(), person(), person(0.9 / 0.8)]))
    confidence[:2] = 0.1  # only the third is seen
    torch.testing.assert_close(fitted_landmarks(clip, confidence, person()[None], scale)[2], person())
    assert fitted_landmarks(clip, confidence, person()[None], "landmarks") is clip


def test_each_kind_of_bone_gets_the_bodys_length():
    """Wide hips, and short forearms: the limbs keep their directions, and what hangs on a bone moves with it."""
    given = person()[None].clone()
    for side, sign in (("L", 1), ("R", -1)):
        for name in ("Hip", "Knee", "Ankle"):
            given[0, LIMBS12.index(f"{side}_{name}"), 0] += sign * 0.05
        given[0, LIMBS12.index(f"{side}_Wrist"), 0] -= sign * 0.05
    confidence = torch.ones(1, 12, dtype=torch.float64)
    torch.testing.assert_close(fitted_landmarks(given, confidence, person()[None], "bones"), person()[None])
    whole = fitted_landmarks(given, confidence, person()[None], "body")
    torch.testing.assert_close(whole, given * (1 + 0.25 / 0.2 + 1 + 1) / 4)  # thigh, shank, upper arm as they are


def test_nonsense_does_not_blow_up_the_landmarks():
    found = fitted_landmarks(person(0.01)[None], torch.ones(1, 12, dtype=torch.float64), person()[None], "body")
    torch.testing.assert_close(found, person(0.016)[None])


def test_the_shape_gets_no_gradient_from_the_landmarks_size():
    """A wrist that the landmarks place 0.36 m too deep would be less wrong on a smaller body: that is no reason to shrink."""
    size = torch.ones((), dtype=torch.float64, requires_grad=True)
    deep = person()[None].clone()
    deep[0, LIMBS12.index("L_Wrist"), 2] += 0.36
    step = context(person()[None] * size, deep, torch.ones(1, 12, dtype=torch.float64), [0])
    value = landmarks(step, LandmarkSettings(weight=1, scale="body")).sum()
    assert value.item() == pytest.approx(0.36 / 36)
    value.backward()
    assert size.grad.item() == pytest.approx(0, abs=1e-12)


def test_without_landmarks_or_weight_there_is_no_loss():
    step = context(person()[None], person()[None], torch.ones(1, 12, dtype=torch.float64), [0])
    assert landmarks(replace(step, landmarks=None), LandmarkSettings(weight=1)) is None
    assert bind([Part(name="landmarks", settings=LandmarkSettings())]) == []


def test_landmarks_that_are_not_seen_may_be_anything():
    target, confidence = person()[None].clone(), torch.ones(1, 12, dtype=torch.float64)
    wrist = LIMBS12.index("L_Wrist")
    target[0, wrist], confidence[0, wrist] = float("nan"), 0
    value = landmarks(context(person()[None], target, confidence, [0]), LandmarkSettings(weight=1))
    assert value.item() == pytest.approx(0, abs=1e-9)
