"""Methods: how a video is adapted."""

from .base import Method, Progressing, adaptation_defaults, methods, register, with_defaults
from .boa import boa
from .dapa import dapa
from .dynaboa import dynaboa
from .offline import cycleadapt, none, semantic

__all__ = [
    "Method", "Progressing", "adaptation_defaults", "boa", "cycleadapt", "dapa", "dynaboa", "methods", "none",
    "register", "semantic", "with_defaults",
]  # fmt: skip
