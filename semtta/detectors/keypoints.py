"""Keypoints of one person from a file or a detector, checked against the video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from ..errors import SemttaError
from ..io.files import reading
from ..io.forms import shown
from ..types import FrameSource, Keypoints2D
from .base import Detections, Detector, formats
from .numbering import align
from .readers.documents import Documents, JsonReader, read_documents
from .readers.refused import unreadable
from .tracks import only_found, to_people

One = TypeVar("One")

#: Characters of a message.
LONGEST = 300
#: Joints above this confidence must lie inside the image ...
_SEEN = 0.3
#: ... plus a margin of this fraction of its longer side ...
_MARGIN = 0.02
#: ... except for this fraction of them: people who walk out of the image.
_OUTSIDE = 0.2


@dataclass(frozen=True)
class People:
    """Everyone in a keypoint file, the largest and longest track first, and what was assumed in reading it."""

    people: list[Keypoints2D]  # [T, J] each
    messages: tuple[str, ...] = ()
    source: str = ""  # the file or folder; empty for arrays


def read_keypoints(
    path: str | Path, num_frames: int, size: tuple[int, int], person: int = 0, may_be_longer: bool = False
) -> Keypoints2D:
    """One person's keypoints [T, J] from a file in any supported format; see ``load``."""
    return choose_person(read_people(path, num_frames, size, may_be_longer), person, str(path))


def read_people(path: str | Path, num_frames: int, size: tuple[int, int], may_be_longer: bool = False) -> list[Keypoints2D]:
    """Everyone in a keypoint file; see ``load``."""
    return load(path, num_frames, size, may_be_longer).people


def load(path: str | Path, num_frames: int, size: tuple[int, int], may_be_longer: bool = False) -> People:
    """Everyone in a keypoint file, the largest and longest track first.

    Args:
        path: folder or zip of OpenPose JSON, npz, the JSON of another program (``semtta.detectors.readers``), or a plug-in's
            format.
        num_frames: T of the video.
        size: width and height of the video, pixels.
        may_be_longer: the video is truncated, so keypoints beyond its last frame are dropped rather than refused.

    Returns:
        One Keypoints2D [T, J] per person; confidence 0 where a frame has no keypoints, and for joints that were not found
        (``semtta.types.not_found``).

    Raises:
        SemttaError: unknown format, damaged file, no person in it, another number of frames, another image size.
    """
    path = Path(path)
    with _one_line(), reading(shown(path), "a file of keypoints that can be read"):
        if not path.exists():
            raise SemttaError(f"No keypoints at {shown(path, 160)}: there is no such file or folder.")
        name, detections = _recognise(path)
        found = _linked(detections, num_frames, size, may_be_longer, path, f"{name}: {path.name}")
        return replace(found, source=str(path))


def from_arrays(values: np.ndarray, num_frames: int, size: tuple[int, int], may_be_longer: bool = False) -> People:
    """Everyone in an array [T, J, 3] or [T, P, J, 3] of x, y (pixels) and confidence; J is 25, 18 or 17. See ``load``."""
    from .readers.npz import from_array

    place = Path("the keypoints given")
    return _linked(from_array(np.asarray(values), str(place)), num_frames, size, may_be_longer, place, "given")


def _linked(
    detections: Detections, num_frames: int, size: tuple[int, int], may_be_longer: bool, path: Path, source: str
) -> People:
    frames, messages = align(detections, num_frames, may_be_longer, path)
    given = [np.array(detections.poses.get(frame, np.zeros((0, 0, 3))), dtype=np.float64) for frame in frames]
    if not any(len(people) for people in given):
        raise SemttaError(f"{shown(path)}: no person in any frame. Give keypoints of a video with a person in it.")
    poses = [only_found(people) * (*(size if detections.normalised else (1, 1)), 1) for people in given]
    if not any(people.any() for people in poses):  # people without a single joint: nothing to track
        if not all((people[..., 2] == 0).all() for people in given):
            raise SemttaError(
                f"{shown(path)}: every joint is at (0, 0), NaN or infinite, or has no confidence. Give x, y in pixels and a "
                "confidence above 0 of the joints that were found."
            )
        joints = next(people.shape[1] for people in poses if len(people))
        nobody = Keypoints2D(torch.zeros(num_frames, joints, 2), torch.zeros(num_frames, joints), detections.joint_set, source)
        return People([nobody], tuple(messages))
    kept = [np.flatnonzero((people[..., 2] > 0).any(-1)).tolist() for people in poses]  # those with at least one joint
    ids = detections.ids
    names = None if ids is None else [[ids[n][i] for i in keep] for n, keep in zip(frames, kept, strict=True)]
    poses = [people[keep] for people, keep in zip(poses, kept, strict=True)]
    tracks = to_people(poses, detections.joint_set, source, names)
    _check_size(detections, tracks[0], size, path)
    return People(tracks, tuple(messages))


