"""A made-up clip, a tiny network and a tiny prior for the tests of the offline loop."""

from __future__ import annotations

import io
from typing import Any

import torch

from semtta.body import load
from semtta.build import make_config
from semtta.estimators.hmr import standing_pose6d
from semtta.geometry import matrix_from_6d, project_to_crop
from semtta.methods import Outcome, Problem, Roles
from semtta.methods.offline.loop import Adaptation
from semtta.methods.passes import predict
from semtta.priors import MotionTextPrior
from semtta.settings import AdaptConfig
from semtta.types import Evidence, FrameBatch, Motion, Prediction, SegmentLabel


class TinyPrior(MotionTextPrior):
    """Features are fixed random projections of the local rotations; any wording has its own text feature."""

    name = "tiny"
    threshold = -1.0

    def __init__(self) -> None:
        self.matrix = torch.randn(23 * 9, 8, generator=torch.Generator().manual_seed(3))

    def encode_motion(self, motion: Motion) -> torch.Tensor:
        return (motion.rotations[:, :, 1:].flatten(2) @ self.matrix).mean(1)

    def encode_text(self, labels):
        return torch.stack([torch.randn(8, generator=torch.Generator().manual_seed(len(label))) for label in labels])


def make_problem(frames: int = 12, label: str | None = "walking") -> Problem:
    generator = torch.Generator().manual_seed(1)
    crops = torch.randint(256, (frames, 3, 32, 32), generator=generator, dtype=torch.uint8)
    standing = standing_pose6d().view(1, 24, 6)
    joints = load("open").keypoints(matrix_from_6d(standing, "columns_interleaved"), torch.zeros(1, 10), "smpl29")
    points = project_to_crop(joints, torch.tensor([[0.6, 0.2, -0.1]])).expand(frames, -1, -1)
    points = points + torch.randn(frames, 29, 2, generator=generator)
    present = torch.rand(frames, 29, generator=generator) < 0.5
    labels = (SegmentLabel(0, frames, label),)
    return Problem(FrameBatch.of_crops(crops), Evidence(points, present), labels, 30.0)


def config(settings: dict[str, Any] | None = None, **loop: Any) -> AdaptConfig:
    """Short segments and a large rate; ``loop`` are keys of ``loop``, ``settings`` any."""
    usual = {"segment_frames": 6, "segment_stride": 3, "epochs": 2, "batch_segments": 2, "learning_rate": 1e-3, **loop}
    return make_config({"seed": 5, **{f"loop.{key}": value for key, value in usual.items()}, **(settings or {})})


def unadapted(problem: Problem, roles: Roles) -> Prediction:
    return predict(roles.estimator, dict(roles.estimator.named_parameters()), problem.inputs)


def run(problem: Problem, roles: Roles, settings: AdaptConfig, **options: Any) -> Outcome:
    return Adaptation(problem, roles, settings).run(unadapted(problem, roles), **options)


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint as it is read again."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)
