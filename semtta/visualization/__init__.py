"""Visualization of a result: overlay video, report page, 3D viewer."""

from __future__ import annotations

from .overlay import write_overlay
from .report import write_report
from .viewer import write_viewer

__all__ = ["write_overlay", "write_report", "write_viewer"]
