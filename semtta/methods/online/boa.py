"""BOA, bilevel online adaptation (Guan et al., CVPR 2021).

Each frame: the lower level takes one plain gradient step by the 2D points and priors of that frame alone (a probe); the
upper level, at the probed weights, adds a mean teacher and the 2D motion since a few frames ago, and its gradient with
respect to the weights before the probe is Adam's. That gradient goes through the probe: it is of second order.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.func import grad

from ...settings.config import AdaptConfig
from ..base import OnEpoch, register, with_defaults
from ..problem import Estimate, Outcome, Problem, Roles
from . import terms
from .loop import Decoded, OnlineAdaptation, OnlineState, Weights
from .pose_prior import PosePrior
from .source import SourceImages, load_source

Terms = dict[str, Tensor]


class BOA(OnlineAdaptation):
    """The loop of BOA; ``problem`` and ``roles`` as in semtta.methods.offline.loop."""

    def __init__(self, problem: Problem, roles: Roles, config: AdaptConfig) -> None:
        super().__init__(problem, roles, config)
        self.pose_prior = PosePrior.load(config.pose_prior_file).to(problem.crops.device)
        self.weights_of_terms = {
            "2d": config.frame_2d, "shape": config.frame_shape, "pose": config.frame_pose, "source": config.source_weight,
            "teacher": config.teacher_weight, "motion": config.motion_weight,
        }  # fmt: skip

    @cached_property
    def source(self) -> SourceImages | None:
        """The labelled images, None without."""
        if self.config.source_images is None:
            return None
        return load_source(self.config.source_images, self.roles.estimator.crop_px).to(self.problem.crops.device)

    def start(self, before: Estimate) -> OnlineState:
        state = super().start(before)
        state.teacher = {name: value.clone() for name, value in state.weights.items()}
        return state

    def adapt(self, state: OnlineState, frame: int) -> Terms:
        labelled = None if self.source is None else self.source[torch.randint(len(self.source), (1,))]

        def objective(weights: Weights) -> tuple[Tensor, Terms]:
            return self.upper(self.probe(weights, frame, labelled), state, frame, labelled)

        gradients, found = grad(objective, has_aux=True)(state.weights)
        self.step(state, gradients)
        self.follow(state)
        return found

    def probe(self, weights: Weights, frame: int, labelled: SourceImages | None) -> Weights:
        """The lower level: the weights after one gradient step by the frame's own terms."""

        def lower(weights: Weights) -> Tensor:
            decoded = self.decode(weights, self.problem.crops[frame : frame + 1])
            return self.total(self.frame_terms(weights, decoded, frame, labelled))

        gradients = grad(lower)(weights)
        return {name: value - self.config.inner_learning_rate * gradients[name] for name, value in weights.items()}

    def upper(self, weights: Weights, state: OnlineState, frame: int, labelled: SourceImages | None) -> tuple[Tensor, Terms]:
        """The upper level's loss at ``weights``, and its terms."""
        decoded = self.decode(weights, self.problem.crops[frame : frame + 1])
        found = self.frame_terms(weights, decoded, frame, labelled)
        if state.teacher is not None:
            with torch.no_grad():
                teacher = self.decode(state.teacher, self.problem.crops[frame : frame + 1])
            found["teacher"] = terms.towards(decoded, teacher)
        past = frame - self.config.motion_gap
        if past > 0:  # from the frame after the gap on, as the published code
            before = self.decode(weights, self.problem.crops[past : past + 1])
            seen = self.present[frame : frame + 1] & self.present[past : past + 1]
            found["motion"] = terms.motion(
                decoded.points, before.points, self.points[frame : frame + 1], self.points[past : past + 1], seen
            )
        return self.total(found), found

    def frame_terms(self, weights: Weights, decoded: Decoded, frame: int, labelled: SourceImages | None) -> Terms:
        """2D, shape and pose prior of a frame, and the loss on labelled images where there are any."""
        found = {
            "2d": terms.squared_2d(decoded.points, self.points[frame : frame + 1], self.present[frame : frame + 1]),
            "shape": terms.shape_prior(decoded.prediction.betas),
            "pose": self.pose_prior.loss(decoded.prediction.rotations).mean(),
        }
        if labelled is not None:
            found["source"] = labelled.loss(self.decode(weights, labelled.crops))
        return found

    def total(self, found: Terms) -> Tensor:
        return terms.weighted(found, self.weights_of_terms)

    @torch.no_grad()
    def follow(self, state: OnlineState) -> None:
        """Move the teacher: ``m * teacher + (1 - m) * model``."""
        assert state.teacher is not None
        for name, value in state.teacher.items():
            value.lerp_(state.weights[name], 1 - self.config.teacher_momentum)


@register("boa")
@with_defaults(learning_rate=3e-6, adam_betas=(0.5, 0.999), epochs=1)
def boa(
    problem: Problem, roles: Roles, config: AdaptConfig, before: Estimate, on_epoch: OnEpoch = None,
    resume: dict[str, Any] | None = None,
) -> Outcome:  # fmt: skip
    """Bilevel online adaptation; source-free unless ``source_images`` are given."""
    return BOA(problem, roles, config).run(before, on_epoch, resume)
