"""What the readers of datasets have in common: errors for what is missing or damaged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import SemttaError


def need(data: Mapping[str, Any], keys: Iterable[str], path: Path) -> None:
    """SemttaError that names the keys which a file lacks."""
    missing = [key for key in keys if key not in data]
    if missing:
        raise SemttaError(f"{path} lacks {', '.join(missing)}: it is another kind of file, or damaged.")


def finite(values: np.ndarray, what: str, frames: Sequence[int] | np.ndarray | None = None) -> None:
    """SemttaError that names the first frame with NaN or infinity in ``values`` [T, ...]."""
    wrong = ~np.isfinite(np.asarray(values, dtype=np.float64)).reshape(len(values), -1).all(-1)
    if wrong.any():
        first = int(wrong.argmax())
        where = f" in frame {int(frames[first])}" if frames is not None and len(frames) == len(values) else ""
        raise SemttaError(f"{what}: NaN or infinite values{where}. The annotation is damaged: unpack it anew.")


def square_boxes(corners: np.ndarray, expand: float = 1.0) -> Tensor:
    """Boxes [T, 4] (left, top, right, bottom; pixels) -> square ones [T, 3] (centre x, centre y, side) of the longer side."""
    low, high = corners[:, :2], corners[:, 2:]
    side = (high - low).max(-1, keepdims=True) * expand
    return torch.from_numpy(np.concatenate(((low + high) / 2, side), -1)).float()


def around(points: np.ndarray, expand: float = 1.2) -> Tensor:
    """Square boxes [T, 3] around points [T, J, 2]; SPIN takes 1.2 times the longer side."""
    return square_boxes(np.concatenate((points.min(1), points.max(1)), -1), expand)


def typical_step(index: np.ndarray) -> float:
    """How many frames of the file lie between two that are used, usually: the median; 1 for a single frame."""
    return float(np.median(np.diff(index))) if len(index) > 1 else 1.0
