"""Table 4's other strategies: the prediction is compared with a generated motion of the same label.

That motion shares the label with the video, not its time or phase. Where it comes from is a generator's business.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from math import ceil
from typing import Protocol

import torch
from torch import Tensor

from ..geometry import resample_rotations
from ..types import Motion
from .base import OFF, Prior, ResolvedLabel, register
from .near import near_in_words
from .text import normalised_label

#: Frame rate of what a generator makes.
GENERATED_FPS = 30.0


class MotionSource(Protocol):
    """What these priors need of a generator (see semtta.generators)."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels that it makes motion of; empty: any wording."""
        ...

    def generate(self, label: str, num_frames: int) -> Tensor:
        """Rotations [num_frames, 24, 3, 3] at 30 fps."""
        ...


class GeneratedPrior(Prior):
    """Base of priors that hold a generator. They say nothing of when motion is good enough to fill in keypoints.

    ``similarity`` is 1 - loss, so the default sigma of 1 never fills in: the paper replaces its alignment alone.
    """

    threshold = 1.0

    def __init__(self, generator: MotionSource) -> None:
        self.generator = generator
        self.dictionary = getattr(generator, "dictionary", None)

    @property
    def labels(self) -> tuple[str, ...]:
        return self.generator.labels

    @abstractmethod
    def loss(self, motion: Motion, labels: Sequence[str]) -> Tensor: ...

    def similarity(self, motion: Motion, labels: Sequence[str]) -> Tensor:
        """1 - loss: [B], at most 1, even where a loss (a Wasserstein discriminator's) falls below 0."""
        return (1 - self.loss(motion, labels)).clamp(max=1)

    def resolve(self, label: str | None) -> ResolvedLabel:
        """As every prior with a dictionary; without one the generator's label of the same words, any if it takes any."""
        if self.dictionary is not None or not label or not self.labels:
            return super().resolve(label)
        match = {normalised_label(known): known for known in self.labels}.get(normalised_label(label))
        if match is None:
            return ResolvedLabel(None, 0.0, self.unlisted(label, near_in_words(label, self.labels), OFF))
        return ResolvedLabel(match, 1.0)

    @torch.no_grad()
    def generated(self, motion: Motion, labels: Sequence[str]) -> Motion:
        """Generated motion of the labels, as long as and at the rate of ``motion`` [B, T, ...]."""
        length = motion.rotations.shape[1]
        count = ceil((length - 1) * GENERATED_FPS / motion.fps) + 1
        generated = [
            resample_rotations(self.generator.generate(label, count), GENERATED_FPS, motion.fps)[:length] for label in labels
        ]
        return Motion(torch.stack(generated).to(motion.rotations), motion.mask, None, motion.fps)


class UnpairedPrior(GeneratedPrior):
    """L1 on local poses of a generated motion: the global rotation is left alone, and so is timing."""

    name = "unpaired"

    def loss(self, motion: Motion, labels: Sequence[str]) -> Tensor:
        """Mean absolute difference of the rotation matrices of joints 1 to 23 over the real frames: [B]."""
        target = self.generated(motion, labels).rotations[:, :, 1:]
        difference = (motion.rotations[:, :, 1:] - target).abs().mean((2, 3, 4))
        if motion.mask is None:
            return difference.mean(1)
        return (difference * motion.mask).sum(1) / motion.mask.sum(1).clamp(min=1)


#: The weight is Eq. 9's of rotations to a target, which this is; the paper gives none.
@register("unpaired", suits={"losses.align.weight": 1.0}, needs=("generator",))
def unpaired(generator: MotionSource) -> UnpairedPrior:
    """Table 4: L1 to the local poses of a generated motion of the label."""
    return UnpairedPrior(generator)
