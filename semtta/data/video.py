"""``load_video``: a video file and one person's keypoints as a Video."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from ..constants import joint_set
from ..detectors import Detector, choose_person, detect_people, detectors, formats, from_arrays, load
from ..errors import SemttaError
from ..io.forms import shown
from ..types import Camera, FrameSource, Keypoints2D, Progress, SegmentLabel, Video
from .cameras import KnownCamera, known_camera
from .crops import check_boxes
from .frames import VideoFile
from .parts import part
from .people_tracks import people_in

#: Keypoints of a whole file.
Given: TypeAlias = str | Path | Keypoints2D | np.ndarray | Tensor


def load_video(
    path: str | Path,
    keypoints: Given | None = None,
    label: str | None = None,
    person: int = 0,
    detector: str | Detector | None = None,
    boxes: Tensor | None = None,
    progress: Progress | None = None,
    start: float | None = None,
    end: float | None = None,
    focal_px: float | None = None,
    fov_deg: float | None = None,
    camera: str | Path | Camera | None = None,
) -> Video:
    """Open a video and the 2D keypoints of one person in it.

    Frames are upright (the display rotation is applied), decoded from the file whenever they are iterated, and never all in
    memory. The file is decoded once here, to count its frames and to find its cuts. With keypoints the video is that person's,
    as ``load_people`` gives it: its frames are those from the first to the last in which they are seen.

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
        boxes: [T, 3] square boxes (centre x, centre y, side; pixels) of all frames of the file; None: computed later from the
            keypoints, with the estimator's margin.
        progress: follows the decoding.
        start, end: seconds into the file; frames outside are not looked at.
        focal_px, fov_deg, camera: the camera, as ``semtta.data.cameras.known_camera`` takes it; None: what the file's metadata
            says, or nothing.

    Returns:
        Video; its ``messages`` report anything unusual (truncated file, variable frame rate, frames without the person ...).

    Raises:
        SemttaError: the file is not a video, or the keypoints do not belong to it.
    """
    file = VideoFile.open(path, progress)
    known = known_camera(file.path, file.size, file.num_frames, focal_px, fov_deg, camera)
    video = _opened(file, path, label, person, None if boxes is None else _check_video_boxes(boxes, file), start, end, known)
    if keypoints is None:
        return video if detector is None else find_keypoints(video, detector, person, progress)
    video, tracks = with_tracks(video, file, keypoints)
    where = str(keypoints) if isinstance(keypoints, (str, Path)) else "the array"
    return choose_person(people_in(video, tracks), person, where)


def load_people(
    path: str | Path,
    keypoints: Given | None = None,
    label: str | None = None,
    detector: str | Detector = "blazepose",
    progress: Progress | None = None,
    start: float | None = None,
    end: float | None = None,
    focal_px: float | None = None,
    fov_deg: float | None = None,
    camera: str | Path | Camera | None = None,
) -> list[Video]:
    """Everybody in a video who is seen for at least a second (or half of a shorter clip): at most 10, the largest first.

    A person's Video has the frames from the first to the last in which they are seen: ``frame_index`` [T] says which of the
    file, ``frames`` gives no others, ``start_s`` is when it begins. Frames in between without evidence (less than a second in a
    row) have keypoints of confidence 0. A cut, a longer gap, or a jump further than a person moves ends a person; who is seen
    after it is another one. ``person`` is the number in the list, ``people`` its length; ``messages`` say what was left out.

    Args:
        path, keypoints, label, progress, start, end, focal_px, fov_deg, camera: as of ``load_video``; the keypoints may be of any
            number of people.
        detector: a detector, or its name, to run if there are no ``keypoints``.

    Raises:
        SemttaError: the file is not a video, the keypoints do not belong to it, there are no frames between start and end, or
            nobody is seen.
    """
    file = VideoFile.open(path, progress)
    known = known_camera(file.path, file.size, file.num_frames, focal_px, fov_deg, camera)
    video = _opened(file, path, label, 0, None, start, end, known)
    tracks = None
    if keypoints is not None:
        video, tracks = with_tracks(video, file, keypoints)
    people = people_in(video, _detected(video, detector, progress) if tracks is None else tracks)
    if not any(one.keypoints is not None and bool((one.keypoints.confidence > 0).any()) for one in people):
        raise SemttaError(f"Nobody is seen in any frame of {shown(path)}: give keypoints of its people, or a video with people.")
    return people


def with_tracks(video: Video, file: VideoFile, keypoints: Given) -> tuple[Video, list[Keypoints2D]]:
    """The tracks [T] in keypoints of the whole file, for the frames of a video of it; the video with what was said of them."""
    first = int(video.frame_index[0]) if video.frame_index is not None else 0
    rows = slice(first, first + video.num_frames)
    if isinstance(keypoints, Keypoints2D):
        return video, [_check_keypoints(keypoints, file)[rows]]
    if isinstance(keypoints, (np.ndarray, Tensor)):
        found = from_arrays(np.asarray(keypoints), file.num_frames, file.size, not file.whole)
    else:
        found = load(keypoints, file.num_frames, file.size, not file.whole)
    video = replace(video, keypoints_source=found.source, messages=(*video.messages, *found.messages))
    return video, [one[rows] for one in found.people]


def _opened(
    file: VideoFile,
    path: str | Path,
    label: str | None,
    person: int,
    boxes: Tensor | None,
    start: float | None,
    end: float | None,
    known: KnownCamera,
) -> Video:
    """The video of a file between two moments, without keypoints."""
    video = Video(
        name=file.path.stem,
        frames=file,
        num_frames=file.num_frames,
        fps=file.fps,
        size=file.size,
        boxes=boxes,
        labels=(SegmentLabel(0, file.num_frames, label.strip(), source="given"),) if label and label.strip() else (),
        frame_index=torch.arange(file.num_frames),
        source=str(path),
        messages=(*file.messages, *known.messages),
        person=person,
        times_s=torch.from_numpy(file.times_s) if file.varies else None,
        camera=known.camera,
        camera_path=known.path,
        cuts=file.cuts,
    )
    if start is None and end is None:
        return video
    inside = np.flatnonzero((file.times_s >= (start or 0.0) - 1e-6) & (file.times_s < (np.inf if end is None else end) - 1e-6))
    if not len(inside):
        length = file.times_s[-1] + 1 / file.fps
        between = f"from {start or 0:g} to {length if end is None else end:g} s"
        raise SemttaError(f"There is no frame {between}: {shown(path)} lasts {length:.1f} s.")
    return part(video, int(inside[0]), int(inside[-1]) + 1)


def find_keypoints(
    video: Video, detector: str | Detector = "blazepose", person: int | None = None, progress: Progress | None = None
) -> Video:
    """The video with one person's keypoints [T, J] from a detector.

    Args:
        video: its frames are read once; the one that is returned has those in which the person is seen.
        detector: a detector, or its name.
        person: 0 is the largest and longest track; None: the video's.
        progress: follows the frames.
    """
    people = people_in(video, _detected(video, detector, progress))
    return choose_person(people, video.person if person is None else person, video.source or video.name)


def _detected(video: Video, detector: str | Detector, progress: Progress | None) -> list[Keypoints2D]:
    if isinstance(detector, str) and detector in formats:
        raise SemttaError(f"'{detector}' reads keypoint files and cannot detect: give its files as keypoints.")
    built = detectors.create(detector) if isinstance(detector, str) else detector
    name = detector if isinstance(detector, str) else ""
    return detect_people(built, watched_frames(video, progress), video.num_frames, video.size, name)


def watched_frames(video: Video, progress: Progress | None) -> FrameSource:
    """The video's frames, which know their rate and tell ``progress`` how many of them a detector has read."""
    return _Watched(video.frames, video.num_frames, video.fps, progress)


def first_frames(video: Video, count: int | None) -> Video:
    """The first ``count`` frames of a video with their annotations; the video itself if it is not longer."""
    return video if count is None or video.num_frames <= count else part(video, 0, count)


class _Watched:
    """Frames with their rate that report how many of them have been read."""

    def __init__(self, frames: FrameSource, count: int, fps: float, progress: Progress | None) -> None:
        self._frames, self._count, self.fps, self._progress = frames, count, fps, progress

    def __iter__(self) -> Iterator[np.ndarray]:
        for done, frame in enumerate(self._frames, 1):
            yield frame
            if self._progress is not None:
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
