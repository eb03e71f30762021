"""CycleAdapt's motion denoiser (Nam et al., ICCV 2023): an MLP over 49 frames, trained to fill in masked ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from einops import rearrange
from torch import Tensor, nn

from .. import assets
from ..geometry import matrix_from_6d, matrix_to_6d
from ..io.checkpoints import Checkpointed, count_layers, part_of, renamed, tensor_table
from ..io.weights import load_checkpoint
from .base import DenoiserSettings, register

WINDOW = 49
#: Number of randomly zeroed frames, besides the middle one.
RANDOM_MASKED = 24
CHANNELS = 144

#: Windows [B, 49, 144] -> denoised windows [B, 49, 144].
ModelCall = Callable[[Tensor], Tensor]
#: CycleAdapt's parameter names -> ours.
_ORIGINAL_NAMES = {
    "motion_fc_in": "inner",
    "motion_mlp.mlps": "blocks",
    "motion_fc_out": "outer",
    "fc0.fc": "time",
    "norm0.alpha": "norm.weight",
    "norm0.beta": "norm.bias",
}


class _Block(nn.Module):
    """Residual: a linear layer over time, then layer norm over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.time = nn.Linear(WINDOW, WINDOW)
        self.norm = nn.LayerNorm(CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.norm(self.time(x.mT).mT)


class MDNet(Checkpointed):
    """Windows [B, 49, 144] of 24 rotations in the 6D layout ``columns_interleaved`` -> the same, denoised."""

    kind = "mdnet"

    def __init__(self, layers: int = 4) -> None:
        super().__init__()
        self.inner = nn.Linear(CHANNELS, CHANNELS)
        self.blocks = nn.Sequential(*(_Block() for _ in range(layers)))
        self.outer = nn.Linear(CHANNELS, CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(self.blocks(self.inner(x)))

    def described(self) -> dict[str, Any]:
        return {"layers": len(self.blocks)}

    @classmethod
    def build(cls, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> MDNet:
        return cls(count_layers(tensors, "blocks.", 4))

    @classmethod
    def original(cls, path: Path) -> tuple[Mapping[str, Tensor], Mapping[str, Any]]:
        """Read CycleAdapt's checkpoint (key ``model``), or the one that it writes for an adapted sequence."""
        otherwise = f"{path} is not a checkpoint of CycleAdapt's MDNet (expected tensors under 'model')."
        table = tensor_table(load_checkpoint(path), "model", "model_state_dict", "", otherwise=otherwise)
        state = part_of(part_of(table, "md_net."), "mdnet.")
        tensors = {renamed(name, _ORIGINAL_NAMES): state[name] for name in state}
        return {name: value.flatten() if ".norm." in name else value for name, value in tensors.items()}, {}


def _channels(rotations: Tensor) -> Tensor:
    """Rotations [T, 24, 3, 3] as MDNet's sequence [T, 144]."""
    return rearrange(matrix_to_6d(rotations, "columns_interleaved"), "t joint six -> t (joint six)")


def to_windows(sequence: Tensor) -> Tensor:
    """Sequence [T, C] -> all windows of stride 1 [max(T - 48, 1), 49, C]; sequences shorter than 49 frames are reflected."""
    return sequence[_reflected(len(sequence), sequence.device)].unfold(0, WINDOW, 1).mT


def _reflected(length: int, device: torch.device) -> Tensor:
    """Frame indices of a sequence of at least 49 frames: 0 1 2 1 0 1 ... for a short one."""
    index = torch.arange(max(length, WINDOW), device=device) % max(2 * length - 2, 1)
    return torch.where(index < length, index, 2 * length - 2 - index)


def merge_windows(windows: Tensor) -> Tensor:
    """Windows of stride 1 [W, 49, C] -> sequence [W + 48, C]: overlapping values are averaged."""
    count, width, channels = windows.shape
    index = torch.arange(count, device=windows.device)[:, None] + torch.arange(width, device=windows.device)
    total = windows.new_zeros(count + width - 1, channels).index_add(0, index.flatten(), rearrange(windows, "w t c -> (w t) c"))
    return total / torch.bincount(index.flatten())[:, None]


def random_mask(count: int, generator: torch.Generator | None = None, device: torch.device | str = "cpu") -> Tensor:
    """Bool [count, 49], True = zeroed: the middle frame (24) and 24 random others of each window."""
    noise = torch.rand(count, WINDOW, generator=generator)
    noise[:, WINDOW // 2] = 2
    return torch.zeros(count, WINDOW, dtype=torch.bool).scatter(1, noise.topk(RANDOM_MASKED + 1, 1).indices, True).to(device)


def masked_loss(model_call: ModelCall, windows: Tensor, mask: Tensor) -> Tensor:
    """L1 loss on the masked frames of windows [B, 49, 144], which are zeroed in the input; ``mask`` [B, 49] bool.

    As in CycleAdapt it is the mean over every element, the unmasked ones counting as zero.
    """
    return ((model_call(windows * ~mask[..., None]) - windows).abs() * mask[..., None]).mean()


def denoise(
    model_call: ModelCall,
    rotations: Tensor,
    betas: Tensor,
    *,
    mask: Literal["random", "none"] = "random",
    generator: torch.Generator | None = None,
    micro_batch: int = 256,
) -> tuple[Tensor, Tensor]:
    """Eq. 9's targets for a whole sequence: every window is denoised, overlapping outputs are averaged.

    Args:
        model_call: the denoiser, windows [B, 49, 144] -> [B, 49, 144].
        rotations: [T, 24, 3, 3] any T >= 1; short sequences are padded by reflection.
        betas: [T, 10]; the result is each window's mean, averaged over the windows that contain a frame.
        mask: "random" zeroes 25 frames of every window, as CycleAdapt does for its targets; "none" zeroes none.

    Returns:
        Rotations [T, 24, 3, 3] and betas [T, 10].
    """
    length = len(rotations)
    windows = to_windows(_channels(rotations))
    if mask == "random":
        windows = windows * ~random_mask(len(windows), generator, windows.device)[..., None]
    merged = merge_windows(torch.cat([model_call(part) for part in windows.split(micro_batch)]))[:length]
    shape = to_windows(betas).mean(1, keepdim=True).expand(-1, WINDOW, -1)
    six = rearrange(merged, "t (joint six) -> t joint six", six=6)
    return matrix_from_6d(six, "columns_interleaved"), merge_windows(shape)[:length]


@register("mdnet", settings=DenoiserSettings)
def mdnet(settings: DenoiserSettings) -> MDNet:
    """CycleAdapt's MDNet (Nam et al., ICCV 2023): windows of 49 frames; the imported weights, else the included ones."""
    weights = settings.weights
    if weights is None:
        name = "mdnet" if any(row.name == "mdnet" for row in assets.imported()) else "denoiser_mdnet.safetensors"
        weights = str(assets.verify(name))
    return MDNet.from_checkpoint(weights)
