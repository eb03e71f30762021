"""VIBE's motion discriminator (Kocabas et al., CVPR 2020): is this the motion of a person?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import SemttaError
from ..geometry import matrix_to_axis_angle
from ..io.weights import load_checkpoint, load_strictly, load_weights, save_weights, without_prefix

#: Axis-angle of joints 1 to 23: the root is not looked at.
POSE_CHANNELS = 69
_KEY = "disc_motion_state_dict"


def body_pose(rotations: Tensor) -> Tensor:
    """Rotations [..., 24, 3, 3] -> what the discriminator takes: axis-angle of joints 1 to 23, [..., 69]."""
    return matrix_to_axis_angle(rotations[..., 1:, :, :]).flatten(-2)


class MotionDiscriminator(nn.Module):
    """A GRU whose outputs are pooled by learnt attention over time: poses [B, T, 69] -> score [B], 1 = real.

    VIBE trains it on 16 frames at about 25 fps with least squares: real motion towards 1, made motion towards 0.
    """

    def __init__(self, width: int = 1024, layers: int = 2, attention: int = 3, dropout: float = 0.2) -> None:
        super().__init__()
        self.width, self.layers, self.attention_layers = width, layers, attention
        self.gru = nn.GRU(POSE_CHANNELS, width, layers, batch_first=True)
        steps: list[nn.Module] = []
        for i in range(attention):
            outputs = width if i < attention - 1 else 1
            steps += [nn.Linear(width, outputs), nn.Tanh(), nn.Dropout(dropout)]
        self.attention = nn.Sequential(*steps)
        self.fc = nn.Linear(width, 1)

    def forward(self, poses: Tensor) -> Tensor:
        """Poses [B, T, 69] (see ``body_pose``) -> score [B]."""
        hidden = self.gru(poses)[0]
        weight = self.attention(hidden).softmax(1)
        return self.fc((hidden * weight).sum(1))[:, 0]

    def save(self, path: str | Path, **metadata: object) -> Path:
        """Write the weights to one safetensors file."""
        return save_weights(path, "motion_discriminator", self.state_dict(), **metadata)

    @classmethod
    def from_checkpoint(cls, path: str | Path) -> MotionDiscriminator:
        """Read this project's safetensors, or a VIBE checkpoint that kept its ``disc_motion_state_dict``.

        Sizes are told by the tensors. Raises SemttaError for a tensor too many, too few or misshapen.
        """
        if Path(path).suffix == ".safetensors":
            tensors = load_weights(path, "motion_discriminator")[0]
        else:
            tensors = _original_tensors(load_checkpoint(path), path)
        width = len(tensors["fc.weight"][0]) if "fc.weight" in tensors else 1024
        layers = sum(name.startswith("gru.weight_ih_l") for name in tensors)
        attention = sum(name.startswith("attention.") and name.endswith(".weight") for name in tensors)
        model = cls(width, layers or 2, attention or 3)
        load_strictly(model, tensors, path)
        return model.eval()


def _original_tensors(checkpoint: object, path: str | Path) -> dict[str, Tensor]:
    state = checkpoint.get(_KEY) if isinstance(checkpoint, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise SemttaError(
            f"{path} holds no motion discriminator (expected tensors under '{_KEY}'; VIBE's published weights for "
            "inference lack it, a checkpoint of its training has it)."
        )
    return {name.replace("attention.attention.", "attention."): value for name, value in without_prefix(state).items()}
