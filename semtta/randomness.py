"""The state of the random numbers that a network's dropout draws from, on the CPU and on a GPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def cuda_devices(device: torch.device | str) -> list[int]:
    """The index of a CUDA device in a list; an empty list for any other device."""
    device = torch.device(device)
    return [device.index or 0] if device.type == "cuda" else []


def random_state(device: torch.device | str) -> list[Tensor]:
    """States of the CPU's generator and, if ``device`` is a GPU, of its own."""
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state(index) for index in cuda_devices(device))]


def set_random_state(states: Sequence[Tensor], device: torch.device | str) -> None:
    """Take up what ``random_state`` gave."""
    torch.set_rng_state(states[0])
    for index, state in zip(cuda_devices(device), states[1:], strict=True):
        torch.cuda.set_rng_state(state, index)
