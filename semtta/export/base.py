"""The registry of exporters."""

from __future__ import annotations

from ..registry import Registry

_PLACES = {"bvh": "bvh", "glb": "glb", "npz": "table", "csv": "table"}
exporters: Registry[None] = Registry("exporter", {name: f"{__package__}.{module}" for name, module in _PLACES.items()})
register = exporters.register
