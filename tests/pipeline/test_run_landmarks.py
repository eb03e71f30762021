"""Which 3D landmarks a run has: the detector's, BlazePose's beside given keypoints, or none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from short_clips import tiny_hmr

from semtta.api import adapt, frame_inputs
from semtta.build import make_config, resolve
from semtta.constants import BODY25, COCO17
from semtta.data import ArrayFrames
from semtta.data.landmarks import smooth_landmarks
from semtta.detectors.blazepose import BlazePose
from semtta.geometry import ray_rotation
from semtta.pipeline.landmarks import landmarks_wanted
from semtta.pipeline.locate import locate
from semtta.types import Keypoints2D, Landmarks3D, Video

FRAMES = 6


def person(offset: float = 0.0) -> Keypoints2D:
    """What BlazePose finds: a pose of 200 pixels that moves, with landmarks."""
    generator = torch.Generator().manual_seed(0)
    xy = 60 + 200 * torch.rand(25, 2, generator=generator) + torch.arange(FRAMES)[:, None, None] + offset
    xyz = torch.randn(FRAMES, 33, 3, generator=generator)
    landmarks = Landmarks3D(xyz, torch.full((FRAMES, 33), 0.9), "blazepose33", "blazepose (made up)")
    return Keypoints2D(xy, torch.ones(FRAMES, 25), "body25", "blazepose (made up)", landmarks)


def video(keypoints: Keypoints2D | None) -> Video:
    frames = np.random.default_rng(0).integers(0, 256, (FRAMES, 300, 400, 3), dtype=np.uint8)
    return Video("clip", ArrayFrames(frames), FRAMES, 30.0, (400, 300), keypoints=keypoints)


def given(offset: float = 0.0) -> Keypoints2D:
    """The same person's COCO keypoints from elsewhere."""
    found = person(offset)
    index = [BODY25.index(name) for name in COCO17]
    return Keypoints2D(found.xy[:, index], found.confidence[:, index], "coco17", "elsewhere")


@pytest.fixture
def blazepose(monkeypatch):
    """BlazePose finds ``person()``; its calls. ``ready`` says whether its files are here."""
    calls = []

    def detect(self, frames, size):
        calls.append((self.model, sum(1 for _ in frames)))
        return [person()]

    monkeypatch.setattr(BlazePose, "detect", detect)
    monkeypatch.setattr(BlazePose, "is_ready", lambda self: True)
    return calls


def config(**settings):
    return make_config({key.replace("__", "."): value for key, value in settings.items()})


def test_the_detectors_landmarks_are_kept(blazepose):
    found = locate(video(None), config(detector__model="heavy"), 1.2)
    assert blazepose == [("heavy", FRAMES)]
    assert torch.equal(found.keypoints.landmarks.xyz, person().landmarks.xyz)
    assert not found.messages
    assert locate(video(None), config(evidence__landmarks="never"), 1.2, landmarks=True).keypoints.landmarks is None


def test_blazepose_runs_beside_given_keypoints_if_a_part_looks_at_landmarks(blazepose):
    clip = video(given())
    assert locate(clip, config(), 1.2).keypoints.landmarks is None
    assert not blazepose
    found = locate(clip, config(), 1.2, landmarks=True)
    assert len(blazepose) == 1
    assert torch.equal(found.keypoints.xy, given().xy)  # the 2D stays the user's
    assert (found.keypoints.landmarks.confidence == 0.9).all()
    assert "blazepose full's" in found.messages[-1]
    assert f"{FRAMES} of {FRAMES} frames" in found.messages[-1]
    assert locate(found, config(), 1.2, landmarks=True) is not None
    assert len(blazepose) == 1  # those that are there stay


def test_without_its_files_blazepose_only_runs_if_it_always_shall(blazepose, monkeypatch):
    monkeypatch.setattr(BlazePose, "is_ready", lambda self: False)
    found = locate(video(given()), config(), 1.2, landmarks=True)
    assert (found.keypoints.landmarks, blazepose) == (None, [])
    assert "no 3D landmarks" in found.messages[-1]
    assert locate(video(given()), config(evidence__landmarks="always"), 1.2).keypoints.landmarks is not None


def test_somebody_elses_landmarks_are_not_taken(blazepose):
    found = locate(video(given(150.0)), config(), 1.2, landmarks=True)
    assert found.keypoints.landmarks is None
    assert "does not see the person" in found.messages[-1]


def test_who_looks_at_landmarks():
    assert not landmarks_wanted(config(), tiny_hmr())
    assert landmarks_wanted(config(losses__landmarks__weight=2.0), tiny_hmr())
    assert not landmarks_wanted(resolve("paper").config, tiny_hmr())
    network = tiny_hmr()
    network.takes_landmarks = True
    assert landmarks_wanted(config(), network)


def test_the_estimator_is_given_them_smoothed(blazepose):
    clip = locate(video(None), config(), 1.2)
    batch = frame_inputs(clip, tiny_hmr(), config())
    smooth = smooth_landmarks(clip.keypoints.landmarks, 30.0).xyz
    rays = ray_rotation(clip.boxes[:, :2], batch.intrinsics)  # a detector sees a crop, whose middle is straight ahead
    torch.testing.assert_close(batch.landmarks.xyz, smooth @ rays.mT)
    assert not torch.allclose(rays, torch.eye(3), atol=1e-3)
    assert not torch.equal(batch.landmarks.xyz, clip.keypoints.landmarks.xyz)
    assert len(batch[2:4].landmarks) == FRAMES  # of the whole clip, as the keypoints


def test_they_supervise_are_saved_and_decide_what_a_run_is(blazepose, tmp_path):
    settings = {"losses.landmarks.weight": 5.0, "loop.epochs": 1, "loop.min_steps": 1, "denoiser": "none", "prior": "none"}
    network = tiny_hmr()
    result = adapt(video(given()), estimator=network, labeler="none", settings=settings)
    assert result.history[0]["loss_landmarks"] > 0
    assert any("blazepose full's" in message for message in result.messages)
    assert result.config["identity"]["landmarks"] == "blazepose full"
    from semtta.results import load

    back = load(result.save(tmp_path)).keypoints_before.landmarks
    assert torch.equal(back.xyz, person().landmarks.xyz)  # as found, not smoothed
    assert (back.joint_set, back.source) == ("blazepose33", "blazepose (made up)")
    off = adapt(video(given()), estimator=network, labeler="none", settings={**settings, "losses.landmarks.weight": 0.0})
    assert "loss_landmarks" not in off.history[0]
    assert off.config["identity"]["landmarks"] == "none"
    with np.load(off.save(tmp_path / "off") / "keypoints.npz") as arrays:
        assert "landmarks_xyz" not in arrays
    own = replace(given(), landmarks=person().landmarks)
    other = replace(own, landmarks=replace(own.landmarks, xyz=own.landmarks.xyz + 1))
    runs = [adapt(video(points), estimator=network, labeler="none", settings=settings) for points in (own, other)]
    assert runs[0].config["digest"] != runs[1].config["digest"]
