"""Visualization of results: overlay video, report page, 3D viewer as a page or served live."""

from __future__ import annotations

from .live import serve
from .overlay import write_overlay
from .report import write_report
from .viewer import write_viewer

__all__ = ["serve", "write_overlay", "write_report", "write_viewer"]
