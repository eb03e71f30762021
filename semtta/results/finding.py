"""Where results are: ``OUT/<clip>`` of one person, ``OUT/<clip>/person-N`` of each of several people."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from ..errors import SemttaError
from ..io.files import reading
from ..io.forms import checked
from ..io.run_folder import FINISHED, PEOPLE, person_folder

AGAIN = "Run `semtta adapt` again"


class Row(BaseModel):
    """One person in ``people.json``: when they are there, in frames and seconds of the file."""

    person: Annotated[int, Field(ge=0, le=10**9)]
    folder: str = ""
    first_frame: int = 0
    last_frame: int = 0
    start_s: float = 0.0
    end_s: float = 0.0


def people_of(folder: Path) -> list[int]:
    """The numbers of the people in a clip's folder, by its ``people.json``; SemttaError if it is damaged."""
    path = folder / PEOPLE
    with reading(path, "a whole file of a run", then=f". {AGAIN}"):
        content = json.loads(path.read_text(encoding="utf-8"))
    numbers = [row.person for row in checked(list[Row], content, path)]
    if not numbers or len(set(numbers)) < len(numbers):
        raise SemttaError(f"{path} is damaged: it names {'nobody' if not numbers else 'somebody twice'}. {AGAIN}.")
    return numbers


def find_all(folder: str | os.PathLike[str]) -> list[Path]:
    """The folders of the results of one clip, one for each person: in ``OUT/<clip>``, or ``OUT`` when there is one clip in it.

    Raises SemttaError for none, for several clips, and for people whose results are missing.
    """
    folder = Path(folder)
    if (folder / FINISHED).is_file():
        return [folder]
    if (folder / PEOPLE).is_file():
        places = [person_folder(folder, number) for number in people_of(folder)]
        missing = next((place for place in places if not (place / FINISHED).is_file()), None)
        if missing is not None:
            raise SemttaError(f"{missing / FINISHED} is missing, though {PEOPLE} names this person. {AGAIN}.")
        return places
    together = {path.parent for path in folder.glob(f"*/{PEOPLE}")}
    single = {path.parent for pattern in ("*", "*/person-*") for path in folder.glob(f"{pattern}/{FINISHED}")}
    clips = sorted(together | {place for place in single if place.parent not in together})
    if not clips:
        raise SemttaError(f"No result in {folder} (no {FINISHED}). Give the folder that `semtta adapt --out` wrote.")
    if len(clips) > 1:
        names = [clip.relative_to(folder).as_posix() for clip in clips]
        listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        raise SemttaError(f"{folder} holds several runs ({listed}): give the folder of one, such as {clips[0]}.")
    return find_all(clips[0])


def find(folder: str | os.PathLike[str]) -> Path:
    """The folder of one person's result: ``folder`` itself, or the only one in it; raises SemttaError for none or several."""
    places = find_all(folder)
    if len(places) > 1:
        names = ", ".join(place.name for place in places[:5]) + (", ..." if len(places) > 5 else "")
        raise SemttaError(
            f"{places[0].parent} holds results of {len(places)} people ({names}): give the folder of one, such as {places[0]}."
        )
    return places[0]
