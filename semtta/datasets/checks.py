"""Checks that the dataset readers share: errors for what is missing or damaged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import SemttaError


def require_keys(data: Mapping[str, Any], keys: Iterable[str], path: Path) -> None:
    """Raise SemttaError that names the keys that a file lacks."""
    missing = [key for key in keys if key not in data]
    if missing:
        raise SemttaError(f"{path} lacks {', '.join(missing)}: it is another kind of file, or damaged.")


def require_finite(values: np.ndarray, what: str, frames: Sequence[int] | np.ndarray | None = None) -> None:
    """Raise SemttaError that names the first frame with NaN or infinity in ``values`` [T, ...]."""
    bad = ~np.isfinite(np.asarray(values, dtype=np.float64)).reshape(len(values), -1).all(-1)
    if bad.any():
        first = int(bad.argmax())
        where = f" in frame {int(frames[first])}" if frames is not None and len(frames) == len(values) else ""
        raise SemttaError(f"{what}: NaN or infinite values{where}. The annotation is damaged: unpack it again.")
