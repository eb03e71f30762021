"""Methods: how a video is adapted."""

from .base import Method, Progressing, adaptation_defaults, methods, register, with_defaults
from .offline import cycleadapt, none, semantic

__all__ = [
    "Method", "Progressing", "adaptation_defaults", "cycleadapt", "methods", "none", "register", "semantic", "with_defaults",
]  # fmt: skip
