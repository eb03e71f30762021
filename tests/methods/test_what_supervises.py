"""From detected keypoints to what a run makes of them, and what a preset gives a run: through ``semtta.adapt``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from short_clips import tiny_hmr

import semtta
from semtta.body import load
from semtta.build import resolve
from semtta.estimators import HMR
from semtta.estimators.open_image import SUITS
from semtta.types import Keypoints2D, Video

JOINTS = ("Nose", "Neck", "R_Shoulder", "R_Elbow", "R_Wrist", "L_Shoulder", "L_Elbow", "L_Wrist", "MidHip")  # of body25
FRAMES = 8


@pytest.fixture(scope="module")
def estimator() -> HMR:
    made = tiny_hmr()
    made.suits = SUITS  # as the included network has them
    return made


def clip(**moved: tuple[float, float]) -> Video:
    """Keypoints of body25 around the middle; ``moved``: joint number as ``j4`` -> (shift in pixels, confidence)."""
    generator = torch.Generator().manual_seed(2)
    xy = torch.rand(FRAMES, 25, 2, generator=generator) * 100 + 60
    confidence = torch.full((FRAMES, 25), 0.9)
    for name, (shift, value) in moved.items():
        xy[:, int(name[1:])] += shift
        confidence[:, int(name[1:])] = value
    frames = list(np.random.default_rng(0).integers(0, 256, (FRAMES, 240, 240, 3), dtype=np.uint8))
    boxes = torch.tensor([120.0, 120.0, 200.0]).expand(FRAMES, 3)
    return Video("made up", frames, FRAMES, 30.0, (240, 240), Keypoints2D(xy, confidence, "body25"), boxes)


def adapt(video: Video, estimator: HMR, preset: str = "paper", **settings: Any) -> Any:
    own = {"labeler": "none", "prior": "none", "denoiser": "none", "loop.epochs": 1, "device": "cpu"}
    return semtta.adapt(video, estimator=estimator, body=load("open"), preset=preset, settings={**own, **settings})


def test_keypoints_that_are_not_sure_enough_do_not_supervise(estimator):
    """A joint whose confidence is at the threshold or below may be anywhere: the result is the same."""
    results = [adapt(clip(j4=(shift, 0.3)), estimator) for shift in (0.0, 40.0)]
    assert torch.equal(results[0].params.rotations, results[1].params.rotations)
    assert results[0].history[0]["loss_2d"] == results[1].history[0]["loss_2d"] > 0
    sure = [adapt(clip(j4=(shift, 0.31)), estimator) for shift in (0.0, 40.0)]
    assert sure[0].history[0]["loss_2d"] != sure[1].history[0]["loss_2d"]
    assert (results[0].keypoints_before.confidence[:, 21] == 0).all()  # the right wrist of the 29
    assert (results[0].keypoints.confidence[:, 21] == 0).all()  # nor afterwards, as nothing is filled in
    assert (sure[0].keypoints_before.confidence[:, 21] > 0.3).all()


def test_joints_that_are_not_of_the_supervised_set_do_not_supervise(estimator):
    """The nose is no limb: with ``limbs`` it may be anywhere, with ``limbs+face`` it counts."""
    results = [adapt(clip(j0=(shift, 0.9)), estimator) for shift in (0.0, 40.0)]
    assert results[0].history[0]["loss_2d"] == results[1].history[0]["loss_2d"] > 0
    assert (results[0].keypoints_before.confidence[:, 24] == 0).all()
    face = [adapt(clip(j0=(shift, 0.9)), estimator, **{"evidence.joints": "limbs+face"}) for shift in (0.0, 40.0)]
    assert face[0].history[0]["loss_2d"] != face[1].history[0]["loss_2d"]


def test_a_clip_of_unsure_keypoints_is_not_adapted(estimator):
    unsure = {f"j{joint}": (0.0, 0.2) for joint in range(25)}
    result = adapt(clip(**unsure), estimator)
    assert result.history == ()
    assert torch.equal(result.params.rotations, result.unadapted.rotations)
    assert "No keypoint was seen" in " ".join(result.messages)


@pytest.mark.parametrize(
    ("preset", "epochs", "rates", "steps"),
    [
        ("fast", 3, {0: 3e-4, 2: 1e-6}, 10),  # the network's own rate and steps, in three epochs without a warm-up
        ("best", 15, {0: 1.5e-4, 1: 3e-4, 14: 1e-6}, 10),  # what suits the network
        ("paper", 6, {0: 5e-5, 5: 1e-6}, 1),  # Sec. 5.2 whatever suits the network
    ],
)
def test_a_preset_is_what_the_run_does(estimator, preset, epochs, rates, steps):
    settings = {"labeler": "none", "prior": "none", "denoiser": "none", "device": "cpu"}
    result = semtta.adapt(clip(), estimator=estimator, preset=preset, settings=settings)
    assert len(result.history) == epochs
    assert {epoch: result.history[epoch]["learning_rate"] for epoch in rates} == pytest.approx(rates)
    assert result.history[0]["steps"] == steps
    assert result.config["preset"] == preset


def test_the_presets_give_what_they_say():
    """What ``build`` gives with the included parts, not what a table says."""
    fast, best, paper = (resolve(name).config for name in ("fast", "best", "paper"))
    assert (fast.loop.epochs, fast.loop.segment_stride, fast.loop.warmup_epochs) == (3, 60, 0)
    assert (best.loop.epochs, best.loop.segment_stride, best.loop.warmup_epochs) == (20, 15, 2)
    assert fast.changed({key: getattr(best.loop, key[5:]) for key in
                         ("loop.epochs", "loop.segment_stride", "loop.warmup_epochs")}) == best  # fmt: skip
    loop = paper.loop
    assert (loop.epochs, loop.learning_rate, loop.min_learning_rate, loop.adam_betas) == (6, 5e-5, 1e-6, (0.5, 0.9))
    assert (loop.segment_frames, loop.segment_stride, loop.segment_step, loop.batch_segments) == (60, 30, 1, 4)
    assert (loop.sampling, loop.predictions, loop.warmup_epochs, loop.min_steps) == ("similarity", "eval", 0, 1)
    weights = {part.name: part.settings.weight for part in paper.losses}
    assert weights == {
        "2d": 0.1,
        "align": 0.2,
        "pose": 1.0,
        "shape": 0.001,
        **dict.fromkeys(("acceleration", "landmarks", "depth"), 0.0),
    }
    assert [(part.name, getattr(part.settings, "alpha", None)) for part in paper.updaters] == [("ema", 0.9), ("fill_in", None)]
