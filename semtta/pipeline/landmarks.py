"""3D landmarks beside the keypoints: whether a run has any, and whose."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..data.landmarks import landmarks_of
from ..data.video import watched_frames
from ..detectors import detectors
from ..settings import AdaptConfig
from ..types import Progress, Video

NONE, GIVEN, DETECTED = "none", "given", "of the detector"


def landmarks_wanted(config: AdaptConfig, estimator: Any) -> bool:
    """Whether a part of the run looks at landmarks: the estimator, or a loss of some weight."""
    weights = (getattr(part.settings, "weight", 1.0) for part in config.losses if part.name == "landmarks")
    return bool(getattr(estimator, "takes_landmarks", False)) or any(weights)


def landmarks_source(video: Video, config: AdaptConfig, wanted: bool) -> str:
    """Where a run's landmarks come from: ``none``, ``given``, ``of the detector``, or BlazePose beside other keypoints."""
    choice, points = config.evidence.landmarks, video.keypoints
    if choice == "never":
        return NONE
    if points is not None and points.landmarks is not None:
        return GIVEN
    if points is None and config.detector.name == "blazepose":
        return DETECTED
    blazepose = _blazepose(config)
    return f"blazepose {blazepose.model}" if choice == "always" or (wanted and blazepose.is_ready()) else NONE


def find_landmarks(video: Video, config: AdaptConfig, wanted: bool, progress: Progress | None = None) -> Video:
    """A video with keypoints, with the landmarks that the settings want: ``video.keypoints.landmarks``; messages say whose.

    Beside keypoints without landmarks BlazePose runs, if its files are here or ``evidence.landmarks=always``.
    """
    points = video.keypoints
    assert points is not None
    source = landmarks_source(video, config, wanted)
    if source == NONE and config.evidence.landmarks == "auto" and wanted and points.landmarks is None:
        return _told(video, "There are no 3D landmarks: BlazePose is not here ('semtta doctor' says what is missing).")
    if source in (NONE, GIVEN):
        return video if source == GIVEN else replace(video, keypoints=replace(points, landmarks=None))
    people = _blazepose(config).detect(watched_frames(video, progress), video.size)
    found = [marks for one in people if (marks := landmarks_of(points, one)) is not None]
    landmarks = max(found, key=lambda marks: int((marks.confidence > 0).any(-1).sum()), default=None)
    if landmarks is None:
        return _told(video, f"There are no 3D landmarks: {source} does not see the person of the keypoints in any frame.")
    frames = int((landmarks.confidence > 0).any(-1).sum())
    message = (
        f"The 3D landmarks are {source}'s, of the person of the keypoints, in {frames} of {video.num_frames} frames "
        "(evidence.landmarks=never leaves them out)."
    )
    return _told(replace(video, keypoints=replace(points, landmarks=landmarks)), message)


def _blazepose(config: AdaptConfig) -> Any:
    own = config.detector.settings if config.detector.name == "blazepose" else None
    return detectors.create("blazepose", own)


def _told(video: Video, message: str) -> Video:
    return replace(video, messages=(*video.messages, message))
