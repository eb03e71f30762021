"""Everything that changes while a clip is adapted to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ...denoisers.cycle import DenoiserState
from ...priors import Prior
from ...types import Evidence, Prediction
from .trainable import Trainable


def prediction_dict(prediction: Prediction | None) -> dict[str, Tensor] | None:
    """A prediction as a checkpoint keeps it."""
    if prediction is None:
        return None
    return {"rotations": prediction.rotations, "betas": prediction.betas, "camera": prediction.camera}


@dataclass
class State:
    """A checkpoint is this and nothing else."""

    trainable: Trainable
    optimiser: torch.optim.Optimizer
    denoiser: DenoiserState
    evidence: Evidence  # [T, 29]
    prediction: Prediction  # [T]
    segment_similarity: Tensor  # [S] of the prediction (Eq. 3)
    similarity: Tensor  # [T] of the segments that a frame is in
    prior: Prior  # holds what is trained along
    target: Prediction | None = None  # [T] denoised rotations and averaged shape, from the second epoch on
    epoch: int = 0
    epochs: int = 0  # in all
    history: list[dict[str, Any]] = field(default_factory=list)
    projected: Tensor | None = None  # [T, 29, 2] of the prediction, pixels of the crops; None: to be made again

    def state_dict(self) -> dict[str, Any]:
        """Only what the epochs to come need: the weights that are adapted, and their optimiser's moments until the last."""
        optimiser = self.optimiser.state_dict() if self.epoch < self.epochs else None
        return {
            "adapted": self.trainable.adapted, "optimiser": optimiser, "denoiser": self.denoiser.state_dict(),
            "evidence": vars(self.evidence), "prediction": prediction_dict(self.prediction),
            "segment_similarity": self.segment_similarity, "similarity": self.similarity,
            "prior": self.prior.trained_state(), "target": prediction_dict(self.target), "epoch": self.epoch,
            "history": self.history,
        }  # fmt: skip

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        with torch.no_grad():
            for name, value in saved["adapted"].items():
                self.trainable.adapted[name].copy_(value)
        if saved["optimiser"] is not None:
            self.optimiser.load_state_dict(saved["optimiser"])
        self.denoiser.load_state_dict(saved["denoiser"])
        self.prior.load_trained_state(saved["prior"])
        device = self.similarity.device  # a checkpoint is read to the CPU
        self.evidence = Evidence(**saved["evidence"]).to(device)
        self.prediction = Prediction(**saved["prediction"]).to(device)
        self.segment_similarity = saved["segment_similarity"].to(device)
        self.similarity = saved["similarity"].to(device)
        self.target = None if saved["target"] is None else Prediction(**saved["target"]).to(device)
        self.epoch, self.history, self.projected = saved["epoch"], list(saved["history"]), None
