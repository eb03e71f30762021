"""Constant tables as tensors, cached per device: creating them at every call would stall a GPU."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor


@lru_cache(maxsize=256)
def table(values: tuple[Any, ...], device: torch.device, dtype: torch.dtype = torch.long) -> Tensor:
    """``values`` (numbers in nested tuples) as a cached tensor, which must not be modified."""
    with torch.inference_mode(False):  # otherwise it could not take part in a later backward pass
        return torch.tensor(values, device=device, dtype=dtype)
