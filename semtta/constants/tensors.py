"""Constant tables as tensors, made once for each device: making one anew would let the host wait for a GPU."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor


@lru_cache(maxsize=256)
def table(values: tuple[Any, ...], device: torch.device, dtype: torch.dtype = torch.long) -> Tensor:
    """``values``, a tuple of numbers or of such tuples, as a tensor that must not be written to."""
    with torch.inference_mode(False):  # else it could not take part in a later backward pass
        return torch.tensor(values, device=device, dtype=dtype)
