"""The registry of exporters."""

from __future__ import annotations

from ..registry import Registry

exporters: Registry[None] = Registry("exporters")
register = exporters.register
