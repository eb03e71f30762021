"""Methods: how a video is adapted."""

from .base import Method, methods, register
from .offline import cycleadapt, none, semantic

__all__ = ["Method", "cycleadapt", "methods", "none", "register", "semantic"]
