"""The registry of exporters, and what they share."""

from __future__ import annotations

from typing import Literal

from ..errors import unknown_name
from ..registry import Registry

Unit = Literal["cm", "m"]
UNITS = {"cm": 100.0, "m": 1.0}

_MODULES = {"bvh": "bvh", "glb": "glb", "npz": "table", "csv": "table"}
exporters: Registry[None] = Registry("exporter", {name: f"{__package__}.{module}" for name, module in _MODULES.items()})
register = exporters.register


def scale_of(unit: str) -> float:
    """Units per metre; SemttaError for an unknown unit."""
    if unit not in UNITS:
        raise unknown_name("unit", unit, UNITS)
    return UNITS[unit]
