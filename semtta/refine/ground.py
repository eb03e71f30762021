"""A small network that knows from the pose alone where down is and which feet carry weight.

It sees joint positions in the frame of the pelvis and how the pelvis turns, so it does not depend on where the camera is, how it
moves or how large the person is.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, normalize, pad

from ..assets import store
from ..geometry import matrix_to_axis_angle, pelvis_frame_positions
from ..geometry.rotations import rotations_at
from ..io.weights import load_strictly, load_weights
from ..types import FOOT_POINTS, TensorFields

FPS = 30.0  # that the network was trained at
_FEATURES = 23 * 3 + 3


@dataclass(frozen=True)
class Ground(TensorFields):
    """What is known of T frames."""

    up: Tensor  # [T, 3] unit vectors, in the frame that the pelvis's rotation is given in
    spread: Tensor  # [T] radians: how far off ``up`` may be
    contacts: Tensor  # [T, 4] in [0, 1], of FOOT_POINTS


class GroundNet(nn.Module):
    """Three convolutions over time, which see 14 frames to either side."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        sizes = (_FEATURES, width, width, width)
        self.layers = nn.ModuleList(nn.Conv1d(a, b, 5, dilation=2**i) for i, (a, b) in enumerate(pairwise(sizes)))
        self.head = nn.Linear(width, 3 + 1 + len(FOOT_POINTS))

    @classmethod
    def from_checkpoint(cls, path: str | Path | None = None) -> Self:
        """From a file that ``save_weights`` wrote; the included one by default."""
        path = store.verify("ground.safetensors") if path is None else path
        tensors, metadata = load_weights(path, "ground")
        model = cls(int(metadata["width"]))
        load_strictly(model, {name: value.float() for name, value in tensors.items()}, path)
        return model.eval()

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features [B, T, 72] -> up in the pelvis's frame [B, T, 3], log of its spread [B, T], logits of contacts [B, T, 4]."""
        x = features.mT
        for index, layer in enumerate(self.layers):
            step = 2 * 2**index
            y = gelu(layer(pad(x, (step, step), "replicate")))
            x = y if y.shape != x.shape else x + y
        out = self.head(x.mT)
        rest = torch.tensor([0.0, 1.0, 0.0]).to(out)
        return normalize(rest + out[..., :3], dim=-1), out[..., 3] - 2, out[..., 4:]


def features(rotations: Tensor) -> Tensor:
    """Input of the network [..., T, 72] from rotations [..., T, 24, 3, 3] at 30 frames per second."""
    positions = pelvis_frame_positions(rotations)[..., 1:, :].flatten(-2)
    root = rotations[..., 0, :, :]
    turn = matrix_to_axis_angle(root[..., :-1, :, :].mT @ root[..., 1:, :, :]) * 5
    turn = torch.cat((turn, torch.zeros_like(positions[..., :1, :3])), -2)
    return torch.cat((positions * 2, turn), -1)


@torch.no_grad()
def read_ground(rotations: Tensor, times: Tensor, model: GroundNet) -> Ground:
    """What the network says of a motion.

    Args:
        rotations: [T, 24, 3, 3], index 0 is global.
        times: seconds [T], rising.
        model: with its weights.
    """
    times = (times - times[:1]).double()
    seconds = float(times[-1]) if len(times) else 0.0
    count = max(1, round(seconds * FPS) + 1)
    even = torch.linspace(0, seconds, count, dtype=torch.float64)
    frames = _positions(times, even)
    up, spread, logits = (part[0] for part in model(features(rotations_at(rotations.float(), frames.float()))[None]))
    back = _positions(even, times)
    low, share = back.floor().long().clamp(max=max(0, count - 2)), None
    share = (back - low).float()[:, None]
    high = (low + 1).clamp(max=count - 1)

    def at(values: Tensor) -> Tensor:
        values = values.flatten(1) if values.dim() > 1 else values[:, None]
        return values[low] * (1 - share) + values[high] * share

    turned = (rotations[:, 0].float() @ normalize(at(up), dim=-1)[..., None])[..., 0]
    return Ground(turned, at(spread.exp())[:, 0], at(logits.sigmoid()))


def _positions(times: Tensor, wanted: Tensor) -> Tensor:
    """Where ``wanted`` seconds lie among rising ``times``, in frames [0, T - 1]."""
    if len(times) < 2:
        return torch.zeros_like(wanted)
    right = torch.searchsorted(times, wanted.clamp(times[0], times[-1])).clamp(1, len(times) - 1)
    before, after = times[right - 1], times[right]
    return (right - 1) + ((wanted - before) / (after - before)).clamp(0, 1)


__all__ = ["FPS", "Ground", "GroundNet", "features", "read_ground"]
