"""Atomic writing of files, one place that turns errors of reading files into messages, and conversion to plain values."""

from __future__ import annotations

import hashlib
import math
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..errors import SemttaError, first_line


def sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def reading(path: object, what: str, *, then: str = "", missing: str | None = None) -> Iterator[None]:
    """A context for reading a file from elsewhere: any exception becomes a SemttaError of one line.

    A damaged file can raise nearly anything. The message is "``path`` is not ``what`` (reason) ``then``."; for a missing file it
    is ``missing``, if given. SemttaErrors pass through.
    """
    try:
        yield
    except SemttaError:
        raise
    except Exception as error:
        absent = missing if isinstance(error, FileNotFoundError) else None
        raise SemttaError(absent or f"{path} is not {what} ({first_line(error)}){then}.") from error


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path with the same suffix that replaces ``path`` if the block ends without an error.

    Missing folders are created. A half-written file never replaces a complete one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem[:40]}-{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: str | os.PathLike[str], write: Callable[[Path], object]) -> None:
    """Replace ``path`` by a file that ``write`` fills, atomically."""
    with replacing(path) as temporary:
        write(temporary)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a UTF-8 text file, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_npz(path: str | os.PathLike[str], **arrays: Any) -> None:
    """Write a compressed npz file, atomically."""
    with replacing(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def plain(value: Any) -> Any:
    """Convert mappings, sequences, arrays and numbers to dict, list, str, int, float, bool or None; NaN becomes None."""
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
