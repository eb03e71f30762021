"""The methods that share the offline loop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...priors import NoPrior
from ...settings.config import AdaptConfig
from ..base import OnEpoch, register
from ..problem import Estimate, Outcome, Problem, Roles
from .loop import Adaptation


@register("semantic")
def semantic(
    problem: Problem, roles: Roles, config: AdaptConfig, before: Estimate, on_epoch: OnEpoch = None,
    resume: dict[str, Any] | None = None,
) -> Outcome:  # fmt: skip
    """The paper: alignment with the label, and 2D keypoints that are updated and filled in."""
    return Adaptation(problem, roles, config).run(before, on_epoch, resume)


@register("cycleadapt")
def cycleadapt(
    problem: Problem, roles: Roles, config: AdaptConfig, before: Estimate, on_epoch: OnEpoch = None,
    resume: dict[str, Any] | None = None,
) -> Outcome:  # fmt: skip
    """CycleAdapt (Nam et al., 2023): the same loop with no prior and no updates of the 2D."""
    roles = replace(roles, prior=NoPrior())
    config = config.model_copy(update={"lambda_align": 0.0, "updaters": ()})
    return Adaptation(replace(problem, labels=()), roles, config).run(before, on_epoch, resume)


@register("none")
def none(
    problem: Problem, roles: Roles, config: AdaptConfig, before: Estimate, on_epoch: OnEpoch = None,
    resume: dict[str, Any] | None = None,
) -> Outcome:  # fmt: skip
    """The pre-trained estimator as it is."""
    return Adaptation(problem, roles, config.model_copy(update={"epochs": 0})).run(before)
