"""Files of arrays: npz, npy, and pickles (SMPL's, without chumpy), which are read without executing anything."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..errors import SemttaError, first_line
from .files import reading
from .unpickling import ArrayRecord, ArrayUnpickler

_NPY = b"\x93NUMPY"
#: Bytes that a zip may unpack to at most; how many times its size that may be; and what may always be unpacked.
MOST_UNPACKED, MOST_PACKED, HARMLESS = 1 << 32, 100, 1 << 26


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

    Nothing is unpacked or allocated before the sizes that the file states were checked. Raises SemttaError for a file of another
    kind, for a damaged one, and for requested arrays of objects.
    """
    with (
        reading(path, "an npz of plain arrays that can be read, or is damaged", missing=f"No file {path}."),
        path.open("rb") as file,
    ):
        if file.read(len(_NPY)) == _NPY:
            raise ValueError("it is a single array, .npy, called .npz: write it with numpy.savez")
        with zipfile.ZipFile(file) as archive:
            check_archive(path, archive)
            members = {item.filename.removesuffix(".npy"): item for item in archive.infolist() if item.filename.endswith(".npy")}
            return {key: _member(archive, item) for key, item in members.items() if only is None or key in only}


def read_npy(path: Path, what: str = "a .npy array that can be read") -> np.ndarray:
    """The array in an npy file; raises SemttaError for any other file, saying that it is not ``what``."""
    with reading(path, what), path.open("rb") as file:
        if file.read(4) == b"PK\x03\x04":
            raise ValueError("it is an npz")
        file.seek(0)
        return read_array(file, path.stat().st_size)


def read_array(file: IO[bytes], size: int) -> np.ndarray:
    """The array in an open npy file of ``size`` bytes; ValueError if it holds objects or its header does not fit the size."""
    shape, order, dtype = read_header(file)
    claimed, held = math.prod(shape) * dtype.itemsize, size - file.tell()
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are not read: save plain numbers")
    if min(shape, default=1) < 0 or claimed != held:
        raise ValueError(f"its header claims {claimed} bytes of numbers, the file has {held}")
    content = bytearray(claimed)
    if file.readinto(content) != claimed:  # type: ignore[attr-defined]
        raise EOFError("it was cut off")
    return np.ndarray(shape, dtype, content, order="F" if order else "C")


def read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether columns come first, and type of the array in an open npy file, which then stands at its numbers."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def check_archive(path: Path, archive: zipfile.ZipFile) -> None:
    """SemttaError, before anything is unpacked, for a zip with a password or one that would unpack to far more than it holds."""
    if any(item.flag_bits & 1 for item in archive.infolist()):
        raise SemttaError(f"{path} is encrypted. Pack it without a password.")
    packed, unpacked = path.stat().st_size, sum(item.file_size for item in archive.infolist())
    if unpacked > MOST_UNPACKED or (unpacked > HARMLESS and unpacked > MOST_PACKED * packed):
        raise SemttaError(
            f"{path} would unpack from {packed / 2**20:.1f} to {unpacked / 2**20:.0f} MB: it is refused. "
            "Write it again with fewer or smaller files."
        )


def _member(archive: zipfile.ZipFile, item: zipfile.ZipInfo) -> np.ndarray:
    try:
        with archive.open(item) as file:
            array = read_array(file, item.file_size)
            file.read(1)  # at the end the checksum is compared
            return array
    except Exception as error:
        raise ValueError(f"array '{item.filename.removesuffix('.npy')[:40]}': {first_line(error)[:100]}") from error


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
