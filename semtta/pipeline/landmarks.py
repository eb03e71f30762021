"""3D landmarks beside the keypoints: whether a run has any, and whose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from ..constants import BLAZEPOSE33
from ..data.landmarks import landmarks_among
from ..data.video import watched_frames
from ..detectors import detectors
from ..settings import AdaptConfig
from ..types import Keypoints2D, Landmarks3D, Progress, Video

NONE, GIVEN, DETECTED = "none", "given", "of the detector"
NOBODY = "There are no 3D landmarks: {} does not see the person of the keypoints in any frame."


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
    landmarks = landmarks_among(points, people)
    if landmarks is None:
        return _told(video, NOBODY.format(source))
    return _with_landmarks(video, landmarks, source)


def share_landmarks(
    video: Video, people: Sequence[Video], config: AdaptConfig, wanted: bool, detect: Callable[[Any, Video], list[Keypoints2D]]
) -> list[Video]:
    """The people of a clip with the landmarks that ``find_landmarks`` would give each, but BlazePose runs once for all of them.

    ``video``: the clip with all its frames; ``detect``: runs a detector over it.
    """
    source = landmarks_source(people[0], config, wanted)
    if source in (NONE, GIVEN, DETECTED):
        return list(people)
    found, done = detect(_blazepose(config), video), []
    first = 0 if video.frame_index is None else int(video.frame_index[0])
    for one in people:
        rows = slice(None) if one.frame_index is None else one.frame_index - first
        points = one.keypoints
        assert points is not None
        landmarks = landmarks_among(points, [person[rows] for person in found])
        if landmarks is None:  # what is not seen; BlazePose need not look for it again
            count = len(BLAZEPOSE33)
            unseen = Landmarks3D(torch.zeros(len(points), count, 3), torch.zeros(len(points), count), "blazepose33", source)
            done.append(_told(replace(one, keypoints=replace(points, landmarks=unseen)), NOBODY.format(source)))
        else:
            done.append(_with_landmarks(one, landmarks, source))
    return done


def _with_landmarks(video: Video, landmarks: Landmarks3D, source: str) -> Video:
    assert video.keypoints is not None
    frames = int((landmarks.confidence > 0).any(-1).sum())
    message = (
        f"The 3D landmarks are {source}'s, of the person of the keypoints, in {frames} of {video.num_frames} frames "
        "(evidence.landmarks=never leaves them out)."
    )
    return _told(replace(video, keypoints=replace(video.keypoints, landmarks=landmarks)), message)


def _blazepose(config: AdaptConfig) -> Any:
    own = config.detector.settings if config.detector.name == "blazepose" else None
    return detectors.create("blazepose", own)


def _told(video: Video, message: str) -> Video:
    return replace(video, messages=(*video.messages, message))
