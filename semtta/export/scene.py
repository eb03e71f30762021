"""The people of a clip in one world and on one clock, and the camera that saw them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..body import body_of
from ..errors import SemttaError
from ..geometry.timing import MAX_FRAMES, resampled
from ..geometry.world import Origin, Up, WorldMotion, camera_centers, to_worlds
from ..types import Result

#: A camera that turns (radians) and moves (metres) less than this over the clip stands still.
STILL = 1e-4


@dataclass(frozen=True)
class Person:
    """One person of a scene."""

    result: Result  # at the rate of the export
    motion: WorldMotion
    times: Tensor  # [T] seconds on the clip's clock, float64


@dataclass(frozen=True)
class CameraTrack:
    """Where the camera is in the scene, metres; it looks along its z axis, y is down."""

    times: NDArray[np.float64]  # [C] seconds on the clip's clock, rising; one: the camera stands still
    rotations: Tensor  # [C, 3, 3] from the camera to the scene
    centers: Tensor  # [C, 3]


def starts(results: Sequence[Result]) -> list[float]:
    """When each person's first frame is, seconds on the clock of whoever is seen first.

    Frames have their numbers in the file, so whoever is seen at the same time ties the clocks; across a gap the average rate
    of those seen so far counts.
    """
    offsets = [0.0] * len(results)  # of each person's own clock, which may begin at 0 whenever they come
    frames, times = np.zeros(0), np.zeros(0)
    for index in sorted(range(len(results)), key=lambda i: int(results[i].frame_index[0])):
        own_frames, own_times = results[index].frame_index.double().numpy(), results[index].times.numpy()
        if len(frames):
            offsets[index] = _at(float(own_frames[0]), frames, times, results[index].fps) - own_times[0]
        later = own_frames > (frames[-1] if len(frames) else -np.inf)
        frames, times = np.append(frames, own_frames[later]), np.append(times, own_times[later] + offsets[index])
    return [offset + float(result.times[0]) for offset, result in zip(offsets, results, strict=True)]


def _at(frame: float, frames: NDArray, times: NDArray, fps: float) -> float:
    """The time of a frame: between those known, or after them at their average rate."""
    span = frames[-1] - frames[0]
    rate = span / (times[-1] - times[0]) if span > 0 else fps
    return float(np.interp(frame, frames, times)) + max(0.0, frame - frames[-1]) / rate


def people_in(
    results: Sequence[Result], up: Up = "y", origin: Origin = "person", in_place: bool = False, fps: float | None = None
) -> list[Person]:
    """The people of one clip in one world (see ``semtta.geometry.world.to_worlds``), each from their own time on.

    ``fps``: everybody is resampled to that rate; None: each frame has its time by the video.
    """
    placed = [result if fps is None else resampled(result, fps) for result in results]
    motions = to_worlds(placed, up, origin, in_place)
    rows = zip(placed, motions, starts(results), strict=True)
    return [Person(result, motion, result.times - result.times[0] + start) for result, motion, start in rows]


def from_zero(people: Sequence[Person]) -> list[Person]:
    """The people with the clock set to 0 where the first of them comes; SemttaError if the last goes too late for a scene."""
    zero = min(float(person.times[0]) for person in people)
    frames = max((float(person.times[-1]) - zero) * person.result.fps for person in people)
    if not frames <= MAX_FRAMES:
        raise SemttaError(f"These people are seen over {frames:.0f} frames (at most {MAX_FRAMES}): export one with --person.")
    return [replace(person, times=person.times - zero) for person in people]


def person_in(result: Result, beside: Sequence[Result], *options: Any, **more: Any) -> Person:
    """One person as ``people_in`` has them among the people of the clip; ``beside`` is empty, or holds them too."""
    people = people_in(beside or [result], *options, **more)
    return next(person for person, other in zip(people, beside or [result], strict=True) if other is result)


def bodies_of(people: Sequence[Person], body: Any = None) -> list[Any]:
    """The body model of each person, ``body`` or the run's; each is loaded once."""
    loaded: dict[str, Any] = {}
    for result in (person.result for person in people):
        name = _body_name(result)
        loaded[name] = loaded[name] if name in loaded else body_of(result, body)
    return [loaded[_body_name(person.result)] for person in people]


def _body_name(result: Result) -> str:
    return str(result.setting("body.name") or result.body)


def camera_track(people: Sequence[Person]) -> CameraTrack:
    """The camera over the frames of everybody, of the first who has an instant; one instant if it stands still."""
    times = torch.cat([person.times for person in people]).numpy().round(6)
    rotations = torch.cat([person.motion.cameras.rotation for person in people]).mT
    centers = torch.cat([camera_centers(person.motion.cameras) for person in people])
    chosen, first = np.unique(times, return_index=True)
    rotations, centers = rotations[first], centers[first]
    if max((rotations - rotations[:1]).abs().max().item(), (centers - centers[:1]).abs().max().item()) < STILL:
        chosen, rotations, centers = chosen[:1], rotations[:1], centers[:1]
    return CameraTrack(chosen, rotations, centers)
