"""The state of the random numbers that a network's dropout draws from, on the CPU and on a GPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .errors import SemttaError, shortened


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


def choose_device(name: str = "auto") -> torch.device:
    """``auto``: CUDA, else MPS, else the CPU. Raises SemttaError for one that is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SemttaError(f"Unknown device '{shortened(name)}': use auto, cpu, cuda or mps.") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SemttaError("--device cuda: no CUDA device is available here. Use --device auto or cpu.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise SemttaError(f"--device {name}: there are {torch.cuda.device_count()} CUDA devices here, counted from 0.")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise SemttaError("--device mps: not available here. Use --device auto or cpu.")
    if device.type not in ("cpu", "cuda", "mps"):
        require_values(device)
    return device


def require_values(device: torch.device) -> None:
    """SemttaError for a device of another kind that is not here, or on which tensors have no values (``meta``)."""
    try:
        torch.zeros(1, device=device).tolist()
    except Exception as error:  # of whatever lies behind that name
        raise SemttaError(f"--device {device}: nothing can be computed there. Use auto, cpu, cuda or mps.") from error
