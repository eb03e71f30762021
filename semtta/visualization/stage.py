"""The people of a clip in one world, with the camera that saw them: what the viewers show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.frames import VideoFile
from ..errors import SemttaError
from ..rendering.drawing import Color, Image, resized
from ..rendering.skin import Skinning, skinning
from ..types import BodyParams, FrameSource, Video
from .clip import Clip, color_of, floor_transforms, name_of

#: Poses of a clip's people that are shown; longer clips are subsampled.
MAX_POSES = 40_000
#: Pictures of the video that are shown, and their longer side in pixels.
MAX_PICTURES, PICTURE_PX = 240, 320


@dataclass(frozen=True)
class Moves:
    """A motion of T frames in the world: metres, z up."""

    rotations: Tensor  # [T, 24, 3, 3] parent-relative; 0 is global, into the world
    pelvis: Tensor  # [T, 3]


@dataclass(frozen=True)
class Actor:
    """One person: a mesh of the mean shape, the motions before and after, and what is known of them."""

    name: str
    color: Color
    skin: Skinning
    motions: Mapping[str, Moves]  # "before" and "after"
    confidence: NDArray[np.float32] | None  # [T, 24]
    contacts: NDArray[np.float32] | None  # [T, 4], of FOOT_POINTS
    labels: tuple[tuple[int, int, str | None], ...]  # first frame, end, label; frames of the stage
    at: NDArray[np.int32]  # [N] the row of the motions in each frame of the stage, -1: not there


@dataclass(frozen=True)
class Stage:
    """The people of a clip over N frames, and the camera's place in each (or one for all, if it stands still)."""

    clip: Clip
    step: int  # of the clip's frames every so many are shown
    actors: tuple[Actor, ...]
    camera_rotation: NDArray[np.float32]  # [N or 1, 3, 3] from the world to the camera
    camera_position: NDArray[np.float32]  # [N or 1, 3] metres

    @property
    def times(self) -> NDArray[np.float64]:
        """Seconds since the clip's first frame [N]."""
        return self.clip.times[:: self.step]

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Numbers of the frames in the source file [N]."""
        return self.clip.frames[:: self.step]

    @property
    def fps(self) -> float:
        """Frames of the stage per second."""
        return self.clip.first.fps / self.step

    @property
    def extent(self) -> tuple[list[float], list[float]]:
        """The corners of a box around the people's paths, metres; what is far off the rest does not count."""
        near = np.concatenate([actor.motions["after"].pelvis.numpy() for actor in self.actors])
        near = near[np.isfinite(near).all(-1)]
        low, high = (near.min(0), near.max(0)) if len(near) else (np.zeros(3), np.zeros(3))
        return low.tolist(), high.tolist()


