"""The registry of exporters."""

from __future__ import annotations

from ..registry import Registry

_MODULES = {"bvh": "bvh", "glb": "glb", "npz": "table", "csv": "table"}
exporters: Registry[None] = Registry("exporter", {name: f"{__package__}.{module}" for name, module in _MODULES.items()})
register = exporters.register
