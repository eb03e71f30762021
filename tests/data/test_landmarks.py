"""3D landmarks of a clip: smoothing and whose they are, by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from semtta.constants import BLAZEPOSE33, BODY25, COCO17
from semtta.data.landmarks import landmarks_of, pose_distance, smooth_landmarks
from semtta.types import Keypoints2D, Landmarks3D


def clip(xyz, confidence):
    return Landmarks3D(torch.tensor(xyz, dtype=torch.float64), torch.tensor(confidence, dtype=torch.float64), "blazepose33")


def test_smoothing_by_hand():
    """A point at 1 m in one of three frames, with sigma 1: Gaussian weights e^0, e^-0.5, e^-2."""
    found = smooth_landmarks(clip([[[0.0, 0, 0]], [[0, 1, 0]], [[0, 0, 0]]], [[1.0], [1], [1]]), 30.0, 1.0).xyz[:, 0, 1]
    near, far = math.exp(-0.5), math.exp(-2)
    torch.testing.assert_close(
        found, torch.tensor([near / (1 + near + far), 1 / (1 + 2 * near), near / (1 + near + far)]).double()
    )


def test_smoothing_weighs_by_confidence_and_leaves_the_unseen():
    given = clip([[[1.0, 0, 0]], [[3, 0, 0]], [[float("nan")] * 3]], [[1.0], [0.5], [0]])
    found = smooth_landmarks(given, 30.0, 1.0)
    near = math.exp(-0.5)
    assert found.xyz[0, 0, 0].item() == pytest.approx((1 + near * 0.5 * 3) / (1 + near * 0.5))
    assert found.xyz[2].isnan().all()  # not seen: as it was, and no part of the others
    assert found.confidence is given.confidence


def test_smoothing_is_shorter_in_slow_videos():
    generator = torch.Generator().manual_seed(0)
    noise = Landmarks3D(torch.randn(400, 4, 3, generator=generator), torch.ones(400, 4), "blazepose33")

    def left(fps):
        return smooth_landmarks(noise, fps).xyz.std().item()

    expected = 1 / math.sqrt(2 * math.sqrt(math.pi) * 2)  # of white noise after a Gaussian of 2 frames
    assert left(30.0) == pytest.approx(expected, rel=0.1)
    assert left(60.0) == left(30.0)
    assert left(5.0) > 0.9  # a third of a frame
    still = Landmarks3D(torch.full((9, 4, 3), 0.3), torch.rand(9, 4, generator=generator) + 0.1, "blazepose33")
    torch.testing.assert_close(smooth_landmarks(still).xyz, still.xyz)


def people(offsets):
    """A pose of 100 pixels height, moved right by ``offsets`` [T]; BODY_25 keypoints with landmarks."""
    grid = torch.linspace(0, 100, 25)
    xy = torch.stack([grid * 0.4, grid], -1)[None].repeat(len(offsets), 1, 1)
    xy[..., 0] += torch.tensor(offsets)[:, None]
    landmarks = Landmarks3D(torch.ones(len(offsets), 33, 3), torch.full((len(offsets), 33), 0.8), "blazepose33")
    return Keypoints2D(xy, torch.ones(len(offsets), 25), "body25", "found", landmarks)


def as_coco(keypoints):
    index = [BODY25.index(name) for name in COCO17]
    return Keypoints2D(keypoints.xy[:, index], keypoints.confidence[:, index], "coco17", "given")


def test_landmarks_of_the_person_that_the_keypoints_are_of():
    given, found = as_coco(people([0.0, 0.0, 0.0])), people([5.0, 60.0, -15.0])
    height = (given.xy[0, :, 1].max() - given.xy[0, :, 1].min()).item()  # of the joints that were given
    torch.testing.assert_close(pose_distance(given, found), torch.tensor([5.0, 60.0, 15.0]) / height)
    landmarks = landmarks_of(given, found)
    assert landmarks.confidence[:, BLAZEPOSE33.index("L_Knee")].tolist() == [pytest.approx(0.8), 0, pytest.approx(0.8)]
    assert landmarks.xyz is found.landmarks.xyz
    assert landmarks_of(given, people([50.0, 60.0, 70.0])) is None  # somebody else all the time
    assert landmarks_of(given, replace(found, landmarks=None)) is None


def test_unseen_joints_match_nobody():
    given, found = as_coco(people([0.0, 0.0])), people([0.0, 0.0])
    given.xy[0, 3] = float("nan")
    given.confidence[1, 2:] = 0  # two joints in common are too few
    distance = pose_distance(given, found)
    assert distance[0] < 1e-6
    assert distance[1] == math.inf


def test_frames_are_indexed_with_their_landmarks():
    found = people([0.0, 1.0, 2.0])[1:]
    assert len(found.landmarks) == 2
