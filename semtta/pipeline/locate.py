"""Where the person is: keypoints, boxes, and the camera of the picture."""

from __future__ import annotations

from dataclasses import replace

from ..data import boxes_from_keypoints, find_keypoints
from ..detectors import detectors
from ..settings import AdaptConfig
from ..types import Progress, Video


def locate(video: Video, config: AdaptConfig, box_scale: float, progress: Progress | None = None) -> Video:
    """The video with keypoints, the detector's if it has none, and with boxes, made from them if it has none.

    ``box_scale``: side of a box / extent of the keypoints, where the settings give none.
    """
    if video.keypoints is None:
        detector = detectors.create(config.detector.name, config.detector.settings)
        video = find_keypoints(video, detector, progress=progress)
    if video.boxes is not None:
        return video
    assert video.keypoints is not None
    scale = config.evidence.box_scale or box_scale
    return replace(video, boxes=boxes_from_keypoints(video.keypoints, config.evidence.threshold, scale, size=video.size))
