"""The runs of a clip's people, found in the folder that ``semtta adapt`` wrote."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..errors import SemttaError
from ..io.run_folder import PEOPLE, person_folder
from ..results import MOTION, find, load
from ..results.finding import people_of
from ..types import Result


def runs_of(folder: str | os.PathLike[str], person: int | None = None) -> tuple[Path, dict[int, Path]]:
    """The clip's folder, and the run folder of each of its people by number.

    Args:
        folder: ``OUT/<clip>``, one person's folder in it, or ``OUT`` with one clip.
        person: only this one.
    Returns:
        A folder that holds a run itself is that one person, 0 where it has no number, unless ``person`` names another.
    Raises:
        SemttaError: for no run, the runs of several clips, and a person who is not there.
    """
    folder = Path(folder)
    if person is None and (folder / MOTION).is_file():
        return folder, {_number(folder) or 0: folder}
    clip = folder if _people(folder) else _only_clip(folder, person is not None)
    found = _people(clip)
    if (clip / MOTION).is_file():
        own = {_number(clip) or 0: clip}
        found = own | found if person is not None else own
    if person is None:
        return clip, found
    if person not in found:
        known = ", ".join(map(str, sorted(found)))
        raise SemttaError(f"{clip} has no person {person}. It has: {known}.")
    return clip, {person: found[person]}


def load_people(runs: Mapping[int, Path]) -> list[Result]:
    """The results of ``runs``; of several, each is called ``<clip>-person-N``."""
    if len(runs) == 1:
        return [load(folder) for folder in runs.values()]
    results = ((number, load(folder)) for number, folder in sorted(runs.items()))
    return [replace(result, name=f"{result.name}-person-{number}") for number, result in results]


def _people(clip: Path) -> dict[int, Path]:
    """The runs of the people in a clip's folder, by number: those of ``people.json``, or each that lies there by itself."""
    if (clip / PEOPLE).is_file():
        return {number: person_folder(clip, number) for number in people_of(clip)}
    numbered = ((_number(path.parent), path.parent) for path in clip.glob(f"person-*/{MOTION}"))
    return {number: folder for number, folder in numbered if number is not None}


def _number(folder: Path) -> int | None:
    found = re.fullmatch(r"person-(\d{1,9})", folder.name)
    return int(found[1]) if found else None


def _only_clip(folder: Path, numbered: bool) -> Path:
    """The clip in ``OUT`` where there is one, else what ``find`` says; ``numbered``: which run of it is said."""
    own = {path.parent for path in folder.glob(f"*/{MOTION}")}
    people = {path.parent.parent for path in folder.glob(f"*/person-*/{MOTION}")}
    unclear = own & people and not numbered
    return (own | people).pop() if len(own | people) == 1 and not unclear else find(folder)
