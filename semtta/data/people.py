"""The people of a video: who is seen when, and the one who is meant."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..detectors import choose_person
from ..errors import SemttaError
from ..io.forms import shown
from ..types import Video, frame_times

#: A click is meant for the nearest person whose box is at most so far away (share of its longer side) ...
REACH = 0.25
#: ... within so many seconds of its moment.
NEAR_S = 0.5


@dataclass(frozen=True)
class Seen:
    """A row of the table of who is seen when."""

    person: int
    start_s: float  # seconds into the file
    end_s: float
    frames: int  # from the first to the last
    seen: int  # frames with keypoints
    height: float  # mean height of the box of the keypoints / the picture's
    gaps: tuple[tuple[float, float], ...]  # from, to: seconds into the file in between without keypoints


@dataclass(frozen=True)
class Choice:
    """Which people of a video are meant."""

    person: int | None = None  # one by number
    point: tuple[float, float] | None = None  # the one at x, y pixels
    time_s: float | None = None  # at that moment; None: at the first at which anybody is there

    @classmethod
    def parse(cls, text: str | int) -> Choice:
        """``all``, a number ``N``, or a click ``x,y`` or ``x,y@seconds``; SemttaError for anything else."""
        said = str(text).strip().lower()
        if said == "all":
            return cls()
        if re.fullmatch(r"\d{1,9}", said):
            return cls(int(said))
        number = r"(\d{1,9}(?:\.\d{1,9})?)"
        found = re.fullmatch(rf"{number}\s*,\s*{number}(?:\s*@\s*{number}s?)?", said)
        if not found:
            raise SemttaError(
                f"There is no person '{shown(text)}': give all, a number (0 is the largest), or a place x,y or x,y@seconds."
            )
        x, y, time = found.groups()
        return cls(point=(float(x), float(y)), time_s=None if time is None else float(time))

    def of(self, people: Sequence[Video]) -> list[Video]:
        """Those of the people of ``load_people``; SemttaError if there is no such one."""
        if self.point is not None:
            return [person_at(people, *self.point, self.time_s)]
        if self.person is None:
            return list(people)
        return [choose_person(people, self.person, people[0].source if people else "the video")]


def person_at(people: Sequence[Video], x: float, y: float, time: float | None = None) -> Video:
    """The person whose box holds a point of the picture (pixels), or is nearest to it; SemttaError if nobody is near.

    ``time``: seconds into the file; None: the first moment at which anybody is there.
    """
    found: list[tuple[float, float, Video]] = []  # moment, distance
    for video in people:
        low, high, seen = extents(video)
        times = seconds_of(video)
        side = (high - low).max(-1).clip(min=1.0)
        outside = np.maximum(np.maximum(low - (x, y), (x, y) - high), 0)
        far = np.hypot(*outside.T) / side
        wait = times if time is None else np.abs(times - time)
        hit = seen & (far <= REACH) & ((wait <= NEAR_S) | (time is None))
        if hit.any():
            at = int(np.where(hit, wait, np.inf).argmin())
            middle = math.hypot(*((low[at] + high[at]) / 2 - (x, y))) / side[at]  # of two boxes that hold it
            found.append((round(float(wait[at]), 2), float(far[at] + 0.1 * middle), video))
    if not found:
        when = "" if time is None else f" at {time:g} s"
        raise SemttaError(f"Nobody is at {x:g},{y:g}{when}: 'semtta people VIDEO' shows who is seen where and when.")
    return min(found, key=lambda row: row[:2])[2]


def people_table(people: Sequence[Video]) -> list[Seen]:
    """Who is seen when, of the videos of ``load_people``."""
    rows = []
    for video in people:
        times = seconds_of(video)
        low, high, seen = extents(video)
        step = 1 / video.fps
        edges = np.flatnonzero(np.diff(np.concatenate([[True], seen, [True]]).astype(int)))
        gaps = tuple((float(times[a]), float(times[b - 1]) + step) for a, b in zip(edges[::2], edges[1::2], strict=True))
        height = float((high - low)[seen, 1].mean() / video.size[1]) if seen.any() else 0.0
        rows.append(Seen(video.person, float(times[0]), float(times[-1]) + step, video.num_frames, int(seen.sum()), height, gaps))
    return rows


def seconds_of(video: Video) -> np.ndarray:
    """When each frame [T] is, seconds into the file."""
    return video.start_s + frame_times(video.num_frames, video.fps, video.times_s).numpy()


def extents(video: Video) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Smallest and largest x, y [T, 2] of the keypoints that are seen, and whether any is [T]; zeros where none is."""
    points = video.keypoints
    if points is None:
        raise SemttaError(f"'{video.name}' has no keypoints: load it with some, or with a detector.")
    seen: np.ndarray = (points.confidence > 0).cpu().numpy()
    xy, any_seen = points.xy.cpu().double().numpy(), np.asarray(seen.any(-1))
    low = np.where(seen[..., None], xy, np.inf).min(1)
    high = np.where(seen[..., None], xy, -np.inf).max(1)
    return np.where(any_seen[:, None], low, 0), np.where(any_seen[:, None], high, 0), any_seen
