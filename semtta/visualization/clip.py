"""The people of one clip on the clip's frames: who is there in each frame, when it is, and which way is up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import SemttaError
from ..geometry.world import to_world
from ..rendering.drawing import AFTER, Color
from ..types import Result, Video

#: One colour for each person of a clip, in their order; the first is that of the only person, none is that of a
#: guess. Eleven and more begin again.
PEOPLE: tuple[Color, ...] = (
    AFTER, (172, 112, 214), (98, 180, 96), (214, 176, 40), (230, 120, 170), (64, 178, 180), (150, 120, 96), (150, 160, 60),
    (110, 120, 220), (130, 138, 148),
)  # fmt: skip


#: Frames without anybody that are shown, beyond twice those with somebody.
MOST_EMPTY = 100_000


def color_of(person: int) -> Color:
    """The colour of the clip's person with this number, from 0."""
    return PEOPLE[person % len(PEOPLE)]


def name_of(person: Result) -> str:
    """What one of several people of a clip is called: by the number that ``--person`` and the person's folder have."""
    return f"person {person.person}"


@dataclass(frozen=True)
class Clip:
    """Results of the people of one clip, each with its own frames of the one source video.

    ``frames``: the frames of the source file from the first to the last in which there is anybody, rising;
    ``times``: seconds since the first of them;  ``rows``: for each person and frame, the row of the person's motion, -1 if the
    person is not there.
    """

    people: tuple[Result, ...]
    frames: NDArray[np.int64]  # [N]
    times: NDArray[np.float64]  # [N]
    rows: NDArray[np.int64]  # [P, N]

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def first(self) -> Result:
        """The first person; what all people share (camera, rate, size) is read from it."""
        return self.people[0]

    @property
    def name(self) -> str:
        """The clip's name: the people's, without what only some of them have."""
        return self.first.name if len(self.people) == 1 else _shared([person.name for person in self.people])

    @property
    def seconds(self) -> float:
        """How long it lasts: to the end of its last frame."""
        return float(self.times[-1]) + 1 / self.first.fps if len(self) else 0.0

    def on(self, video: Video) -> NDArray[np.int64]:
        """The row of each person's motion in each frame of ``video.frames`` [P, frames], -1 if the person is not there."""
        if len(self.people) == 1 and len(self.first.joints) == video.num_frames:
            return np.arange(video.num_frames)[None]
        index = np.arange(video.num_frames) if video.frame_index is None else video.frame_index.cpu().numpy()
        return np.stack([_rows(_frames(person, alone=len(self.people) == 1), index) for person in self.people])


def clip_of(results: Result | Sequence[Result]) -> Clip:
    """The people of one clip; SemttaError if there is nobody."""
    people = (results,) if isinstance(results, Result) else tuple(results)
    if not people:
        raise SemttaError(
            "There is nobody to show: the clip has no result. Look at the video, or lower the detector's thresholds."
        )
    known = [_frames(person, alone=len(people) == 1) for person in people]
    seen = np.unique(np.concatenate(known))
    steps = np.concatenate([np.diff(frames) for frames in known])
    step = max(1, int(np.median(steps))) if len(steps) else 1  # frames that nobody is in belong to the clip too
    whole = len(seen) > 0 and (seen[-1] - seen[0]) // step <= MOST_EMPTY + 2 * len(seen)
    frames = np.union1d(seen, np.arange(seen[0], seen[-1], step)) if whole else seen
    rows = np.stack([_rows(own, frames) for own in known])
    return Clip(people, frames, _times(people, frames, rows, step), rows)


def _frames(result: Result, alone: bool) -> NDArray[np.int64]:
    """The frames of the file that a result is of; of one person whose numbers do not rise, their order stands for them."""
    index = result.frame_index.cpu().numpy().astype(np.int64)
    if (np.diff(index) > 0).all():
        return index
    if alone:
        return np.arange(len(index))
    raise SemttaError(f"The frames of {name_of(result)} do not rise: the result is damaged. Run `semtta adapt` again.")


