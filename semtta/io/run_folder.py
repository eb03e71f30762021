"""Run folders: their names, locks, and files."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from ..errors import CannotWrite, SemttaError
from .files import remove_leftovers
from .names import require_text

#: The file that marks a finished run, the checkpoint that an unfinished run resumes from, and the lock of an active run.
FINISHED, CHECKPOINT, LOCK = "motion.npz", "checkpoint.pt", ".lock"

#: Bytes of a folder's name: a file of 255, the most that file systems take, may be called after it (``<clip>.bvh``).
LONGEST_NAME = 250


def safe_name(name: str) -> str:
    """The name with ``_`` in place of characters that file names cannot contain, cut where it is too long for one."""
    safe = re.sub(r'[/\\:*?"<>|\x00-\x1f]+', "_", name).strip(". ") or "clip"
    if len(safe.encode()) <= LONGEST_NAME:
        return safe
    ending = f"-{hashlib.sha256(safe.encode()).hexdigest()[:8]}"  # two long names must not become one
    return safe.encode()[: LONGEST_NAME - len(ending)].decode("utf-8", "ignore") + ending


def clip_folder(folder: str | os.PathLike[str], name: str, person: int = 0) -> Path:
    """``folder/<clip>``, where a clip's files go; ``person-N`` in it for persons other than the first."""
    place = Path(folder) / safe_name(name)
    return place if person == 0 else place / f"person-{person}"


def run_names(paths: Sequence[Path], person: int = 0) -> list[str]:
    """Folder names for the runs of several videos: the file's stem, prefixed with the parent folder's name if two share it.

    Persons other than the first get a subfolder ``person-N``. Raises SemttaError if two names are still the same.
    """
    names = [safe_name(path.stem) for path in paths]
    for name in {name for name in names if names.count(name) > 1}:
        duplicates = [i for i, other in enumerate(names) if other == name]
        for i in duplicates:
            names[i] = safe_name(f"{paths[i].absolute().parent.name}-{paths[i].stem}")
    shared = next((name for name in names if names.count(name) > 1), None)
    if shared is not None:
        first, second = [str(path) for path, name in zip(paths, names, strict=True) if name == shared][:2]
        raise SemttaError(
            f"{first} and {second} would both write to '{shared}': adapt to them one at a time, each with its own --out."
        )
    return names if person == 0 else [f"{name}/person-{person}" for name in names]


@contextmanager
def locked(folder: Path) -> Iterator[Path]:
    """Create the folder and lock it for this process while the block runs.

    What killed runs left half-written there is removed. Raises SemttaError if it cannot be written or another process has locked
    it. Folders that were not there before and are empty are removed afterwards.
    """
    require_text(folder)
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / LOCK)
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise SemttaError(f"Another run is working on {folder}: wait for it, or give another folder with --out.") from error
    except OSError as error:
        raise CannotWrite.of(folder, error) from error
    remove_leftovers(folder)
    try:
        yield folder
    finally:
        with suppress(OSError):  # while it is held, so that no other process holds a lock on a file that is gone
            (folder / LOCK).unlink()
        lock.release()
        with suppress(OSError):  # not empty
            for place in dict.fromkeys((folder, *made)):
                place.rmdir()


def refuse_earlier_run(folder: Path) -> None:
    """SemttaError if a folder holds a run, finished or not."""
    if (folder / FINISHED).exists() or (folder / CHECKPOINT).exists():
        raise SemttaError(
            f"{folder} holds an earlier run: --resume continues it, --overwrite replaces it; or give another --out."
        )
