"""The folder of a run: its name, its lock, and whether it holds a finished run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from ..errors import SemttaError, cannot_write

#: The file that a finished run has, the one that an unfinished run goes on from, and the lock of a run at work.
FINISHED, CHECKPOINT, LOCK = "motion.npz", "checkpoint.pt", ".lock"


def safe_name(name: str) -> str:
    """A name with ``_`` for what no file name can hold."""
    return re.sub(r'[/\\:*?"<>|\x00-\x1f]+', "_", name).strip(". ") or "clip"


def clip_folder(folder: str | os.PathLike[str], name: str, person: int = 0) -> Path:
    """``folder/<clip>``, where a clip's files go; ``person-N`` in it for persons other than the first."""
    place = Path(folder) / safe_name(name)
    return place if person == 0 else place / f"person-{person}"


def run_names(paths: Sequence[Path], person: int = 0) -> list[str]:
    """Folder names of several videos' runs: the file's stem, where two share it with the parent folder's name.

    Persons other than the first have a folder ``person-N`` inside. SemttaError if two are the same file, or cannot be told
    apart.
    """
    names = [safe_name(path.stem) for path in paths]
    for name in {name for name in names if names.count(name) > 1}:
        same = [i for i, other in enumerate(names) if other == name]
        for i in same:
            names[i] = safe_name(f"{paths[i].absolute().parent.name}-{paths[i].stem}")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        first, second = [str(path) for path, name in zip(paths, names, strict=True) if name == twice][:2]
        raise SemttaError(
            f"{first} and {second} would both write to '{twice}': adapt to them one at a time, with their own --out."
        )
    return names if person == 0 else [f"{name}/person-{person}" for name in names]


@contextmanager
def locked(folder: Path) -> Iterator[Path]:
    """The folder, made, writable, and this process's alone while the block runs.

    Raises SemttaError if it cannot be, or another process is at work there. An empty folder is removed afterwards.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / LOCK)
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise SemttaError(f"Another run is working on {folder}: wait for it, or give another folder with --out.") from error
    except OSError as error:
        raise cannot_write(folder, error) from error
    try:
        yield folder
    finally:
        with suppress(OSError):  # while it is held, so that no other process holds a lock on a file that is gone
            (folder / LOCK).unlink()
        lock.release()
        with suppress(OSError):  # not empty
            folder.rmdir()


def refuse_earlier_run(folder: Path) -> None:
    """SemttaError if a folder holds a run, finished or not."""
    if (folder / FINISHED).exists() or (folder / CHECKPOINT).exists():
        raise SemttaError(
            f"{folder} holds an earlier run: --resume goes on with it, --overwrite replaces it; or give another --out."
        )
