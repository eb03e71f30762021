"""Who in a video a run is about: everybody, one by number, or the one at a place in the picture."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from ..data import VideoFile, load_video
from ..data.detections import detections_key, read_detections, write_detections
from ..data.people import person_at
from ..data.people_tracks import people_in
from ..data.video import watched_frames, with_tracks
from ..detectors import choose_person, detect_people, detectors
from ..errors import SemttaError, shortened
from ..settings import AdaptConfig
from ..types import Keypoints2D, Progress, Video

EVERYBODY = "all"
#: Of numbers of people and of pixels and seconds.
LARGEST = 10**9
_CLICK = re.compile(r"([^,@\s]+),([^,@\s]+)(?:@([^,@\s]+))?")


@dataclass(frozen=True)
class Click:
    """A place in the picture: pixels of the displayed video, and seconds into the file (None: whenever somebody is there)."""

    x: float
    y: float
    time_s: float | None = None


#: The person's number, a place where the person is, or None for everybody.
Who = int | Click | None


@dataclass(frozen=True)
class ClipOfPeople:
    """A video and those of its people whom a run is about, each with the frames in which they are seen."""

    video: Video
    people: list[Video]


def read_who(text: str) -> Who:
    """The value of ``--person``: ``all``, a number from 0, or ``x,y`` or ``x,y@seconds``; SemttaError for anything else.

    >>> read_who("2"), read_who("all"), read_who("120,80@1.5")
    (2, None, Click(x=120.0, y=80.0, time_s=1.5))
    """
    text = text.strip()
    if text.lower() == EVERYBODY:
        return None
    if re.fullmatch("[0-9]{1,9}", text):
        return int(text)
    found = _CLICK.fullmatch(text)
    try:
        numbers = [float(part) for part in found.groups() if part is not None] if found else []
    except ValueError:
        numbers = []
    if numbers and all(math.isfinite(value) and 0 <= value <= LARGEST for value in numbers):
        return Click(*numbers)
    raise SemttaError(
        f"--person {shortened(text)} names nobody: give all, a number from 0 (the largest person), or x,y or x,y@seconds (pixels "
        "of the picture)."
    )


def check_seconds(start_s: float | None, end_s: float | None) -> None:
    """SemttaError for ``--start`` and ``--end`` that are of no video."""
    for name, value in (("--start", start_s), ("--end", end_s)):
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise SemttaError(f"{name} {value:g} is no time in a video: give seconds from its first frame, 0 or more.")
    if end_s is not None and end_s <= (start_s or 0):
        raise SemttaError(f"--end {end_s:g} is not after --start {start_s or 0:g}: give seconds, the later time as --end.")


def read_people(
    path: Path,
    config: AdaptConfig,
    who: Who = None,
    keypoints: Path | None = None,
    label: str | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    progress: Progress | None = None,
    kept: Path | None = None,
) -> ClipOfPeople:
    """The people of a video whom ``who`` means: the frames are decoded once to count them, and once to find everybody.

    ``kept``: the file in which detections are kept, and from which those of the same frames and detector are taken.

    Raises SemttaError for a video or keypoints that cannot be read, and if nobody is meant.
    """
    video = load_video(path, label=label, progress=progress, start=start_s, end=end_s)
    if keypoints is not None:
        file = cast(VideoFile, getattr(video.frames, "frames", video.frames))  # of a part the whole
        video, tracks = with_tracks(video, file, keypoints)
    else:
        tracks = detected(video, config, progress, kept)
    return ClipOfPeople(video, chosen(people_in(video, tracks), who, config, video))


def chosen(people: Sequence[Video], who: Who, config: AdaptConfig, video: Video) -> list[Video]:
    """Those of a video's people whom ``who`` means."""
    if isinstance(who, Click):
        width, height = video.size
        if who.x >= width or who.y >= height:
            raise SemttaError(
                f"--person {who.x:g},{who.y:g} is outside the picture of {width} x {height} pixels: give a place in it."
            )
        return [person_at(people, who.x, who.y, who.time_s)]
    if who is not None:
        return [choose_person(people, who, video.source or video.name)]
    if len(people) > 1 and config.estimator.name.startswith("motion:"):  # a file of one person's motion
        said = "The estimator's motion is one person's: person 0 is adapted alone (--person takes another)."
        return [replace(people[0], messages=(*people[0].messages, said))]
    return list(people)


def detected(video: Video, config: AdaptConfig, progress: Progress | None, kept: Path | None) -> list[Keypoints2D]:
    """Everybody whom the configured detector finds in a video, or found when it looked for the last time."""
    name, settings = config.detector.name, config.detector.settings
    key = "" if kept is None else detections_key(video, {"name": name, **(settings.model_dump() if settings else {})})
    tracks = None if kept is None else read_detections(kept, key)
    if tracks is None:
        found = detectors.create(name, settings)
        tracks = detect_people(found, watched_frames(video, progress), video.num_frames, video.size, name)
        if kept is not None:
            write_detections(kept, key, tracks)
    return tracks
