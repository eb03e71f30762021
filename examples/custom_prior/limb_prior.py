"""A motion prior that knows one thing: whether a label is about the legs or the arms, and which of them a motion moves."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

import semtta
from semtta.constants import SMPL24
from semtta.settings import Settings
from semtta.types import Motion

LIMBS = {"legs": ("Hip", "Knee"), "arms": ("Shoulder", "Elbow")}
JOINTS = {limb: [SMPL24.index(f"{side}_{name}") for side in "LR" for name in names] for limb, names in LIMBS.items()}


class LimbSettings(Settings):
    """Of ``limbs``."""

    amplitude: float = Field(0.3, gt=0, description="radians; a joint that swings by more counts as moving")
    leg_words: tuple[str, ...] = Field(
        ("walk", "run", "jog", "jump", "kick", "step"), description="beginnings of words that are about the legs; others: arms"
    )


@semtta.priors.register("limbs", settings=LimbSettings)
class LimbPrior(semtta.priors.MotionTextPrior):
    """Motion and label as (legs, arms, 1): how much the limbs move, and which of them should."""

    name = "limbs"

    def __init__(self, settings: LimbSettings) -> None:
        self.settings = settings

    def encode_motion(self, motion: Motion) -> Tensor:
        """Features [B, 3] of windows [B, 60, 24, 3, 3]."""
        legs, arms = self._moves(motion, JOINTS["legs"]), self._moves(motion, JOINTS["arms"])
        return torch.stack((legs, arms, torch.ones_like(legs)), -1)

    def encode_text(self, labels: Sequence[str]) -> Tensor:
        """Features [B, 3] of labels."""
        rows = []
        for label in labels:
            legs = any(word.startswith(self.settings.leg_words) for word in label.lower().split())
            rows.append((float(legs), float(not legs), 1.0))
        return torch.tensor(rows)

    def _moves(self, motion: Motion, joints: list[int]) -> Tensor:
        """In [0, 1), [B]: the mean squared angle from the mean pose, beside the squared amplitude."""
        rotations = motion.rotations[:, :, joints]
        real = torch.ones_like(rotations[:, :, 0, 0, 0]) if motion.mask is None else motion.mask.to(rotations)
        weight = (real / real.sum(1, keepdim=True))[:, :, None, None, None]
        away = rotations - (weight * rotations).sum(1, keepdim=True)
        # |R - mean|^2 is about twice the squared angle between the two.
        return torch.tanh((weight * away.square()).sum((1, 3, 4)).mean(1) / (2 * self.settings.amplitude**2))
