"""CycleAdapt's denoising stage: the denoiser is adapted to this video's motion, and its output is the next target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..errors import SemttaError
from ..geometry import matrix_from_6d, matrix_to_6d
from . import masked_loss, merge_windows, random_mask, to_windows


@dataclass
class DenoiserState:
    """The adapted copy of a denoiser's weights and its optimiser; both None without a denoiser."""

    weights: dict[str, Tensor] | None
    optimiser: torch.optim.Optimizer | None

    @classmethod
    def start(cls, denoiser: nn.Module | None, betas: tuple[float, float]) -> DenoiserState:
        if denoiser is None:
            return cls(None, None)
        weights = {name: value.detach().clone().requires_grad_() for name, value in denoiser.named_parameters()}
        if not weights:
            raise SemttaError(f"Denoiser {type(denoiser).__name__} has no parameters to adapt: use denoiser 'none'.")
        return cls(weights, torch.optim.Adam(weights.values(), betas=betas, fused=True))

    def state_dict(self) -> dict[str, Any]:
        if self.optimiser is None:
            return {}
        return {"weights": self.weights, "optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        if self.weights is None or self.optimiser is None:
            return
        with torch.no_grad():
            for name, value in saved["weights"].items():
                self.weights[name].copy_(value)
        self.optimiser.load_state_dict(saved["optimiser"])


def denoise_stage(
    denoiser: nn.Module | None, state: DenoiserState, rotations: Tensor, betas: Tensor, rate: float, batch: int
) -> tuple[Tensor, Tensor] | None:
    """One pass over all windows of a sequence: each batch is one step of masked reconstruction, and its output the target.

    Args:
        rotations: [T, 24, 3, 3], as predicted; any T (short sequences are padded by reflection).
        betas: [T, 10].
        rate: learning rate.
        batch: windows of 49 frames per step.

    Returns:
        Eq. 9's targets: rotations [T, 24, 3, 3], overlapping outputs averaged, and betas [T, 10], averaged over sliding
        windows. None without a denoiser.
    """
    if denoiser is None or state.weights is None or state.optimiser is None:
        return None
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    denoiser.train()
    weights = state.weights
    windows = to_windows(matrix_to_6d(rotations.detach(), "columns_interleaved").flatten(1))
    outputs = torch.empty_like(windows)
    for index in torch.randperm(len(windows)).to(windows.device).split(batch):
        chosen = windows[index]
        reconstructed: list[Tensor] = []

        def call(x: Tensor, reconstructed: list[Tensor] = reconstructed) -> Tensor:
            reconstructed.append(functional_call(denoiser, weights, (x,)))
            return reconstructed[-1]

        state.optimiser.zero_grad(set_to_none=True)
        masked_loss(call, chosen, random_mask(len(chosen), None, chosen.device)).backward()
        state.optimiser.step()
        outputs[index] = reconstructed[0].detach()
    length = len(rotations)
    merged = merge_windows(outputs)[:length]
    shape = to_windows(betas.detach()).mean(1, keepdim=True).expand(-1, windows.shape[1], -1)
    return matrix_from_6d(merged.unflatten(-1, (24, 6)), "columns_interleaved"), merge_windows(shape)[:length]
