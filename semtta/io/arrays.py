"""Reads files of arrays: npz, and pickles (SMPL's without chumpy) without executing what a pickle can execute.

Of a pickle only arrays and plain containers are rebuilt. Instances of chumpy and of scipy.sparse become inert records
of their state, which are turned into arrays afterwards; any other name in the file is refused before it is called.
"""

from __future__ import annotations

import pickle
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ..errors import SemttaError


class Record:
    """State of an instance whose class is not loaded."""

    kind = ""
    state: Mapping[str, Any] = MappingProxyType({})

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise pickle.UnpicklingError(f"unexpected state of {self.kind}")
        self.state = state


def _rebuild(kind: type, *_: Any) -> Record:
    """Stands in for copyreg._reconstructor, for records only."""
    if not (isinstance(kind, type) and issubclass(kind, Record)):
        raise pickle.UnpicklingError(f"{kind} is not an array class")
    return kind()


def _encode(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes in protocol 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"unexpected encoding {encoding}")
    return text.encode("latin1")


def _no_bytes(*arguments: Any) -> bytes:
    """How Python 3 writes empty bytes in protocol 2."""
    if arguments:
        raise pickle.UnpicklingError("unexpected call of bytes")
    return b""


# numpy's own rebuilding functions, wherever its version keeps them.
_reconstruct: Any = np.empty(1).__reduce__()[0]
_frombuffer: Any = np.empty(1).__reduce_ex__(5)[0]
_scalar: Any = np.float64(0).__reduce__()[0]

#: (module, name) -> what stands for it. Both of numpy's module paths and both of Python's occur in the wild.
ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _frombuffer for core in ("core", "_core")},
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    **{(module, "_reconstructor"): _rebuild for module in ("copy_reg", "copyreg")},
    **{(module, "object"): object for module in ("__builtin__", "builtins")},
    **{(module, "set"): set for module in ("__builtin__", "builtins")},
    **{(module, "bytes"): _no_bytes for module in ("__builtin__", "builtins")},
    ("_codecs", "encode"): _encode,
}


class ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "chumpy" or module.startswith("scipy.sparse"):
            return type("Record", (Record,), {"kind": f"{module}.{name}"})
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return ALLOWED[module, name]


def read_array_pickle(path: Path) -> dict[str, Any]:
    """The dictionary in a pickle, its arrays as numpy arrays [dense]; raises SemttaError for anything else."""
    try:
        with path.open("rb") as file:
            content = ArrayUnpickler(file, encoding="latin1").load()
    except FileNotFoundError as error:
        raise SemttaError(f"No file {path}.") from error
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise SemttaError(
            f"{path} is not a pickle of arrays ({_first_line(error)}): refused, nothing of it was executed."
        ) from error
    if not isinstance(content, dict):
        raise SemttaError(f"{path} holds a {type(content).__name__}, not a dictionary of arrays.")
    try:
        return {str(key): to_array(value) for key, value in content.items()}
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise SemttaError(f"{path} holds an array that cannot be read ({type(error).__name__}: {_first_line(error)}).") from error


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Every array of an npz; raises SemttaError for a file that is none or holds objects."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except FileNotFoundError as error:
        raise SemttaError(f"No file {path}.") from error
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise SemttaError(f"{path} is not an npz of plain arrays, or is damaged ({_first_line(error)}).") from error


def to_array(value: Any) -> Any:
    """A record as the array it stands for; other values as they are."""
    if not isinstance(value, Record):
        return value
    module, name = value.kind.rsplit(".", 1)
    state = value.state
    if name == "Ch":
        return np.asarray(to_array(state["x"]))
    if name == "Select":  # how chumpy writes a slice of an array
        return np.asarray(to_array(state["a"])).ravel()[np.asarray(state["idxs"])].reshape(state["preferred_shape"])
    if name in ("csc_matrix", "csc_array", "csr_matrix", "csr_array"):
        dense = np.zeros(state.get("_shape", state.get("shape")), dtype=np.float64)
        outer = np.repeat(np.arange(len(state["indptr"]) - 1), np.diff(state["indptr"]))
        inner = np.asarray(state["indices"])
        np.add.at(dense, (inner, outer) if name.startswith("csc") else (outer, inner), state["data"])
        return dense
    raise ValueError(f"{module}.{name} is not known")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
