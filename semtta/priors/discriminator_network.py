"""VIBE's motion discriminator (Kocabas et al., CVPR 2020): is this the motion of a person?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..geometry import matrix_to_axis_angle
from ..io.checkpoints import Checkpointed, renamed, size_of, tensor_table
from ..io.weights import load_checkpoint

#: Axis-angle of joints 1 to 23: the root is not looked at.
POSE_CHANNELS = 69
#: How the outputs of all frames become one.
Pool = Literal["attention", "concat", "last"]
_KEY = "disc_motion_state_dict"


def body_pose(rotations: Tensor) -> Tensor:
    """Rotations [..., 24, 3, 3] -> what the discriminator takes: axis-angle of joints 1 to 23, [..., 69]."""
    return matrix_to_axis_angle(rotations[..., 1:, :, :]).flatten(-2)


class MotionDiscriminator(Checkpointed):
    """A GRU whose outputs are pooled over time: poses [B, T, 69] -> score [B], 1 = real.

    ``pool``: by learnt attention (VIBE's published configs); "concat" of their mean and their maximum over time, negative ones
    as 0 (its code's default); or the "last" one. VIBE trains it on 16 frames at about 25 fps with least squares: real motion
    towards 1, made motion towards 0.
    """

    kind = "motion_discriminator"

    def __init__(
        self, width: int = 1024, layers: int = 2, attention: int = 3, dropout: float = 0.2, pool: Pool = "attention"
    ) -> None:
        super().__init__()
        self.width, self.layers, self.pool = width, layers, pool
        self.gru = nn.GRU(POSE_CHANNELS, width, layers, batch_first=True)
        if pool == "attention":
            steps: list[nn.Module] = []
            for i in range(attention):
                outputs = width if i < attention - 1 else 1
                steps += [nn.Linear(width, outputs), nn.Tanh(), nn.Dropout(dropout)]
            self.attention = nn.Sequential(*steps)
        self.fc = nn.Linear(2 * width if pool == "concat" else width, 1)

    def forward(self, poses: Tensor) -> Tensor:
        """Poses [B, T, 69] (see ``body_pose``) -> score [B]."""
        hidden = self.gru(poses)[0]
        if self.pool == "attention":
            pooled = (hidden * self.attention(hidden).softmax(1)).sum(1)
        elif self.pool == "concat":
            pooled = torch.cat((hidden.relu().mean(1), hidden.relu().amax(1)), 1)
        else:
            pooled = hidden[:, -1]
        return self.fc(pooled)[:, 0]

    def described(self) -> dict[str, Any]:
        return {}  # the tensors tell the sizes

    @classmethod
    def build(cls, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> MotionDiscriminator:
        layers = sum(name.startswith("gru.weight_ih_l") for name in tensors)
        attention = sum(name.startswith("attention.") and name.endswith(".weight") for name in tensors)
        width = size_of(tensors, "gru.weight_hh_l0", 1, 1024)
        pool: Pool = "attention" if attention else "last"
        if size_of(tensors, "fc.weight", 1, width) == 2 * width:
            pool = "concat"
        return cls(width, layers or 2, attention or 3, pool=pool)

    @classmethod
    def original(cls, path: Path) -> tuple[Mapping[str, Tensor], Mapping[str, Any]]:
        """A VIBE checkpoint that kept its ``disc_motion_state_dict``."""
        state = tensor_table(load_checkpoint(path), _KEY, otherwise=(
            f"{path} holds no motion discriminator (expected tensors under '{_KEY}'; VIBE's published weights for "
            "inference lack it, a checkpoint of its training has it)."
        ))  # fmt: skip
        return {renamed(name, {"attention.attention.": "attention."}): value for name, value in state.items()}, {}
