"""Files of arrays: npz, npy, and pickles (SMPL's, without chumpy), which are read without executing anything."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import SemttaError, first_line
from .files import reading
from .unpickling import ArrayRecord, ArrayUnpickler


def read_array_pickle(path: Path) -> dict[str, Any]:
    """The dictionary in a pickle, with its arrays as dense numpy arrays; raises SemttaError for anything else."""
    with (
        reading(path, "a pickle of arrays", then=": refused, nothing of it was executed", missing=f"No file {path}."),
        path.open("rb") as file,
    ):
        content = ArrayUnpickler(file, encoding="latin1").load()
    if not isinstance(content, dict):
        raise SemttaError(f"{path} holds a {type(content).__name__}, not a dictionary of arrays.")
    try:
        return {str(key): to_array(value) for key, value in content.items()}
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise SemttaError(f"{path} holds an array that cannot be read ({type(error).__name__}: {first_line(error)}).") from error


def read_npz(path: Path, only: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """All arrays of an npz, or those named in ``only`` that it has.

    Raises SemttaError for a file of another kind, and for requested arrays of objects.
    """
    with (
        reading(path, "an npz of plain arrays, or is damaged", missing=f"No file {path}."),
        np.load(path, allow_pickle=False) as archive,
    ):
        return {key: archive[key] for key in archive.files if only is None or key in only}


def read_npy(path: Path, what: str = "a .npy array that can be read") -> np.ndarray:
    """The array in an npy file; raises SemttaError for any other file, saying that it is not ``what``."""
    with reading(path, what):
        array = np.load(path, allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("it is an npz")
        return array


def to_array(value: Any) -> Any:
    """The array that a record stands for; other values are returned as they are."""
    if not isinstance(value, ArrayRecord):
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
