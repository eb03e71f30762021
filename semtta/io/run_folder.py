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
#: In the folder of a clip of which several people were adapted together, each in a folder of their own: who they are, and
#: while the run is not finished what it is a run of.
PEOPLE, UNFINISHED = "people.json", "checkpoint.json"
#: In the folder of a clip: what a detector found in the video, so that it need not look again.
DETECTIONS = "detections.npz"

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


def run_names(paths: Sequence[Path]) -> list[str]:
    """Folder names for the runs of several videos: the file's stem, prefixed with the parent folder's name if two share it.

    Raises SemttaError if two names are still the same.
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
    return names


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


def person_folder(clip: Path, person: int) -> Path:
    """The folder of one of several people who are adapted together."""
    return clip / f"person-{person}"


def holds_people(clip: Path) -> bool:
    """Whether a folder is that of a run of several people together, finished or not."""
    return (clip / PEOPLE).exists() or (clip / UNFINISHED).exists()


def holds_run(folder: Path) -> bool:
    """Whether a folder holds a run, finished or not."""
    return any((folder / name).exists() for name in (FINISHED, CHECKPOINT, PEOPLE, UNFINISHED))


def earlier_runs(clip: Path, people: Sequence[int] | None = None) -> list[Path]:
    """Folders with runs, finished or not, that a run of ``people`` (None: not known yet) of this clip would take the place of.

    One person's run takes that of the same person, several people's that of anybody, and anybody's that of several people.
    """
    if people is not None and len(people) == 1 and not holds_people(clip):
        places = [clip_folder(clip.parent, clip.name, people[0])]
    else:
        places = [clip, *sorted(clip.glob("person-*"))]
    return [place for place in places if holds_run(place)]


def refuse_earlier_run(clip: Path, people: Sequence[int] | None = None) -> None:
    """SemttaError if there is a run, finished or not, that a run of ``people`` would take the place of."""
    for place in earlier_runs(clip, people)[:1]:
        raise SemttaError(f"{place} holds an earlier run: --resume continues it, --overwrite replaces it; or give another --out.")
