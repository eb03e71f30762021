"""Which frame of the video each pose in a file belongs to: the numbers in names, and where their counting starts."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path

from ..errors import SemttaError
from ..io.forms import shown
from .base import Detections

#: Digits that a frame's number may have.
_MOST_DIGITS = 15


def frame_numbers(names: Iterable[str], where: object) -> dict[str, int]:
    """The frame number in each name: the number that changes from name to name, else the last one.

    Of several that change, the one that counts without gaps, else the last that no two names share. What follows the last dot,
    and ``_keypoints`` before it, plays no part; a name without a number counts as 0. Raises SemttaError if two names have the
    same number.
    """
    names = list(names)
    found = {name: re.findall("[0-9]+", re.sub(r"_keypoints$", "", re.sub(r"\.\w+$", "", name))) for name in names}
    for name, digits in found.items():
        if any(len(number.lstrip("0")) > _MOST_DIGITS for number in digits):
            raise SemttaError(f"{where}: '{shown(name)}' has a number of too many digits to be a frame's. Rename it.")
    column = _changing([[int(number) for number in digits] for digits in found.values()])
    numbers: dict[str, int] = {}
    taken: dict[int, str] = {}
    for name in names:
        number = int(found[name][column]) if found[name] else 0
        if number in taken:
            raise SemttaError(
                f"{where}: '{shown(taken[number])}' and '{shown(name)}' are both for frame {number}. "
                "Keep one clip's files together."
            )
        numbers[name], taken[number] = number, name
    return numbers


def _changing(rows: list[list[int]]) -> int:
    """The place of the frame's number in rows of the numbers of each name; -1, the last, where their counts differ."""
    if len({len(row) for row in rows}) != 1:
        return -1
    columns = [set(column) for column in zip(*rows, strict=True)]
    telling = [i for i, column in enumerate(columns) if len(column) == len(rows)] or [-1]
    return next((i for i in telling if i >= 0 and max(columns[i]) - min(columns[i]) == len(rows) - 1), telling[-1])


def align(detections: Detections, num_frames: int, may_be_longer: bool, path: Path) -> tuple[list[int], list[str]]:
    """The file's number of each video frame, and messages about what was assumed.

    Numbers start at 0, or at 1 if no frame is called 0; at another number only if as many follow as the video has frames.
    One frame more or less than the video has is accepted from programs that number their files.

    Raises SemttaError for keypoints of a clip of another length.
    """
    exact = not detections.missing_at_end  # an array: all frames are there, from 0
    listed = detections.poses.keys() if detections.listed is None else detections.listed
    whole = detections.listed is not None and len(listed) == num_frames and not may_be_longer
    if whole and not _fit(listed, num_frames):
        return sorted(listed), [f"{shown(path.name)}: its numbers have gaps, its {num_frames} frames are taken in their order."]
    start, assumed = (0, "") if exact else _start(detections, listed, num_frames)
    count = detections.num_frames - start
    surplus = 0 if may_be_longer else count - num_frames
    least = num_frames if exact else min((1 - detections.missing_at_end) * num_frames, num_frames - 1)
    if surplus > (0 if exact else 1) or count < least:
        raise SemttaError(
            f"{shown(path)} has keypoints for {count} frames, the video has {num_frames}. Give those of this video."
        )
    messages = [f"{shown(path.name)}: {assumed}."] if assumed else []
    if surplus > 0 or (count < num_frames and detections.listed is not None):
        what = "the last is left out" if surplus > 0 else f"nobody is in the last {num_frames - count}"
        messages.append(f"{shown(path.name)} has keypoints for {count} frames, the video has {num_frames}: {what}.")
    return list(range(start, start + num_frames)), messages


def _fit(listed: Collection[int], num_frames: int) -> bool:
    """Whether the numbers can be those of the video's frames, one more or less included."""
    return max(listed) - min(listed) <= num_frames or (min(listed) <= 1 and max(listed) <= num_frames + 1)


def _start(detections: Detections, listed: Collection[int], num_frames: int) -> tuple[int, str]:
    """The number of the video's first frame, and what was assumed."""
    first, last = min(listed, default=0), max(listed, default=-1)
    if first == 0 or detections.first is not None:
        return detections.first or 0, ""
    if first == 1 and last >= num_frames:
        return 1, "frames are counted from 1"
    if first == 1:
        start = detections.likely_first
        return start, f"where frames are counted from is ambiguous, taken as {start} (the first number is 1)"
    if last < num_frames:
        return 0, f"where frames are counted from is ambiguous, taken as 0 (the first number is {first}; if 1, all come one late)"
    if abs(last - first + 1 - num_frames) <= 1:
        return first, f"frames are counted from {first}, the first number"
    return 0, ""