def stage_of(clip: Clip, body: Any) -> Stage:
    """The people of a clip in the world that its refiners made, or one made by ``floor_transforms``."""
    transforms = floor_transforms(clip)
    poses = sum(len(person.joints) for person in clip.people)
    step = max(1, -(-poses // MAX_POSES))
    rows = clip.rows[:, ::step]
    actors = tuple(_actor(clip, number, body, *transforms[number], rows[number], step) for number in range(len(clip.people)))
    rotation, position = _cameras(transforms, rows)
    return Stage(clip, step, actors, rotation, position)


def _actor(clip: Clip, number: int, body: Any, turn: Tensor, shift: Tensor, rows: NDArray[np.int64], step: int) -> Actor:
    person = clip.people[number]
    used = np.unique(rows[rows >= 0])
    chosen = torch.from_numpy(used)
    at = np.where(rows >= 0, np.searchsorted(used, rows), -1).astype(np.int32)
    skin = skinning(body, person.params.betas)
    motions = {"before": _placed(person.unadapted[chosen], body, skin, turn[chosen], shift[chosen])}
    if person.world is None:
        motions["after"] = _placed(person.params[chosen], body, skin, turn[chosen], shift[chosen])
    else:
        world = person.world[chosen]
        motions["after"] = Moves(world.params.rotations.detach().cpu().double(), world.joints[:, 0].detach().cpu().double())
    frames = np.flatnonzero(rows >= 0)
    labels = tuple(
        (int(frames[inside[0]]), int(frames[inside[-1]]) + 1, segment.label)
        for segment in person.labels
        if len(inside := np.flatnonzero((used >= segment.start) & (used < segment.stop)))
    )
    several = len(clip.people) > 1
    return Actor(
        name=name_of(person) if several else person.name,
        color=color_of(number),
        skin=skin,
        motions=motions,
        confidence=None if person.confidence is None else person.confidence[chosen].float().numpy(),
        contacts=None if person.world is None else person.world.contacts[chosen].float().numpy(),
        labels=labels,
        at=at,
    )


def _placed(params: BodyParams, body: Any, skin: Skinning, turn: Tensor, shift: Tensor) -> Moves:
    """A motion of the camera frame in the world."""
    rotations = params.rotations.detach().cpu().double()
    pelvis = torch.from_numpy(skin.joints[0]).double().expand(len(rotations), 3)
    if params.translation is not None:
        pelvis = pelvis + params.translation.detach().cpu().double()
    rotations = torch.cat(((turn @ rotations[:, 0])[:, None], rotations[:, 1:]), 1)
    return Moves(rotations, (turn @ pelvis[..., None])[..., 0] + shift)


def _cameras(transforms: list[tuple[Tensor, Tensor]], rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Rotation [N, 3, 3] and position [N, 3] of the camera, of the first person who is there; else as before."""
    count = rows.shape[1]
    rotation, position = np.tile(np.eye(3), (count, 1, 1)), np.zeros((count, 3))
    known = np.zeros(count, bool)
    for (turn, shift), own in zip(transforms, rows, strict=True):
        new = (own >= 0) & ~known
        rotation[new], position[new] = turn.mT.numpy()[own[new]], shift.numpy()[own[new]]
        known |= new
    if known.any():
        last = np.maximum.accumulate(np.where(known, np.arange(count), int(np.argmax(known))))
        rotation, position = rotation[last], position[last]
    if count and np.ptp(rotation, 0).max() < 1e-4 and np.ptp(position, 0).max() < 1e-3:
        rotation, position = rotation[:1], position[:1]
    return rotation.astype(np.float32), position.astype(np.float32)


# --- pictures ---------------------------------------------------------------------------------------------------------


def stage_pictures(stage: Stage, video: Video | None = None) -> Iterator[tuple[int, Image]]:
    """Yield evenly spread frames of the stage and small pictures of them, at most ``MAX_PICTURES``.

    From ``video``, or from the file that the results name if it is still there and has their size; else none.
    """
    clip = stage.clip
    source = _frames_of(clip, video)
    if source is None or not len(clip):
        return
    frames, index = source
    count = len(stage.numbers)
    chosen = np.unique(np.linspace(0, count - 1, min(MAX_PICTURES, count)).round().astype(int))
    wanted = {int(stage.numbers[t]): int(t) for t in chosen}
    width, height = clip.first.size
    scale = min(1.0, PICTURE_PX / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    left = len(wanted)
    try:
        for number, frame in zip(index, frames, strict=False):
            if number in wanted:
                if frame.shape[:2] != (height, width):
                    return
                yield wanted[number], resized(frame, *size)
                left -= 1
            if not left:
                return
    except SemttaError:
        return  # the file is no longer there, or another one


def _frames_of(clip: Clip, video: Video | None) -> tuple[FrameSource, Sequence[int]] | None:
    """Frames and their numbers in the source file."""
    if video is not None:
        index = range(video.num_frames) if video.frame_index is None else video.frame_index.tolist()
        return video.frames, index
    first = clip.first
    path = Path(first.source) if first.source else None
    try:
        if path is None or not path.is_file():
            return None
    except (OSError, ValueError):
        return None
    count = int(clip.frames[-1]) + 1
    return VideoFile(path, count, first.size, np.empty(0), first.fps), range(count)
