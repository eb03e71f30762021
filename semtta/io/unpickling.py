"""Unpickling without code execution: an allow-list of what may be rebuilt, and two unpicklers that enforce it.

``ArrayUnpickler`` rebuilds arrays and plain containers (SMPL's files), ``CheckpointUnpickler`` also tensors. Objects of some
packages that occur in such files become inert records of their state; any other name in a file is refused before it is
called.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import torch


class Refused(pickle.UnpicklingError):
    """The file asks for something that is not on the allow-list."""


class ArrayRecord:
    """The state of a chumpy or scipy.sparse array, whose class is not loaded; ``semtta.io.arrays`` converts it."""

    kind = ""
    state: Mapping[str, Any] = MappingProxyType({})

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise Refused(f"unexpected state of {self.kind}")
        self.state = state


class TrainerRecord(dict):
    """The inert state of a trainer's object (settings, callbacks): entries, no behaviour."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.update(state)

    def append(self, _: Any) -> None:
        """Items of list-like classes are dropped."""

    def extend(self, _: Any) -> None:
        """Items of list-like classes are dropped."""


def _rebuild(kind: type, *_: Any) -> ArrayRecord:
    """Replaces copyreg._reconstructor, for array records only."""
    if not (isinstance(kind, type) and issubclass(kind, ArrayRecord)):
        raise Refused(f"{kind} is not an array class")
    return kind()


def _encode(text: str, encoding: str) -> bytes:
    """Replaces ``_codecs.encode``, with which Python 3 writes bytes in protocol 2."""
    if encoding != "latin1":
        raise Refused(f"unexpected encoding {encoding}")
    return text.encode("latin1")


def _no_bytes(*arguments: Any) -> bytes:
    """Replaces ``bytes()``, with which Python 3 writes empty bytes in protocol 2."""
    if arguments:
        raise Refused("unexpected call of bytes")
    return b""


def _builtin(name: str, stand_in: Callable[..., Any]) -> dict[tuple[str, str], Callable[..., Any]]:
    """A builtin under its Python 2 and Python 3 module names."""
    return {(module, name): stand_in for module in ("__builtin__", "builtins")}


# numpy's own reconstruction functions, wherever this version keeps them.
_reconstruct: Any = np.empty(1).__reduce__()[0]
_frombuffer: Any = np.empty(1).__reduce_ex__(5)[0]
_scalar: Any = np.float64(0).__reduce__()[0]

#: (module, name) -> replacement. Both of numpy's module paths occur in practice.
ARRAYS: Mapping[tuple[str, str], Callable[..., Any]] = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _frombuffer for core in ("core", "_core")},
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    **{(module, "_reconstructor"): _rebuild for module in ("copy_reg", "copyreg")},
    **_builtin("object", object),
    **_builtin("set", set),
    **_builtin("bytes", _no_bytes),
    ("_codecs", "encode"): _encode,
}
_TENSOR_BUILDERS = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")
TENSORS: Mapping[tuple[str, str], Any] = {
    **ARRAYS,
    **{("torch._utils", name): getattr(torch._utils, name) for name in _TENSOR_BUILDERS},
    ("torch", "Size"): torch.Size,
    ("torch", "device"): torch.device,
    **{("torch", name): value for name, value in vars(torch).items() if isinstance(value, torch.dtype)},
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "defaultdict"): lambda *_: {},
    **{k: v for kind in (dict, list, int, float, bool, str, tuple) for k, v in _builtin(kind.__name__, kind).items()},
}


class _AllowListed(pickle.Unpickler):
    allowed: ClassVar[Mapping[tuple[str, str], Any]] = {}

    def find_class(self, module: str, name: str) -> Any:
        record = self.record(module, name)
        if record is not None:
            return record
        if (module, name) not in self.allowed:
            raise Refused(f"it asks for {module}.{name}")
        return self.allowed[module, name]

    def record(self, module: str, name: str) -> type | None:
        """The record class that replaces a class of a package that is not loaded; None for any other."""
        raise NotImplementedError


class ArrayUnpickler(_AllowListed):
    """Rebuilds arrays and plain containers; chumpy and scipy.sparse arrays become records."""

    allowed = ARRAYS

    def record(self, module: str, name: str) -> type | None:
        if module.split(".")[0] == "chumpy" or module.startswith("scipy.sparse"):
            return type("ArrayRecord", (ArrayRecord,), {"kind": f"{module}.{name}"})
        return None


class CheckpointUnpickler(_AllowListed):
    """Rebuilds tensors, arrays and plain containers; trainers' objects become records."""

    allowed = TENSORS
    trainers = ("yacs", "omegaconf", "pytorch_lightning", "lightning", "lightning_fabric", "pathlib", "argparse", "easydict")

    def record(self, module: str, name: str) -> type | None:
        return TrainerRecord if module.split(".")[0] in self.trainers else None


class CheckpointPickle:
    """``CheckpointUnpickler`` in the form of a pickle module, for ``torch.load``."""

    __name__ = "semtta's reader"
    Unpickler = CheckpointUnpickler

    @staticmethod
    def load(file: Any, **options: Any) -> Any:
        return CheckpointUnpickler(file, **options).load()
