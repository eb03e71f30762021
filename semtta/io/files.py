"""Atomic writing of files, one place each for errors of reading and of writing files, and conversion to plain values."""

from __future__ import annotations

import errno
import hashlib
import math
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..errors import CannotWrite, SemttaError, first_line

#: Names of files and folders that are being written: a dot, the name (or its beginning), eight hexadecimal digits, the suffix.
_TEMPORARY = re.compile(r"\..+-[0-9a-f]{8}(\.[^.]*)?")
#: Errors of a disk without room, a quota without, and a file that is larger than is allowed.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


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
def replacing(path: str | os.PathLike[str], needed: int | None = None) -> Iterator[Path]:
    """Yield a temporary path with the same suffix that replaces ``path`` if the block ends without an error.

    Missing folders are created. A half-written file never replaces a complete one. Raises CannotWrite where the system refuses
    to write; with a full disk it says how many bytes it needs (``needed``, if that is known).
    """
    path = Path(path)
    temporary = _temporary(path.parent, path.stem, path.suffix)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except Exception as error:
        cause = _system_error(error)
        if cause is None or str(cause.filename or temporary).removeprefix("file:") not in map(str, (temporary, *path.parents)):
            raise  # not of writing: of a file that is read meanwhile, say
        raise CannotWrite(_lasting(path), _reason(cause, temporary, needed)) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def replacing_files(folder: Path) -> Iterator[Path]:
    """Yield an empty folder in ``folder``; its files, those of its folders too, replace those of their names there.

    Nothing is replaced if the block ends by an error.
    """
    temporary = _temporary(folder, "files")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        moves = [(path, folder / path.relative_to(temporary)) for path in sorted(temporary.rglob("*")) if path.is_file()]
        for _, target in moves:
            if target.is_dir():  # before anything is replaced
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            target.parent.mkdir(parents=True, exist_ok=True)
        for path, target in moves:
            os.replace(path, target)
    except OSError as error:
        raise CannotWrite(folder, _reason(error, temporary, None)) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_leftovers(folder: Path, of: Path | None = None) -> None:
    """Remove what killed processes left half-written in ``folder``, or only what they left of the one file ``of``.

    Only for the process that alone writes there.
    """
    beginning = "." if of is None else f".{of.stem[:40]}-"
    for path in list(folder.iterdir()) if folder.is_dir() else ():
        if path.name.startswith(beginning) and is_temporary(path.name):
            with suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def is_temporary(name: str) -> bool:
    """Whether a file or folder has a name of those that are being written."""
    return _TEMPORARY.fullmatch(name) is not None


def _temporary(folder: Path, name: str, suffix: str = "") -> Path:
    return folder / f".{name[:40]}-{uuid.uuid4().hex[:8]}{suffix}"


def _lasting(path: Path) -> Path:
    """A path without the temporary folders in it, as the user knows it."""
    return Path(*(part for part in path.parts if not is_temporary(part)))


def _system_error(error: BaseException) -> OSError | None:
    """The system's error behind that of a library which writes: torch's has it as its context, safetensors' names its number."""
    if isinstance(error, SemttaError):
        return None
    number = re.search(r"\(os error (\d+)\)", str(error))
    if number is not None:
        return OSError(int(number[1]), os.strerror(int(number[1])))
    context = error.__context__ if isinstance(error, RuntimeError) else error
    return context if isinstance(context, OSError) else None


def _reason(error: OSError, temporary: Path, needed: int | None) -> str:
    """What the system says; where there is no room also how much is needed and free."""
    said = error.strerror or f"not all of it could be written, {first_line(error)}"  # numpy's errors have no number
    if error.errno is not None and error.errno not in _NO_ROOM:
        return said
    written = temporary.stat().st_size if temporary.is_file() else 0
    size = f"{needed / 1e6:.1f} MB" if needed else f"more than {written / 1e6:.1f} MB"
    place = next(folder for folder in temporary.absolute().parents if folder.exists())
    free = (shutil.disk_usage(place).free + written) / 1e6
    return f"{said}: {f'{size} are needed, ' if needed or written else ''}{free:.1f} MB are free"


def write_atomically(path: str | os.PathLike[str], write: Callable[[Path], object], needed: int | None = None) -> None:
    """Replace ``path`` by a file that ``write`` fills, atomically; see ``replacing``."""
    with replacing(path, needed) as temporary:
        write(temporary)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a UTF-8 text file, atomically."""
    content = text.encode()
    with replacing(path, len(content)) as temporary:
        temporary.write_bytes(content)


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