def detect_people(
    detector: Detector, frames: FrameSource, num_frames: int, size: tuple[int, int], name: str = ""
) -> list[Keypoints2D]:
    """Run a detector over the frames: one Keypoints2D [T, J] per person.

    Raises SemttaError if it finds nobody, or returns another number of frames. ``name`` is used in the message.
    """
    name = name or type(detector).__name__
    found: Any = detector.detect(frames, size)
    people = [found] if isinstance(found, Keypoints2D) else list(found)  # one person may come without a list
    if not people:
        raise SemttaError(f"Detector '{name}' finds nobody in the video. Try another detector, or give keypoints.")
    for one in people:
        if len(one) != num_frames:
            raise SemttaError(f"Detector '{name}' gave keypoints for {len(one)} of {num_frames} frames.")
    return people


def choose_person(people: Sequence[One], person: int, where: str) -> One:
    """``people[person]``; raises SemttaError with the number of people if there is no such person."""
    if not 0 <= person < len(people):
        known = "1 person (0 is the only choice)" if len(people) == 1 else f"{len(people)} people (0 to {len(people) - 1})"
        raise SemttaError(f"There is no person {person}: {where} has {known}.")
    return people[person]


@contextmanager
def _one_line() -> Iterator[None]:
    """Whatever a file or a plug-in says of it, messages are one line that can be printed and read."""
    try:
        yield
    except SemttaError as error:
        raise SemttaError(shown(error, LONGEST)) from error


def _recognise(path: Path) -> tuple[str, Detections]:
    """The name of the format, and the detections; those of other packages are asked first."""
    documents: Documents | None = None
    for name in sorted(formats.names(), key=formats.is_included):
        reader = formats.create(name)
        if isinstance(reader, JsonReader):  # they share what was parsed
            documents = documents or read_documents(path)
            found = None if documents is None else reader.interpret(documents)
        else:
            found = reader.read(path)
        if found is not None:
            return name, found
    raise unreadable(path)


def _check_size(detections: Detections, track: Keypoints2D, size: tuple[int, int], path: Path) -> None:
    if detections.size is not None and detections.size != size:
        raise SemttaError(
            f"{shown(path)} was made on images of {detections.size[0]} x {detections.size[1]} pixels, the video has {size[0]} x "
            f"{size[1]}. Give keypoints made on this video file."
        )
    xy = track.xy[track.confidence > _SEEN].numpy()
    if len(xy) and np.abs(xy).max() <= 2:
        cure = "Give pixels: multiply by the video's width and height."
        if xy.min() < 0:
            cure = "Give pixels: OpenPose without --keypoint_scale 4."
        raise SemttaError(f"{shown(path)}: coordinates are between {-1 if xy.min() < 0 else 0} and 1. {cure}")
    margin = _MARGIN * max(size)
    outside = ((xy < -margin) | (xy > np.array(size) + margin)).any(-1)
    if len(xy) and outside.mean() > _OUTSIDE:
        raise SemttaError(
            f"{shown(path)}: {outside.mean():.0%} of the joints lie outside the video's {size[0]} x {size[1]} pixels (they "
            f"reach {xy[:, 0].max():.0f}, {xy[:, 1].max():.0f}). Give keypoints made on this video file; "
            "joints outside the image get confidence 0."
        )
