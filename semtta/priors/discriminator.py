"""Table 4's adversarial strategy: VIBE's discriminator tells the prediction from generated motion of the same label.

It is trained along, one step after each of the estimator's. VIBE's numbers: least squares, Adam 1e-4 with weight decay
1e-4, windows of 16 frames at about 25 per second, weight 0.5 of the estimator's term. The paper gives none. VIBE's code has
the losses of a Wasserstein GAN as well, without a bound on the network's weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call

from ..registry import Settings
from ..types import Motion
from .base import per_segment, register
from .discriminator_network import MotionDiscriminator, body_pose
from .generated import GeneratedPrior, MotionSource

#: What the discriminator and the estimator play for.
Objective = Literal["least_squares", "wasserstein"]


def estimators_term(score: Tensor, objective: Objective) -> Tensor:
    """What the estimator minimises of the scores [...] of its motion."""
    return -score if objective == "wasserstein" else (score - 1).square()


def networks_loss(real: Tensor, fake: Tensor, objective: Objective) -> Tensor:
    """What the discriminator minimises of its scores of real and of made motion, a number."""
    if objective == "wasserstein":
        return fake.mean() - real.mean()
    return (real - 1).square().mean() + fake.square().mean()


class DiscriminatorPrior(nn.Module, GeneratedPrior):
    """Adversarial between predicted and generated motion of the same label."""

    name = "discriminator"
    fps = 25.0
    window = 16

    def __init__(
        self, generator: MotionSource, network: MotionDiscriminator, rate: float = 1e-4, weight_decay: float = 1e-4,
        objective: Objective = "least_squares",
    ) -> None:  # fmt: skip
        nn.Module.__init__(self)
        GeneratedPrior.__init__(self, generator)
        self.network, self.rate, self.weight_decay, self.objective = network, rate, weight_decay, objective
        self.optimiser: torch.optim.Optimizer | None = None

    def for_clip(self) -> DiscriminatorPrior:
        """A copy whose network learns along."""
        mine = DiscriminatorPrior(self.generator, deepcopy(self.network), self.rate, self.weight_decay, self.objective)
        mine.optimiser = torch.optim.Adam(mine.network.parameters(), lr=self.rate, weight_decay=self.weight_decay, fused=True)
        return mine

    def loss(self, motion: Motion, labels: Sequence[str]) -> Tensor:
        """(D - 1)^2, or -D, mean over each segment's windows: [B]. The network's own weights get no gradient."""
        self.network.eval()
        self.network.gru.train()  # has no dropout; cuDNN differentiates only in train mode
        windows, owner = self.windows(motion, labels)
        weights = {name: value.detach() for name, value in self.network.named_parameters()}
        score = functional_call(self.network, weights, (body_pose(windows.rotations),))
        return per_segment(estimators_term(score, self.objective), owner, len(labels))

    def train_step(self, motion: Motion, labels: Sequence[str]) -> None:
        """One step of the network: generated motion towards 1, predicted motion towards 0."""
        if self.optimiser is None:
            return
        self.network.train()
        generated, _ = self.windows(self.generated(motion, labels), labels)
        predicted, _ = self.windows(motion, labels)
        self.optimiser.zero_grad(set_to_none=True)
        real, fake = self.network(body_pose(generated.rotations)), self.network(body_pose(predicted.rotations.detach()))
        networks_loss(real, fake, self.objective).backward()
        self.optimiser.step()

    def trained_state(self) -> dict[str, Any]:
        if self.optimiser is None:
            return {}
        return {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load_trained_state(self, state: Mapping[str, Any]) -> None:
        if self.optimiser is not None and state:
            self.network.load_state_dict(state["network"])
            self.optimiser.load_state_dict(state["optimiser"])


class DiscriminatorSettings(Settings):
    """Of ``discriminator``; the numbers are VIBE's, the paper gives none."""

    weights: str | None = Field(None, description="VIBE's checkpoint; None: untrained, always the same weights")
    learning_rate: float = Field(1e-4, gt=0, le=1, description="of Adam")
    weight_decay: float = Field(1e-4, ge=0, le=1, description="of Adam")
    objective: Objective = Field("least_squares", description="VIBE's, or the Wasserstein losses that its code has as well")


@register("discriminator", settings=DiscriminatorSettings, suits={"losses.align.weight": 0.5}, needs=("generator",))
def discriminator(settings: DiscriminatorSettings, generator: MotionSource) -> DiscriminatorPrior:
    """Table 4: VIBE's motion discriminator, trained along on generated motion of the label."""
    if settings.weights is not None:
        network = MotionDiscriminator.from_checkpoint(settings.weights)
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = MotionDiscriminator()
    return DiscriminatorPrior(generator, network, settings.learning_rate, settings.weight_decay, settings.objective)
