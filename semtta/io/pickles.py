"""Results that other systems pickle: plain pickles, joblib's, numpy's object arrays and torch's; nothing is executed.

joblib writes a pickle in which an array is a small record, followed in the same file by the array's bytes. They can only be
read along with the pickle, so it is unpickled in Python here, by the names that ``CheckpointUnpickler`` allows.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
import torch

from .arrays import HARMLESS, MOST_PACKED, read_array, read_header, read_npz
from .files import reading
from .unpickling import CheckpointUnpickler
from .weights import load_checkpoint

_PythonUnpickler: Any = vars(pickle)["_Unpickler"]  # the one of C reads ahead, past the arrays
_NPY, _ZLIB = b"\x93NUMPY", b"\x78"


def read_results(path: str | Path) -> Any:
    """What is in an ``.npz`` (a dictionary of arrays), ``.npy``, ``.pkl`` or ``.pt`` file; its content says which it is.

    Tensors are on the CPU. Raises SemttaError for a file that is missing, damaged or of another kind, and for one that
    asks for anything but data.
    """
    path = Path(path)
    with reading(path, "a file of results that can be read", missing=f"No file {path}."), path.open("rb") as file:
        head = file.read(6)
        file.seek(0)
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                arrays = all(name.endswith(".npy") for name in archive.namelist())
            return read_npz(path) if arrays else load_checkpoint(path)
        file.seek(0)
        if head == _NPY:
            return _npy(file)
        return ResultUnpickler(_inflated(file) if head[:1] == _ZLIB else file).load()


def _npy(file: IO[bytes]) -> Any:
    """An array, or the object that ``numpy.save`` pickled into one."""
    shape, _, dtype = read_header(file)
    if not dtype.hasobject:
        file.seek(0)
        return read_array(file, os.fstat(file.fileno()).st_size)
    objects = ResultUnpickler(file).load()
    return objects.item() if shape == () else objects


def _inflated(file: IO[bytes]) -> io.BytesIO:
    """What a file compressed by joblib holds; ValueError if that is beyond all measure."""
    packed, inflater = file.read(), zlib.decompressobj()
    most = max(HARMLESS, MOST_PACKED * len(packed))
    content = inflater.decompress(packed, most)
    if not inflater.eof:
        raise ValueError(f"it was cut off, or would unpack to more than {most >> 20} MB")
    return io.BytesIO(content)


class ArrayInFile:
    """joblib's record of an array whose bytes follow: the class of the array plays no part."""

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = ()
        self.dtype: np.dtype[Any] = np.dtype(np.float64)
        self.order = "C"
        self.numpy_array_alignment_bytes: int | None = None

    def read(self, file: IO[bytes]) -> Any:
        """The array, from where the file stands."""
        if self.dtype.hasobject:
            return ResultUnpickler(file).load()
        if self.numpy_array_alignment_bytes is not None:  # a byte says how many follow before the array
            file.read(file.read(1)[0])
        size = math.prod(self.shape) * self.dtype.itemsize
        content = file.read(size)
        if len(content) < size:
            raise EOFError("the file ends within an array")
        return np.frombuffer(content, self.dtype).copy().reshape(self.shape, order="F" if self.order == "F" else "C")


class ResultUnpickler(_PythonUnpickler):
    """``CheckpointUnpickler`` that also reads joblib's arrays and the tensors of a plain pickle."""

    dispatch: ClassVar = dict(_PythonUnpickler.dispatch)

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, encoding="latin1")
        self._source = file
        self._names = CheckpointUnpickler(io.BytesIO(), encoding="latin1")

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch.storage", "_load_from_bytes"):
            return _storage
        if module.split(".")[0] in ("joblib", "sklearn") and name == "NumpyArrayWrapper":
            return ArrayInFile
        return self._names.find_class(module, name)

    def load_build(self) -> None:
        super().load_build()
        if isinstance(self.stack[-1], ArrayInFile):
            self.stack[-1] = self.stack[-1].read(self._source)

    dispatch[pickle.BUILD[0]] = load_build


def _storage(content: bytes) -> Any:
    """A tensor's storage in a plain pickle: a small checkpoint of its own."""
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
