"""Unpickling without code execution: an allow-list of what may be rebuilt, and two unpicklers that enforce it.

``ArrayUnpickler`` rebuilds arrays and plain containers (SMPL's files); it refuses any other name before it is called.
``CheckpointUnpickler`` rebuilds tensors as well, and puts an inert ``StandIn`` in place of everything else: a checkpoint
holds what its trainer held, settings of any package among it, and only the tensors are wanted.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from typing import Self


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


class StandIn:
    """What a pickle wanted to make or call, by name: it takes every step of an unpickler, keeps what it is given, does nothing.

    Attributes:
        kind: the name that the file gives, ``omegaconf.dictconfig.DictConfig``.
        arguments: what it was to be called with.
        state: what was to become of its attributes; None without.
        entries, members: what was to be put into it, where it is a mapping, or a list or a set.
    """

    kind = ""

    def __new__(cls, *arguments: Any, **named: Any) -> Self:
        made = super().__new__(cls)
        made.arguments = arguments + tuple(named.items())
        made.state, made.entries, made.members = None, {}, []
        return made

    arguments: tuple[Any, ...]
    state: Any
    entries: dict[Any, Any]
    members: list[Any]

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.entries[key] = value

    def append(self, member: Any) -> None:
        self.members.append(member)

    add = append

    def extend(self, members: Iterable[Any]) -> None:
        self.members.extend(members)

    def __call__(self, *arguments: Any, **named: Any) -> StandIn:
        return type(self)(self, *arguments, **named)  # a method that was got by name

    def __repr__(self) -> str:
        """What it would have been, in one line: ``posix.mkdir('/tmp/x')``."""
        inner = ", ".join(
            "..." if isinstance(value, (StandIn, dict, list, tuple)) else repr(value)[:80] for value in self.arguments
        )
        return f"{self.kind}({inner})".replace("\n", " ")


@lru_cache(maxsize=1024)
def stand_in(module: str, name: str) -> type[StandIn]:
    """The class that stands for ``module.name``, which is not looked for."""
    return type("StandIn", (StandIn,), {"kind": f"{module}.{name}"})


def _rebuild(kind: type, *_: Any) -> ArrayRecord:
    """Replaces copyreg._reconstructor, for array records only."""
    if not (isinstance(kind, type) and issubclass(kind, ArrayRecord)):
        raise Refused(f"{kind} is not an array class")
    return kind()


def _rebuild_inert(kind: Any, base: Any = object, state: Any = None) -> Any:
    """The same for checkpoints: of a plain container its content, of any other class its stand-in."""
    if kind in (dict, list, set, OrderedDict):
        return kind() if state is None else kind(state)
    made = kind() if isinstance(kind, type) and issubclass(kind, StandIn) else stand_in("copyreg", "_reconstructor")(kind, base)
    if state is not None:
        made.state = state
    return made


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
_PLAIN = (dict, list, int, float, bool, str, tuple, complex, frozenset)
TENSORS: Mapping[tuple[str, str], Any] = {
    **ARRAYS,
    **{("torch._utils", name): getattr(torch._utils, name) for name in _TENSOR_BUILDERS},
    ("torch", "Size"): torch.Size,
    ("torch", "device"): torch.device,
    **{("torch", name): value for name, value in vars(torch).items() if isinstance(value, torch.dtype)},
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "defaultdict"): lambda *_: {},
    **{(module, "_reconstructor"): _rebuild_inert for module in ("copy_reg", "copyreg")},
    **{k: v for kind in _PLAIN for k, v in _builtin(kind.__name__, kind).items()},
    ("__builtin__", "long"): int,
    ("__builtin__", "unicode"): str,
}


#: The one in Python: a few bytes can make that of C take all memory for its table of what was read before.
PythonUnpickler: Any = vars(pickle)["_Unpickler"]


class ArrayUnpickler(PythonUnpickler):
    """Arrays and plain containers; chumpy's and scipy.sparse's as records. Raises Refused for any other name."""

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "chumpy" or module.startswith("scipy.sparse"):
            return type("ArrayRecord", (ArrayRecord,), {"kind": f"{module}.{name}"})
        if (module, name) not in ARRAYS:
            raise Refused(f"it asks for {module}.{name}")
        return ARRAYS[module, name]


class CheckpointUnpickler(PythonUnpickler):
    """Tensors, arrays and plain containers; a stand-in for everything else."""

    def find_class(self, module: str, name: str) -> Any:
        return TENSORS[module, name] if (module, name) in TENSORS else stand_in(module, name)


class CheckpointPickle:
    """``CheckpointUnpickler`` in the form of a pickle module, for ``torch.load``."""

    __name__ = "semtta's reader"
    Unpickler = CheckpointUnpickler

    @staticmethod
    def load(file: Any, **options: Any) -> Any:
        return CheckpointUnpickler(file, **options).load()
