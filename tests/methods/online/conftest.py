"""A tiny problem for the online methods: one person who stands still before noise, and a network that can turn her limbs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from short_clips import tiny_hmr

from semtta.body import load
from semtta.geometry import project_to_crop
from semtta.methods.passes import predict
from semtta.methods.problem import Problem, Roles
from semtta.priors import NoPrior
from semtta.types import Evidence, FrameBatch, Prediction


@pytest.fixture(scope="session")
def roles() -> Roles:
    return Roles(tiny_hmr(std=0.02), load("open"), None, NoPrior())


@pytest.fixture(scope="session")
def make_problem(roles) -> Callable[..., Problem]:
    """``make_problem(frames=8)``: keypoints are what the network predicts, moved by (12, -8) pixels; half of them seen."""

    def make(frames: int = 8) -> Problem:
        generator = torch.Generator().manual_seed(1)
        crops = torch.randint(256, (frames, 3, 32, 32), generator=generator, dtype=torch.uint8)
        inputs = FrameBatch.of_crops(crops)
        first = predict(roles.estimator, dict(roles.estimator.named_parameters()), inputs)
        joints = roles.body.keypoints(first.rotations, first.betas, "smpl29")
        points = project_to_crop(joints, first.camera) + torch.tensor([12.0, -8.0])
        present = torch.rand(frames, 29, generator=generator) < 0.5
        return Problem(inputs, Evidence(points, present), (), 30.0)

    return make


@pytest.fixture(scope="session")
def before(roles) -> Callable[[Problem], Prediction]:
    """The unadapted prediction of a problem."""
    return lambda problem: predict(roles.estimator, dict(roles.estimator.named_parameters()), problem.inputs)
