"""Methods: how a video is adapted."""

from .base import Method, Progressing, adaptation_defaults, methods, register, with_defaults
from .offline.methods import cycleadapt, none, semantic
from .online.boa import boa
from .online.dapa import dapa
from .online.dynaboa import dynaboa

__all__ = [
    "Method", "Progressing", "adaptation_defaults", "boa", "cycleadapt", "dapa", "dynaboa", "methods", "none",
    "register", "semantic", "with_defaults",
]  # fmt: skip
