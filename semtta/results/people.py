"""The results of the people of one clip: ``OUT/<clip>`` of one, ``OUT/<clip>/person-N`` of each of several.

Beside the folders of several people the clip's has ``people.json`` (a list: ``person``, ``folder``, ``first_frame``,
``last_frame``, ``start_s``, ``end_s``), and ``overlay.mp4``, ``report.html`` and ``viewer.html`` of all of them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..body import body_of
from ..errors import SemttaError
from ..io.files import write_text
from ..io.run_folder import PEOPLE, person_folder
from ..types import Progress, Result, Video
from .files import OVERLAY, REPORT, AdaptResult, save
from .finding import AGAIN, Row, find_all
from .reading import load

VIEWER = "viewer.html"


def save_people(
    results: Sequence[Result],
    folder: str | os.PathLike[str],
    people: Sequence[int],
    video: Video | None = None,
    body: Any = None,
    progress: Progress | None = None,
) -> Path:
    """Write the files of several people's results to ``folder/person-N`` each, and those of all of them to ``folder``.

    Args:
        results: of one clip, each with its own ``frame_index``.
        people: their numbers N.
        video: the clip with the frames of all of them; without it there is no overlay, report and viewer.
        body: the loaded body model; by default the run's.
        progress: follows the overlay's frames.
    """
    body = body_of(results[0], body)
    folder, rows = Path(folder), []
    for result, person in zip(results, people, strict=True):
        place = save(result, folder, body=body, name=person_folder(Path(), person).name)
        index, times = result.frame_index, result.times
        rows.append(
            Row(person=person, folder=place.name, first_frame=int(index[0]), last_frame=int(index[-1]), start_s=float(times[0]),
                end_s=float(times[-1]) + 1 / result.fps)
        )  # fmt: skip
    if video is not None:
        from ..visualization import write_overlay, write_report, write_viewer

        write_overlay(results, video, body, folder / OVERLAY, progress)
        write_report(results, video, body, folder / REPORT, overlay=folder / OVERLAY)
        write_viewer(results, folder / VIEWER, body, video)
    write_text(folder / PEOPLE, json.dumps([row.model_dump() for row in rows], indent=1) + "\n")
    return folder


def load_all(folder: str | os.PathLike[str]) -> list[AdaptResult]:
    """The results of everybody in one clip; ``folder`` as of ``find_all``. SemttaError as of ``load``, or for two videos'."""
    results = [load(place) for place in find_all(folder)]
    if len({(result.source, result.size) for result in results}) > 1:
        raise SemttaError(f"{folder} holds results of several videos: they cannot be shown together. {AGAIN}.")
    return results
