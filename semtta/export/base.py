"""The registry of exporters, and what they share."""

from __future__ import annotations

from typing import Literal

from ..errors import SemttaError, unknown_name
from ..registry import Registry

Unit = Literal["cm", "m"]
UNITS = {"cm": 100.0, "m": 1.0}

#: Bytes of one exported file; GLB could not hold twice as many.
MAX_BYTES = 2 * 10**9

_MODULES = {
    "bvh": "bvh", "glb": "glb", "npz": "amass", "csv": "table", "fbx": "fbx", "usd": "usd",
}  # fmt: skip
exporters: Registry[None] = Registry("exporter", {name: f"{__package__}.{module}" for name, module in _MODULES.items()})
register = exporters.register


def scale_of(unit: str) -> float:
    """Units per metre; SemttaError for an unknown unit."""
    if unit not in UNITS:
        raise unknown_name("unit", unit, UNITS)
    return UNITS[unit]


def require_size(size: float) -> None:
    """SemttaError for a file that would have too many bytes: ``size``, at least about."""
    if size > MAX_BYTES:
        raise SemttaError(
            f"The file would take {size / 1e9:.1f} GB (at most {MAX_BYTES / 1e9:.0f}): give a lower --fps, or export one person."
        )
