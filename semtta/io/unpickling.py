"""Unpickling that executes nothing: a table of what may be rebuilt, records in place of the rest of a trainer's objects."""

from __future__ import annotations

import builtins
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch

from .arrays import ALLOWED

#: Packages whose objects occur in checkpoints of trainers and are of no use here.
INERT = ("yacs", "omegaconf", "pytorch_lightning", "lightning", "lightning_fabric", "pathlib", "argparse", "easydict")
_REBUILD = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")
_PLAIN: dict[tuple[str, str], Callable[..., Any]] = {
    **ALLOWED,
    **{("torch._utils", name): getattr(torch._utils, name) for name in _REBUILD},
    ("torch", "Size"): torch.Size,
    ("torch", "device"): torch.device,
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "defaultdict"): lambda *_: {},
}


class _Record(dict):
    """What is left of an instance whose class is not loaded: entries and state, no behaviour."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.update(state)

    def append(self, _: Any) -> None:
        """Items of a class that is a list are not kept."""

    def extend(self, _: Any) -> None:
        """Nor several at once."""


class Refused(pickle.UnpicklingError):
    """A name in the file is not in the table."""


class _InertUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] in INERT:
            return _Record
        if (module, name) in _PLAIN:
            return _PLAIN[module, name]
        if module in ("builtins", "__builtin__") and name in ("dict", "list", "set", "int", "float", "bool", "str", "tuple"):
            return getattr(builtins, name)
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        raise Refused(f"it asks for {module}.{name}")


class InertPickle:
    """What ``torch.load`` wants of a pickle module."""

    __name__ = "semtta's reader"
    Unpickler = _InertUnpickler

    @staticmethod
    def load(file: Any, **options: Any) -> Any:
        return _InertUnpickler(file, **options).load()