def _rows(own: NDArray[np.int64], frames: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each of ``frames`` is in ``own`` (rising), -1 if it is not."""
    if not len(own):
        return np.full(len(frames), -1)
    place = np.searchsorted(own, frames).clip(max=len(own) - 1)
    return np.where(own[place] == frames, place, -1)


def _times(people: Sequence[Result], frames: NDArray[np.int64], rows: NDArray[np.int64], step: int) -> NDArray[np.float64]:
    """Seconds of the frames: each person's own times, joined where people meet; by the rate where nobody is."""
    even = (frames - frames[:1]) / (people[0].fps * step)
    times = np.full(len(frames), np.nan)
    for person in sorted(range(len(people)), key=lambda p: int(np.argmax(rows[p] >= 0))):
        there = rows[person] >= 0
        if not there.any():
            continue
        own = people[person].times.numpy()[rows[person][there]]
        known, start = times[there], np.flatnonzero(there)[0]
        if np.isfinite(known).any():
            met = np.flatnonzero(np.isfinite(known))[0]
            shift = known[met] - own[met]
        elif np.isfinite(times[:start]).any():
            last = np.flatnonzero(np.isfinite(times[:start]))[-1]
            shift = times[last] + even[start] - even[last] - own[0]
        else:
            shift = even[start] - own[0]
        times[there] = np.where(np.isfinite(known), known, own + shift)
    missing = ~np.isfinite(times)
    if missing.any() and not missing.all():
        times[missing] = np.interp(frames[missing], frames[~missing], times[~missing])
    return times


def _shared(names: Sequence[str]) -> str:
    """What names of the people of one clip begin with: "party" of "party/person-1" and "party/person-2"."""
    start = names[0]
    for name in names[1:]:
        start = start[
            : next((i for i, (a, b) in enumerate(zip(start, name, strict=False)) if a != b), min(len(start), len(name)))
        ]
    if all(name == names[0] for name in names):
        return start
    return start.removesuffix("person-").rstrip(" -_/#") or names[0]


# --- up ---------------------------------------------------------------------------------------------------------------


def floor_transforms(clip: Clip) -> list[tuple[Tensor, Tensor]]:
    """For each person, the rotation [T, 3, 3] and the shift [T, 3] (metres) from the camera frame to one world, float64.

    The world has z up and its floor at z = 0. People whom no refiner has placed in a world get that of ``to_world``: the
    picture's vertical is up, the first person starts above the origin, the lowest joint of anybody is on the floor.
    """
    placed = next((person.world for person in clip.people if person.world is not None), None)
    simple = to_world(clip.first, "z", "person")
    heights = [(person.joints.detach().cpu().double() @ simple.rotation.mT)[..., 2].nan_to_num() for person in clip.people]
    lowest = min((float(height.min()) for height in heights if len(height)), default=0.0)
    out = []
    for person in clip.people:
        count = len(person.joints)
        path = person.world.camera if person.world is not None else None
        if path is None and placed is not None and len(placed.camera.rotation):  # the camera that the others were seen with
            path = placed.camera[[0] * count]
        if path is not None:
            turn = path.rotation.detach().cpu().double().mT
            out.append((turn, -(turn @ path.translation.detach().cpu().double()[..., None])[..., 0]))
        else:
            shift = torch.stack((simple.shift[0], simple.shift[1], torch.tensor(-lowest, dtype=torch.float64)))
            out.append((simple.rotation.expand(count, 3, 3), shift.expand(count, 3)))
    return out


def upright(result: Result) -> Tensor:
    """Rotations [T, 3, 3] that turn the camera frame the shortest way so that y points down in the world; float32.

    The identity for a result without a world.
    """
    count = len(result.joints)
    eye = torch.eye(3)
    if result.world is None or not count:
        return eye.expand(count, 3, 3)
    down = -result.world.camera.rotation[..., 2].detach().cpu().double()  # the world's -z in the camera frame
    down = down / down.norm(dim=-1, keepdim=True).clamp(min=1e-9)
    goal = torch.tensor([0.0, 1, 0], dtype=torch.float64).expand_as(down)
    axis, cosine = torch.linalg.cross(down, goal), down[:, 1]
    cross = torch.zeros(count, 3, 3, dtype=torch.float64)
    cross[:, 0, 1], cross[:, 0, 2], cross[:, 1, 2] = -axis[:, 2], axis[:, 1], -axis[:, 0]
    cross = cross - cross.mT
    turn = eye.double() + cross + cross @ cross / (1 + cosine).clamp(min=1e-6)[:, None, None]
    return turn.float()
