"""The people of a video whom a run is about."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from ..data import Choice, VideoFile, load_video
from ..data.detections import detections_key, read_detections, write_detections
from ..data.people_tracks import people_in
from ..data.video import watched_frames, with_tracks
from ..detectors import Detector, detect_people, detectors
from ..errors import SemttaError
from ..pipeline.landmarks import share_landmarks
from ..settings import AdaptConfig
from ..types import Keypoints2D, Progress, Video


@dataclass(frozen=True)
class ClipOfPeople:
    """A video and those of its people whom a run is about, each with the frames in which they are seen."""

    video: Video
    people: list[Video]


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
    who: Choice,
    keypoints: Path | None = None,
    label: str | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    progress: Progress | None = None,
    kept: Path | None = None,
    landmarks: bool = False,
    camera: Mapping[str, Any] | None = None,
) -> ClipOfPeople:
    """The people of a video whom ``who`` means: the frames are decoded once to count them, and once to find everybody.

    ``kept``: the file in which detections are kept, and from which those of the same frames and detector are taken;
    ``landmarks``: whether the run looks at 3D landmarks, see ``landmarks_wanted``; ``camera``: ``focal_px``, ``fov_deg`` or
    ``camera`` as ``load_video`` takes it.

    Raises SemttaError for a video or keypoints that cannot be read, and if nobody is meant.
    """
    video = load_video(path, label=label, progress=progress, start=start_s, end=end_s, **(camera or {}))
    if keypoints is None:
        found = detectors.create(config.detector.name, config.detector.settings)
        tracks = detected(found, video, config, progress, kept, config.detector.name)
        return ClipOfPeople(video, chosen(people_in(video, tracks), who, config, video))
    file = cast(VideoFile, getattr(video.frames, "frames", video.frames))  # of a part the whole
    video, tracks = with_tracks(video, file, keypoints)
    people = chosen(people_in(video, tracks), who, config, video)
    if len(people) > 1:
        people = share_landmarks(video, people, config, landmarks, lambda d, v: detected(d, v, config, progress, kept))
    return ClipOfPeople(video, people)


def chosen(people: Sequence[Video], who: Choice, config: AdaptConfig, video: Video) -> list[Video]:
    """Those of a video's people whom ``who`` means."""
    if who.point is not None and not all(place < side for place, side in zip(who.point, video.size, strict=True)):
        (x, y), (width, height) = who.point, video.size
        raise SemttaError(f"--person {x:g},{y:g} is outside the picture of {width} x {height} pixels: give a place in it.")
    meant = who.of(people)
    if len(meant) > 1 and config.estimator.name.startswith("motion:"):  # a file of one person's motion
        said = "The estimator's motion is one person's: person 0 is adapted alone (--person takes another)."
        return [replace(meant[0], messages=(*meant[0].messages, said))]
    return meant


def detected(
    detector: Detector, video: Video, config: AdaptConfig, progress: Progress | None, kept: Path | None, name: str = ""
) -> list[Keypoints2D]:
    """Everybody whom a detector finds in a video, or found when it looked for the last time.

    ``name``: of the configured detector, which must find somebody; without it is BlazePose, which gives landmarks and need not.
    """
    settings = {"name": name or f"blazepose beside keypoints, {config.detector.name}", **config.detector.settings.model_dump()}
    key = "" if kept is None else detections_key(video, settings)
    tracks = None if kept is None else read_detections(kept, key)
    if tracks is None:
        frames = watched_frames(video, progress)
        found = detect_people(detector, frames, video.num_frames, video.size, name) if name else None
        tracks = detector.detect(frames, video.size) if found is None else found
        if kept is not None:
            write_detections(kept, key, tracks)
    return tracks
