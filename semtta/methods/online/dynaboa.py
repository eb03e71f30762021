"""DynaBOA, dynamic bilevel online adaptation (Guan et al., TPAMI 2022).

BOA of first order, with two additions: labelled images that are like the frame are retrieved by its features, and a
frame gets further upper-level steps as long as they still change its feature.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from torch.func import grad

from ...errors import SemttaError
from ...settings import AdaptConfig
from ...types import FrameBatch, Prediction
from ..base import OnEpoch, register
from ..problem import Outcome, Problem, Roles
from .boa import BOA, BOASettings, Terms
from .loop import OnlineState, Weights
from .source import SourceImages, SourceRetrieval


class DynaBOASettings(BOASettings):
    """Of ``dynaboa``; the numbers are those of its public code."""

    motion_weight: float = Field(0.8, ge=0, le=1e6, description="of the 2D motion over motion_gap frames (upper level)")
    source_clusters: int = Field(
        32, ge=1, le=1_000_000, description="of the retrieval; its code comes with clusters and no number"
    )
    update_threshold: float = Field(3.1e-4, ge=0, le=2, description="further steps while the feature's cosine distance is above")
    max_updates: int = Field(7, ge=0, le=10_000, description="further steps a frame, at most")


class DynaBOA(BOA):
    """The loop of DynaBOA."""

    settings: DynaBOASettings

    @cached_property
    def retrieval(self) -> SourceRetrieval | None:
        """By the pre-trained network's features."""
        if self.source is None:
            return None
        weights = dict(self.roles.estimator.named_parameters())
        seed, clusters = self.config.seed, self.settings.source_clusters
        return SourceRetrieval(self.source, lambda batch: self.feature(weights, batch, "features"), clusters, seed)

    @torch.no_grad()
    def feature(self, weights: Mapping[str, Tensor], batch: FrameBatch, name: str) -> Tensor:
        """``features`` (pooled) or ``fc1`` (of the last regression step) of a batch: [N, F]."""
        extras = self.decode(weights, batch).prediction.extras
        if name not in extras:
            raise SemttaError(
                f"Method 'dynaboa' needs the feature '{name}', which estimator '{self.roles.estimator.name}' does not give: "
                "use an HMR, or another method."
            )
        return extras[name]

    def labelled(self, weights: Weights, batch: FrameBatch) -> SourceImages | None:
        """A labelled image like the one frame of a batch."""
        if self.source is None or self.retrieval is None:
            return None
        chosen = self.retrieval(self.feature(weights, batch, "features")[0])
        return self.source[chosen : chosen + 1]

    def adapt(self, state: OnlineState, frame: int) -> Terms:
        batch = self.frame(frame)
        old = self.feature(state.weights, batch, "fc1")
        probed = self.probe(state.weights, frame, self.labelled(state.weights, batch))
        values = self.update(state, probed, frame)
        further = 0
        new = self.feature(state.weights, batch, "fc1")
        while changed(old, new) > self.settings.update_threshold and further < self.settings.max_updates:
            self.update(state, state.weights, frame)
            old, new = new, self.feature(state.weights, batch, "fc1")
            further += 1
        return values

    def update(self, state: OnlineState, weights: Weights, frame: int) -> Terms:
        """One step of the optimiser by the upper level's gradient at ``weights``, taken as the weights' own."""
        labelled = self.labelled(weights, self.frame(frame))
        gradients, values = grad(lambda w: self.upper(w, state, frame, labelled), has_aux=True)(weights)
        self.step(state, gradients)
        self.follow(state)
        return values


def changed(old: Tensor, new: Tensor) -> float:
    """Cosine distance of a frame's features [1, F] before and after a step."""
    return 1 - torch.cosine_similarity(old.flatten().double(), new.flatten().double(), dim=0, eps=1e-12).item()


@register(
    "dynaboa", settings=DynaBOASettings,
    suits={"loop.learning_rate": 3e-6, "loop.adam_betas": (0.5, 0.9), "loop.epochs": 1},
)  # fmt: skip
def dynaboa(
    problem: Problem, roles: Roles, config: AdaptConfig, before: Prediction, on_epoch: OnEpoch = None,
    resume: dict[str, Any] | None = None,
) -> Outcome:  # fmt: skip
    """Dynamic bilevel online adaptation; with retrieval if ``source_images`` are given, source-free otherwise."""
    return DynaBOA(problem, roles, config).run(before, on_epoch, resume)
