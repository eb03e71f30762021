"""What a method is given, and what it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..body import Body
from ..estimators import Estimator
from ..priors import Prior
from ..types import Evidence, SegmentLabel


@dataclass(frozen=True)
class Problem:
    """One video, ready on the device."""

    crops: Tensor  # uint8 [T, 3, S, S]
    evidence: Evidence  # the detector's
    labels: tuple[SegmentLabel, ...]  # as the prior takes them
    fps: float

    def __len__(self) -> int:
        return len(self.crops)


@dataclass(frozen=True)
class Roles:
    """The parts that a method is composed of."""

    estimator: Estimator
    body: Body
    denoiser: nn.Module | None
    prior: Prior

    def to(self, device: torch.device) -> Roles:
        """The parts on a device; those that are no modules (a plug-in's prior may be none) stay as they are."""

        def moved(part: Any) -> Any:
            return part.to(device) if isinstance(part, nn.Module) else part

        return Roles(moved(self.estimator), moved(self.body), moved(self.denoiser), moved(self.prior))


@dataclass(frozen=True)
class Estimate:
    """What the estimator says of all frames."""

    rotations: Tensor  # [T, 24, 3, 3]
    betas: Tensor  # [T, 10]
    camera: Tensor  # [T, 3]


@dataclass(frozen=True)
class Outcome:
    """What the loop leaves."""

    before: Estimate
    after: Estimate
    evidence: Evidence
    similarity: Tensor  # [T]
    history: tuple[dict[str, Any], ...]
    weights: dict[str, Tensor]
