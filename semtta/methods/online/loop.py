"""The online loop: frame by frame, in order, each frame adapted to once and predicted right after (BOA, DynaBOA, DAPA).

Every video starts from the pre-trained weights; the published methods went on over all videos of a dataset. Dropout is
off. What a method does with a frame is its ``adapt``.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from ...errors import SemttaError
from ...geometry import CROP_PX
from ...settings import AdaptConfig
from ...types import FrameBatch, Prediction
from ..offline.state import prediction_dict
from ..passes import predict
from ..problem import Outcome, Problem, Roles

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Decoded:
    """What the estimator says of N frames, as the losses take it."""

    prediction: Prediction
    joints: Tensor  # [N, 24, 3] metres
    points: Tensor  # [N, 24, 2] projected, the crop as [-1, 1]


@dataclass
class OnlineState:
    """Everything that changes; a checkpoint is this and nothing else."""

    weights: Weights  # plain tensors: torch.func differentiates with respect to them
    optimiser: torch.optim.Optimizer
    prediction: Prediction  # of each frame, when it had been adapted to
    teacher: Weights | None = None  # moving average of the weights
    frame: int = 0  # frames done, over all passes
    steps: int = 0  # of the optimiser
    epoch: int = 0  # blocks of frames done
    epochs: int = 0  # in all
    history: list[dict[str, Any]] = field(default_factory=list)

    def state_dict(self) -> dict[str, Any]:
        """Only what the frames to come need: no moments of the optimiser after the last."""
        optimiser = self.optimiser.state_dict() if self.epoch < self.epochs else None
        return {
            "weights": self.weights, "optimiser": optimiser, "prediction": prediction_dict(self.prediction),
            "teacher": self.teacher, "frame": self.frame, "steps": self.steps, "epoch": self.epoch,
            "history": self.history,
        }  # fmt: skip

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        for mine, theirs in ((self.weights, saved["weights"]), (self.teacher, saved["teacher"])):
            for name, value in (mine or {}).items():
                value.copy_(theirs[name])
        if saved["optimiser"] is not None:
            self.optimiser.load_state_dict(saved["optimiser"])
        self.prediction = Prediction(**saved["prediction"]).to(self.prediction.betas.device)
        self.frame, self.steps, self.epoch = saved["frame"], saved["steps"], saved["epoch"]
        self.history = list(saved["history"])


class OnlineAdaptation(ABC):
    """One video's adaptation, frame by frame; ``config.loop.epochs`` is the number of passes (1 as published)."""

    def __init__(self, problem: Problem, roles: Roles, config: AdaptConfig) -> None:
        if config.loop.trainable != "all":
            raise SemttaError(f"Method {config.method.name} adapts all weights: loop.trainable must be all.")
        self.problem, self.roles, self.config = problem, roles, config
        evidence = problem.evidence[:, :24]  # SMPL's joints, as the published losses
        self.points, self.present = to_unit_square(evidence.points), evidence.present
        self.block = config.loop.segment_frames
        rest = torch.eye(3).expand(1, 24, 3, 3).to(self.points)
        roles.body.keypoints(rest, rest.new_zeros(1, 10), "smpl29")  # what a body caches must not be made inside torch.func

    @abstractmethod
    def adapt(self, state: OnlineState, frame: int) -> dict[str, Tensor]:
        """Adapt ``state`` to one frame; returns the terms of the loss for the history."""

    def run(
        self,
        before: Prediction,
        on_epoch: Callable[[OnlineState], None] | None = None,
        resume: dict[str, Any] | None = None,
    ) -> Outcome:
        """Adapt, from what the pre-trained network predicts. ``on_epoch`` sees the state after every block of frames."""
        state = self.start(before)
        if resume is not None:
            state.load_state_dict(resume)
        total = len(self.problem) * self.config.loop.epochs
        while state.frame < total:
            began, first, steps = time.perf_counter(), state.frame, state.steps
            sums: dict[str, Tensor] = {}
            for step in range(first, min(first + self.block, total)):
                frame = step % len(self.problem)
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(self.config.seed * 1009 + step)  # so that a resumed run repeats
                    terms = self.adapt(state, frame)
                for name, value in terms.items():
                    sums[name] = sums.get(name, 0) + value.detach()
                self.keep(state, frame)
                state.frame = step + 1
            state.epoch += 1
            state.history.append(self.record(state, first, state.steps - steps, sums, time.perf_counter() - began))
            if on_epoch:
                on_epoch(state)
        similarity = self.points.new_zeros(len(self.problem))
        return Outcome(before, state.prediction, self.problem.evidence, similarity, tuple(state.history), state.weights)

    def start(self, before: Prediction) -> OnlineState:
        """A copy of the pre-trained weights, and nothing adapted yet."""
        weights = {name: value.detach().clone() for name, value in self.roles.estimator.named_parameters()}
        optimiser = torch.optim.Adam(weights.values(), lr=self.config.loop.learning_rate, betas=self.config.loop.adam_betas)
        blocks = math.ceil(len(self.problem) * self.config.loop.epochs / self.block)
        return OnlineState(weights, optimiser, before, epochs=blocks)

    def decode(self, weights: Mapping[str, Tensor], batch: FrameBatch) -> Decoded:
        """The estimator with ``weights`` on a batch, and its joints."""
        estimator = self.roles.estimator.eval()
        prediction = functional_call(estimator, dict(weights), (batch,))
        joints = self.roles.body.keypoints(prediction.rotations, prediction.betas, "smpl29")[:, :24]
        return Decoded(prediction, joints, to_unit_square(estimator.project(joints, prediction.camera, batch)))

    def step(self, state: OnlineState, gradients: Mapping[str, Tensor]) -> None:
        """One step of the optimiser."""
        for name, weight in state.weights.items():
            weight.grad = gradients[name].detach()
        state.optimiser.step()
        state.steps += 1

    @torch.no_grad()
    def keep(self, state: OnlineState, frame: int) -> None:
        """Predict a frame with the weights adapted to it: its result."""
        now = predict(self.roles.estimator, state.weights, self.frame(frame))
        state.prediction = state.prediction.updated(torch.tensor([frame], device=now.betas.device), now)

    def frame(self, frame: int) -> FrameBatch:
        """One frame as a batch."""
        return self.problem.inputs[frame : frame + 1]

    @torch.no_grad()
    def record(self, state: OnlineState, first: int, steps: int, sums: dict[str, Tensor], seconds: float) -> dict[str, Any]:
        """One line of the history: means over the block's frames."""
        frames = torch.arange(first, state.frame, device=self.points.device) % len(self.problem)
        rotations, betas, camera = state.prediction[frames].tensors()
        joints = self.roles.body.keypoints(rotations, betas, "smpl29")
        evidence = self.problem.evidence[frames]
        projected = self.roles.estimator.project(joints, camera, self.problem.inputs[frames])
        distance = (projected - evidence.points).norm(dim=-1)[evidence.present]
        count = state.frame - first
        return {
            "epoch": state.epoch,
            "learning_rate": self.config.loop.learning_rate,
            "steps": steps,
            "frames": state.frame,
            **{f"loss_{name}": (value / count).item() for name, value in sums.items()},
            "reprojection_px": distance.median().item() if len(distance) else None,
            "similarity": None,
            "filled": 0.0,
            "seconds": seconds,
        }


def to_unit_square(points: Tensor) -> Tensor:
    """Pixels of the 224 crop -> [-1, 1] over the crop."""
    return points * (2 / CROP_PX) - 1
