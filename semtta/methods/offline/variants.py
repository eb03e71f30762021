"""The methods that share the offline loop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...priors import NoPrior
from ...settings import AdaptConfig
from ...types import Prediction
from ..base import OnEpoch, register
from ..problem import Outcome, Problem, Roles
from .loop import Adaptation
from .windows import adapt_clip


@register("semantic")
def semantic(
    problem: Problem, roles: Roles, config: AdaptConfig, before: Prediction, on_epoch: OnEpoch = None,
    resume: dict[str, Any] | None = None,
) -> Outcome:  # fmt: skip
    """The paper: alignment with the label, and 2D keypoints that are updated and filled in."""
    return adapt_clip(problem, roles, config, before, on_epoch, resume)


@register("cycleadapt", suits={"loop.sampling": "frames", "loop.predictions": "train", "loop.warmup_epochs": 3})
def cycleadapt(
    problem: Problem, roles: Roles, config: AdaptConfig, before: Prediction, on_epoch: OnEpoch = None,
    resume: dict[str, Any] | None = None,
) -> Outcome:  # fmt: skip
    """CycleAdapt (Nam et al., ICCV 2023): the same loop with no prior and no updates of the 2D."""
    roles = replace(roles, prior=NoPrior())
    losses = tuple(part for part in config.losses if part.name != "align")
    config = config.changed({"losses": losses, "updaters": ()})
    return adapt_clip(replace(problem, labels=()), roles, config, before, on_epoch, resume)


@register("none")
def none(
    problem: Problem, roles: Roles, config: AdaptConfig, before: Prediction, on_epoch: OnEpoch = None,
    resume: dict[str, Any] | None = None,
) -> Outcome:  # fmt: skip
    """The pre-trained estimator as it is."""
    return Adaptation(problem, roles, config.changed({"loop.epochs": 0})).run(before)
