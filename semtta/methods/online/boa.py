"""BOA, bilevel online adaptation (Guan et al., CVPR 2021).

Each frame: the lower level takes one plain gradient step by the 2D points and priors of that frame alone (a probe); the
upper level, at the probed weights, adds a mean teacher and the 2D motion since a few frames ago, and its gradient with
respect to the weights before the probe is Adam's. That gradient goes through the probe: it is of second order.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from torch.func import grad

from ...registry import Settings
from ...settings import AdaptConfig
from ...types import Prediction
from ..base import OnEpoch, register, settings_of
from ..problem import Outcome, Problem, Roles
from . import terms
from .loop import Decoded, OnlineAdaptation, OnlineState, Weights
from .pose_prior import PosePrior
from .source import SourceImages, load_source

Terms = dict[str, Tensor]


class BOASettings(Settings):
    """Of ``boa``; the numbers are those of its public code."""

    inner_learning_rate: float = Field(8e-6, gt=0, le=1, description="step of the lower level")
    weight_2d: float = Field(10.0, ge=0, le=1e6, description="of the squared 2D distance, the crop as [-1, 1]")
    weight_shape: float = Field(2e-6, ge=0, le=1e6, description="of the squared betas")
    weight_pose: float = Field(1e-4, ge=0, le=1e6, description="of the Gaussian-mixture pose prior")
    pose_prior_file: str | None = Field(None, description="mixture: SMPLify's gmm_08.pkl or an npz; None: the included one")
    teacher_weight: float = Field(0.1, ge=0, le=1e6, description="of the mean teacher (upper level)")
    teacher_momentum: float = Field(0.1, ge=0, le=1, description="share of the old teacher: 0.1 is a fast one")
    motion_weight: float = Field(0.1, ge=0, le=1e6, description="of the 2D motion over motion_gap frames (upper level)")
    motion_gap: int = Field(5, ge=1, le=1_000_000, description="frames")
    source_images: str | None = Field(None, description="folder of labelled images (semtta synth images); None: source-free")
    source_weight: float = Field(0.1, ge=0, le=1e6, description="of the loss on labelled images")


class BOA(OnlineAdaptation):
    """The loop of BOA; ``problem`` and ``roles`` as in semtta.methods.offline.loop."""

    def __init__(self, problem: Problem, roles: Roles, config: AdaptConfig) -> None:
        super().__init__(problem, roles, config)
        self.settings = settings_of(config, BOASettings)
        self.pose_prior = PosePrior.load(self.settings.pose_prior_file).to(problem.device)
        self.weights_of_terms = {
            "2d": self.settings.weight_2d, "shape": self.settings.weight_shape, "pose": self.settings.weight_pose,
            "source": self.settings.source_weight, "teacher": self.settings.teacher_weight,
            "motion": self.settings.motion_weight,
        }  # fmt: skip

    @cached_property
    def source(self) -> SourceImages | None:
        """The labelled images, None without."""
        if self.settings.source_images is None:
            return None
        return load_source(self.settings.source_images, self.roles.estimator.crop_px).to(self.problem.device)

    def start(self, before: Prediction) -> OnlineState:
        state = super().start(before)
        state.teacher = {name: value.clone() for name, value in state.weights.items()}
        return state

    def adapt(self, state: OnlineState, frame: int) -> Terms:
        labelled = None if self.source is None else self.source[torch.randint(len(self.source), (1,))]

        def objective(weights: Weights) -> tuple[Tensor, Terms]:
            return self.upper(self.probe(weights, frame, labelled), state, frame, labelled)

        gradients, values = grad(objective, has_aux=True)(state.weights)
        self.step(state, gradients)
        self.follow(state)
        return values

    def probe(self, weights: Weights, frame: int, labelled: SourceImages | None) -> Weights:
        """The lower level: the weights after one gradient step by the frame's own terms."""

        def lower(weights: Weights) -> Tensor:
            decoded = self.decode(weights, self.frame(frame))
            return self.total(self.frame_terms(weights, decoded, frame, labelled))

        gradients = grad(lower)(weights)
        return {name: value - self.settings.inner_learning_rate * gradients[name] for name, value in weights.items()}

    def upper(self, weights: Weights, state: OnlineState, frame: int, labelled: SourceImages | None) -> tuple[Tensor, Terms]:
        """The upper level's loss at ``weights``, and its terms."""
        decoded = self.decode(weights, self.frame(frame))
        values = self.frame_terms(weights, decoded, frame, labelled)
        if state.teacher is not None:
            with torch.no_grad():
                teacher = self.decode(state.teacher, self.frame(frame))
            values["teacher"] = terms.towards(decoded, teacher)
        past = frame - self.settings.motion_gap
        if past > 0:  # from the frame after the gap on, as the published code
            before = self.decode(weights, self.frame(past))
            seen = self.present[frame : frame + 1] & self.present[past : past + 1]
            values["motion"] = terms.motion(
                decoded.points, before.points, self.points[frame : frame + 1], self.points[past : past + 1], seen
            )
        return self.total(values), values

    def frame_terms(self, weights: Weights, decoded: Decoded, frame: int, labelled: SourceImages | None) -> Terms:
        """2D, shape and pose prior of a frame, and the loss on labelled images where there are any."""
        values = {
            "2d": terms.squared_2d(decoded.points, self.points[frame : frame + 1], self.present[frame : frame + 1]),
            "shape": terms.shape_prior(decoded.prediction.betas),
            "pose": self.pose_prior.loss(decoded.prediction.rotations).mean(),
        }
        if labelled is not None:
            values["source"] = labelled.loss(self.decode(weights, labelled.batch))
        return values

    def total(self, values: Terms) -> Tensor:
        return terms.weighted(values, self.weights_of_terms)

    @torch.no_grad()
    def follow(self, state: OnlineState) -> None:
        """Move the teacher: ``m * teacher + (1 - m) * model``."""
        assert state.teacher is not None
        for name, value in state.teacher.items():
            value.lerp_(state.weights[name], 1 - self.settings.teacher_momentum)


@register("boa", settings=BOASettings, suits={"loop.learning_rate": 3e-6, "loop.adam_betas": (0.5, 0.999), "loop.epochs": 1})
def boa(
    problem: Problem, roles: Roles, config: AdaptConfig, before: Prediction, on_epoch: OnEpoch = None,
    resume: dict[str, Any] | None = None,
) -> Outcome:  # fmt: skip
    """Bilevel online adaptation; source-free unless ``source_images`` are given."""
    return BOA(problem, roles, config).run(before, on_epoch, resume)
