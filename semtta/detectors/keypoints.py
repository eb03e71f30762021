"""Keypoints of one person from a file or a detector, checked against the video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import SemttaError
from ..types import FrameSource, Keypoints2D
from .base import Detections, Detector, formats
from .tracks import to_people

#: Joints above this confidence must lie inside the image ...
_SEEN = 0.3
#: ... plus a margin of this fraction of its longer side ...
_MARGIN = 0.02
#: ... except for this fraction of them: people who walk out of the image.
_OUTSIDE = 0.2


def read_keypoints(
    path: str | Path, num_frames: int, size: tuple[int, int], person: int = 0, may_be_longer: bool = False
) -> Keypoints2D:
    """One person's keypoints [T, J] from a file in any supported format; see ``read_people``."""
    return choose_person(read_people(path, num_frames, size, may_be_longer), person, str(path))


def read_people(path: str | Path, num_frames: int, size: tuple[int, int], may_be_longer: bool = False) -> list[Keypoints2D]:
    """Everyone in a keypoint file, the largest and longest track first.

    Args:
        path: folder or zip of OpenPose JSON, npz, COCO or AlphaPose JSON, or a plug-in's format.
        num_frames: T of the video.
        size: width and height of the video, pixels.
        may_be_longer: the video is truncated, so keypoints beyond its last frame are dropped rather than refused.

    Returns:
        One Keypoints2D [T, J] per person; confidence 0 where a frame has no keypoints.

    Raises:
        SemttaError: unknown format, damaged file, no person in it, NaN, another number of frames, another image size.
    """
    path = Path(path)
    if not path.exists():
        raise SemttaError(f"No keypoints at {path}: there is no such file or folder.")
    name, detections = _recognise(path)
    frames = _align(detections, num_frames, may_be_longer, path)
    poses = []
    for frame in range(num_frames):
        people = np.array(detections.poses.get(frames[frame], np.zeros((0, 0, 3))), dtype=np.float64)
        unseen = people[..., 2] == 0
        if not np.isfinite(people[~unseen]).all():
            raise SemttaError(
                f"{path}: NaN or infinite keypoints in frame {frame}. Give joints that were not detected confidence 0."
            )
        people[unseen] = 0.0
        poses.append(people)
    if not any(len(people) for people in poses):
        raise SemttaError(f"{path}: no person in any frame. Give keypoints of a video with a person in it.")
    source = f"{name}: {path.name}"
    if not any((people[..., 2] > 0).any() for people in poses):  # people without a single joint: nothing to track
        joints = next(people.shape[1] for people in poses if len(people))
        return [Keypoints2D(torch.zeros(num_frames, joints, 2), torch.zeros(num_frames, joints), detections.joint_set, source)]
    kept = [np.flatnonzero((people[..., 2] > 0).any(-1)).tolist() for people in poses]  # those with at least one joint
    ids = detections.ids
    names = None if ids is None else [[ids[n][i] for i in keep] for n, keep in zip(frames, kept, strict=True)]
    poses = [people[keep] for people, keep in zip(poses, kept, strict=True)]
    tracks = to_people(poses, detections.joint_set, source, names)
    _check_size(detections, tracks[0], size, path)
    return tracks


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


def choose_person(people: Sequence[Keypoints2D], person: int, where: str) -> Keypoints2D:
    """``people[person]``; raises SemttaError with the number of people if there is no such person."""
    if not 0 <= person < len(people):
        known = "1 person (0 is the only choice)" if len(people) == 1 else f"{len(people)} people (0 to {len(people) - 1})"
        raise SemttaError(f"There is no person {person}: {where} has {known}.")
    return people[person]


def _recognise(path: Path) -> tuple[str, Detections]:
    for name in sorted(formats.names(), key=formats.is_included):  # those of other packages first
        if (detections := formats.create(name).read(path)) is not None:
            return name, detections
    raise SemttaError(
        f"{path} is in no known keypoint format: give a folder or zip of OpenPose JSON, an npz, or a COCO or AlphaPose JSON."
    )


def _align(detections: Detections, num_frames: int, may_be_longer: bool, path: Path) -> list[int]:
    """The file's number of each video frame: counted from 0, or from 1 if only that fits."""
    count = detections.num_frames
    if detections.missing_at_end and count == num_frames + 1 and min(detections.poses) >= 1:
        return list(range(1, num_frames + 1))
    too_many = count > num_frames and not may_be_longer
    if too_many or count < (1 - detections.missing_at_end) * num_frames:
        raise SemttaError(f"{path} has keypoints for {count} frames, the video has {num_frames}. Give those of this video.")
    return list(range(num_frames))


def _check_size(detections: Detections, track: Keypoints2D, size: tuple[int, int], path: Path) -> None:
    if detections.size is not None and detections.size != size:
        raise SemttaError(
            f"{path} was made on images of {detections.size[0]} x {detections.size[1]} pixels, the video has {size[0]} x "
            f"{size[1]}. Give keypoints made on this video file."
        )
    xy = track.xy[track.confidence > _SEEN].numpy()
    if len(xy) and np.abs(xy).max() <= 2:
        raise SemttaError(f"{path}: coordinates are between 0 and 1. Give pixels: multiply by the video's width and height.")
    margin = _MARGIN * max(size)
    outside = ((xy < -margin) | (xy > np.array(size) + margin)).any(-1)
    if len(xy) and outside.mean() > _OUTSIDE:
        raise SemttaError(
            f"{path}: {outside.mean():.0%} of the joints lie outside the video's {size[0]} x {size[1]} pixels (they "
            f"reach {xy[:, 0].max():.0f}, {xy[:, 1].max():.0f}). Give keypoints made on this video file; "
            "joints outside the image get confidence 0."
        )
