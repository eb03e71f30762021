"""Conformance tests of the parts of an adaptation's loop."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..body import load
from ..build import make_config
from ..estimators import HMR, HMRConfig
from ..losses import StepContext, WholeClip
from ..methods import Method, Problem, Roles
from ..methods.passes import predict
from ..priors import NoPrior, Prior
from ..settings import AdaptConfig
from ..types import Evidence, FrameBatch, Landmarks3D, Motion, Prediction, Segment, SegmentLabel
from ..updaters import UpdateContext, Updater
from .rotations import random_rotations, require_rotations


def check_updater(updater: Updater) -> None:
    """An updater (with its settings bound): shapes as they were, its input untouched, finite points where a joint is present."""
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(5, 29, 2, generator=generator) * 224
    present = torch.rand(5, 29, generator=generator) < 0.5
    before = Evidence(points.clone(), present.clone())
    context = UpdateContext(before, before, points + 3, torch.full((5,), 0.9), 0.75, torch.ones(29, dtype=torch.bool))
    after = updater(context)
    assert after.points.shape == points.shape, f"points are {list(after.points.shape)}, expected {list(points.shape)}."
    assert after.present.dtype == torch.bool, "present must be boolean."
    unchanged = torch.equal(before.points, points) and torch.equal(before.present, present)
    assert unchanged, "an updater must not change its input."
    assert torch.isfinite(after.points[after.present]).all(), "a present point is not finite."


class _Straight(Prior):
    """Motion fits its label the better, the nearer its local rotations are to none."""

    name = "straight"

    def loss(self, motion: Motion, labels: Sequence[str]) -> Tensor:
        return 1 - self.similarity(motion, labels)

    depth_loss = loss

    def similarity(self, motion: Motion, labels: Sequence[str]) -> Tensor:
        return 1 - (motion.rotations[:, :, 1:] - torch.eye(3)).abs().mean((1, 2, 3, 4))


def check_loss(term: Callable[[StepContext], Tensor | None]) -> None:
    """A loss term (with its settings bound): a finite value per frame or labelled segment, differentiable; None if it has none.

    It is asked at a usual step of two segments, one of them labelled, and at one of single frames in the first epoch.
    """
    count, body, generator = 12, load("open"), torch.Generator().manual_seed(0)
    given = 0
    for usual in (True, False):
        rotations = random_rotations(count).requires_grad_()
        prediction = Prediction(rotations, torch.zeros(count, 10, requires_grad=True), torch.zeros(count, 3, requires_grad=True))
        joints = body.keypoints(rotations, prediction.betas, "smpl29")
        points = torch.rand(count, 29, 2, generator=generator) * 224
        present = torch.rand(count, 29, generator=generator) < 0.5
        points[~present] = float("nan")  # what is not there must play no part
        found = (torch.rand(count, 33, generator=generator) - 0.3).clamp(min=0)
        xyz = torch.randn(count, 33, 3, generator=generator).where(found[..., None] > 0, torch.nan)
        target = Prediction(random_rotations(count, seed=1), torch.ones(count, 10), torch.zeros(count, 3))
        segments = (Segment(0, 6, "walking"), Segment(6, 12)) if usual else ()
        places = FrameBatch.of_crops(torch.zeros(count, 3, 1, 1))
        still = torch.full((count, 29, 2), 112.0)
        clip = WholeClip(random_rotations(count), still, torch.zeros(count, 24), places) if usual else None
        context = StepContext(
            prediction, joints, joints[..., :2] * 100 + 112 + prediction.camera[:, None, :2], Evidence(points, present),
            torch.arange(count), segments, target if usual else None, _Straight(),
            Motion(rotations[None, :6], visible=torch.ones(1, 6, 24)) if usual else None, ("walking",) if usual else (),
            torch.ones(len(segments[:1])), 0.5, Landmarks3D(xyz, found, "blazepose33"), 30.0, clip,
        )  # fmt: skip
        value = term(context)
        if value is None:
            continue
        given += 1
        wanted = {(count,), (1,)} if usual else {(count,)}
        assert tuple(value.shape) in wanted, f"its value is {list(value.shape)}, not one per frame or labelled segment."
        assert torch.isfinite(value).all(), "its value is not finite: evidence that is not present may be NaN."
        assert value.requires_grad, "its value has no gradient: it must be differentiable in the prediction."
        leaves = (rotations, prediction.betas, prediction.camera)
        gradients = [g for g in torch.autograd.grad(value.mean(), leaves, allow_unused=True) if g is not None]
        assert all(torch.isfinite(g).all() for g in gradients), "its gradient is not finite."
    assert given, "it has a value neither at a usual step nor at the first."


def check_method(method: Method, config: AdaptConfig | None = None) -> None:
    """A method on a tiny clip: a whole outcome, the given network untouched, the same again when it is resumed.

    ``config``: its settings; by default those of ``semtta.build.make_config`` with two epochs.
    """
    config = config or make_config({"loop.epochs": 2, "loop.segment_frames": 3, "loop.segment_stride": 3})
    problem, roles = _tiny_problem(), _tiny_roles()
    weights = {name: value.detach().clone() for name, value in roles.estimator.named_parameters()}
    before = predict(roles.estimator, weights, problem.inputs)
    epochs, saved = [], []

    def keep(state: Any) -> None:
        file = io.BytesIO()
        torch.save(state.state_dict(), file)
        file.seek(0)
        epochs.append((state.epoch, state.epochs))
        saved.append(torch.load(file, weights_only=True))

    outcome = method(problem, roles, config, before, keep)
    for name, value in roles.estimator.named_parameters():
        assert torch.equal(value, weights[name]), f"the given estimator's {name} has changed: adapt a copy."
    assert set(outcome.weights) == set(weights), "outcome.weights must be every parameter of the estimator, by name."
    count = len(problem)
    require_rotations(outcome.after.rotations, "rotations after adaptation")
    shapes = (tuple(outcome.after.rotations.shape), tuple(outcome.after.betas.shape), tuple(outcome.evidence.points.shape))
    assert shapes == ((count, 24, 3, 3), (count, 10), (count, 29, 2)), f"after or evidence has not {count} frames: {shapes}."
    assert tuple(outcome.similarity.shape) == (count,), f"similarity is {list(outcome.similarity.shape)}, not [{count}]."
    assert torch.equal(outcome.before.rotations, before.rotations), "before must be the prediction that was given."
    assert [record["epoch"] for record in outcome.history] == [done for done, _ in epochs], "on_epoch and history disagree."
    json.dumps(outcome.history)  # plain values
    if not epochs:
        return
    assert epochs == [(i + 1, len(epochs)) for i in range(len(epochs))], f"on_epoch saw {epochs}: (epochs done, epochs in all)."
    again = method(problem, roles, config, before, None, saved[0])
    equal = torch.equal(again.after.rotations, outcome.after.rotations)
    assert equal, "a resumed run gives another result than an uninterrupted one."


def _tiny_roles() -> Roles:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sizes = HMRConfig(block="basic", depths=(1, 1), widths=(8, 16), stem=8, crop_px=32, hidden=32, dropout=0.5)
        return Roles(HMR(sizes), load("open"), None, NoPrior())


def _tiny_problem(count: int = 5) -> Problem:
    generator = torch.Generator().manual_seed(1)
    crops = torch.randint(256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)
    points = torch.rand(count, 29, 2, generator=generator) * 224
    evidence = Evidence(points, torch.rand(count, 29, generator=generator) < 0.5)
    return Problem(FrameBatch.of_crops(crops), evidence, (SegmentLabel(0, count, "walking"),), 30.0)
