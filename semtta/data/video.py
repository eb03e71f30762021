"""``load_video``: a video file and one person's keypoints as a Video."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..constants import joint_set
from ..detectors import Detector, choose_person, detect_people, detectors, formats, from_arrays, load
from ..errors import SemttaError
from ..types import Camera, FrameSource, Keypoints2D, Progress, SegmentLabel, Video
from .cameras import known_camera
from .crops import check_boxes
from .frames import VideoFile


def load_video(
    path: str | Path,
    keypoints: str | Path | Keypoints2D | np.ndarray | Tensor | None = None,
    label: str | None = None,
    person: int = 0,
    detector: str | Detector | None = None,
    boxes: Tensor | None = None,
    progress: Progress | None = None,
    focal_px: float | None = None,
    fov_deg: float | None = None,
    camera: str | Path | Camera | None = None,
) -> Video:
    """Open a video and the 2D keypoints of one person in it.

    Frames are upright (the display rotation is applied), decoded from the file whenever they are iterated, and never all in
    memory. The file is decoded once here, to count its frames.

    >>> from semtta.runs.demo import CLIP
    >>> video = load_video(CLIP / "walk.mp4", keypoints=CLIP / "keypoints.npz", label="walking")
    >>> video.num_frames, video.size, video.keypoints.joint_set, video.labels[0].label
    (120, (640, 480), 'body25', 'walking')

    Args:
        path: any video that FFmpeg decodes; pixels are assumed to be square.
        keypoints: folder or zip of OpenPose JSON, npz, or the JSON of another program (``semtta.detectors.load``); Keypoints2D
            [T, J], or an array [T, J, 3] (x, y, confidence) of 25, 18 or 17 joints, in pixels of the displayed video; None: the
            detector's, or none.
        label: what the person does, in words, for the whole clip.
        person: index of the person, if there are several; 0 is the largest and longest track.
        detector: a detector, or its name, to run if there are no ``keypoints``.
        boxes: [T, 3] square boxes (centre x, centre y, side; pixels); None: computed later from the keypoints,
            with the estimator's margin.
        progress: follows the decoding.
        focal_px, fov_deg, camera: the camera, as ``semtta.data.cameras.known_camera`` takes it; None: what the file's metadata
            says, or nothing.

    Returns:
        Video; its ``messages`` report anything unusual (truncated file, variable frame rate ...).

    Raises:
        SemttaError: the file is not a video, or the keypoints do not belong to it.
    """
    file = VideoFile.open(path, progress)
    known = known_camera(file.path, file.size, file.num_frames, focal_px, fov_deg, camera)
    video = Video(
        name=file.path.stem,
        frames=file,
        num_frames=file.num_frames,
        fps=file.fps,
        size=file.size,
        boxes=None if boxes is None else _check_video_boxes(boxes, file),
        labels=(SegmentLabel(0, file.num_frames, label.strip(), source="given"),) if label and label.strip() else (),
        frame_index=torch.arange(file.num_frames),
        source=str(path),
        messages=(*file.messages, *known.messages),
        person=person,
        times_s=torch.from_numpy(file.times_s) if file.varies else None,
        camera=known.camera,
        camera_path=known.path,
    )
    if isinstance(keypoints, Keypoints2D):
        return replace(video, keypoints=_check_keypoints(keypoints, file))
    if keypoints is not None:
        where, may_be_longer = "the array", not file.whole
        if isinstance(keypoints, (np.ndarray, Tensor)):
            found = from_arrays(np.asarray(keypoints), file.num_frames, file.size, may_be_longer)
        else:
            where, found = str(keypoints), load(keypoints, file.num_frames, file.size, may_be_longer)
        return replace(
            video, keypoints=choose_person(found.people, person, where), people=len(found.people),
            keypoints_source=found.source, messages=(*video.messages, *found.messages),
        )  # fmt: skip
    return video if detector is None else find_keypoints(video, detector, person, progress)


def find_keypoints(
    video: Video, detector: str | Detector = "blazepose", person: int | None = None, progress: Progress | None = None
) -> Video:
    """The video with one person's keypoints [T, J] from a detector.

    Args:
        video: its frames are read once.
        detector: a detector, or its name.
        person: 0 is the largest and longest track; None: the video's.
        progress: follows the frames.
    """
    if isinstance(detector, str) and detector in formats:
        raise SemttaError(f"'{detector}' reads keypoint files and cannot detect: give its files as keypoints.")
    built = detectors.create(detector) if isinstance(detector, str) else detector
    frames = watched_frames(video, progress)
    name = detector if isinstance(detector, str) else ""
    people = detect_people(built, frames, video.num_frames, video.size, name)
    return replace(video, keypoints=choose_person(people, video.person if person is None else person, video.source or video.name))


def watched_frames(video: Video, progress: Progress | None) -> FrameSource:
    """The video's frames, which tell ``progress`` how many of them a detector has read."""
    return video.frames if progress is None else _Watched(video.frames, video.num_frames, progress)


@dataclass(frozen=True)
class _FirstFrames:
    frames: FrameSource
    count: int

    def __iter__(self) -> Iterator[np.ndarray]:
        return islice(iter(self.frames), self.count)


def first_frames(video: Video, count: int | None) -> Video:
    """The first ``count`` frames of a video with their annotations; the video itself if it is not longer."""
    if count is None or video.num_frames <= count:
        return video
    labels = tuple(replace(label, stop=min(label.stop, count)) for label in video.labels if label.start < count)
    truth, keypoints = video.ground_truth, video.keypoints
    return replace(
        video, frames=_FirstFrames(video.frames, count), num_frames=count, labels=labels,
        ground_truth=None if truth is None else truth[:count], keypoints=None if keypoints is None else keypoints[:count],
        boxes=None if video.boxes is None else video.boxes[:count],
        frame_index=None if video.frame_index is None else video.frame_index[:count],
        times_s=None if video.times_s is None else video.times_s[:count],
        camera_path=None if video.camera_path is None else video.camera_path[:count],
    )  # fmt: skip


class _Watched:
    """Frames that report how many of them have been read."""

    def __init__(self, frames: FrameSource, count: int, progress: Progress) -> None:
        self._frames, self._count, self._progress = frames, count, progress

    def __iter__(self) -> Iterator[np.ndarray]:
        for done, frame in enumerate(self._frames, 1):
            yield frame
            self._progress("finding keypoints", done, self._count)


def _check_keypoints(keypoints: Keypoints2D, file: VideoFile) -> Keypoints2D:
    xy, confidence, joints = tuple(keypoints.xy.shape), tuple(keypoints.confidence.shape), len(joint_set(keypoints.joint_set))
    if xy != (*confidence, 2) or confidence[1:] != (joints,):
        raise SemttaError(
            f"Keypoints are {list(xy)} with confidences {list(confidence)}: expected [T, {joints}, 2] and [T, {joints}]."
        )
    if len(keypoints) != file.num_frames and not (len(keypoints) > file.num_frames and not file.whole):
        raise SemttaError(
            f"Keypoints are for {len(keypoints)} frames, {file.path} has {file.num_frames}. Give those of this video."
        )
    return keypoints[: file.num_frames]


def _check_video_boxes(boxes: Tensor, file: VideoFile) -> Tensor:
    if tuple(boxes.shape) != (file.num_frames, 3):
        raise SemttaError(f"Boxes are {list(boxes.shape)}, {file.path} has {file.num_frames} frames: expected [T, 3].")
    return check_boxes(boxes, file.size).float()
