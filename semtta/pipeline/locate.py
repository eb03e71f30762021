"""Where the person is: keypoints, boxes, and the camera of the picture."""

from __future__ import annotations

from dataclasses import replace

from ..data import boxes_from_keypoints, find_keypoints
from ..data.swaps import repair_swaps
from ..detectors import detectors
from ..settings import AdaptConfig
from ..types import Progress, Video
from .landmarks import find_landmarks

#: Runs of swapped frames that a message tells of.
MOST = 6


def locate(
    video: Video, config: AdaptConfig, box_scale: float, progress: Progress | None = None, box_aspect: float = 1.0,
    landmarks: bool = False,
) -> Video:  # fmt: skip
    """The video with keypoints, the detector's if it has none, and with boxes, made from them if it has none.

    Boxes that came with the video are taken for squares that a person of any shape may fill, so a network that looks at the
    middle of its crop only gets them larger, as in 4D-Humans.

    ``box_scale``: side of a box / extent of the keypoints, where the settings give none; ``box_aspect`` as of ``Estimator``;
    ``landmarks``: whether the run looks at 3D landmarks.
    """
    if video.keypoints is None:
        detector = detectors.create(config.detector.name, config.detector.settings)
        video = find_keypoints(video, detector, progress=progress)
    if config.evidence.repair_swaps:
        video = _repaired(video)
    video = find_landmarks(video, config, landmarks, progress)
    if video.boxes is not None:
        return video if box_aspect <= 1 else replace(video, boxes=video.boxes * video.boxes.new_tensor((1, 1, box_aspect)))
    assert video.keypoints is not None
    scale, threshold = config.evidence.box_scale or box_scale, config.evidence.threshold
    boxes = boxes_from_keypoints(video.keypoints, threshold, scale, size=video.size, aspect=box_aspect)
    return replace(video, boxes=boxes)


def _repaired(video: Video) -> Video:
    """The video with joints swapped back where left and right had changed places, and a message that says where."""
    assert video.keypoints is not None
    keypoints, swaps = repair_swaps(video.keypoints)
    if not swaps:
        return video
    more = f" and {len(swaps) - MOST} more" if len(swaps) > MOST else ""
    message = (
        f"Left and right of the keypoints were swapped back in frames: {', '.join(map(str, swaps[:MOST]))}{more} "
        "(evidence.repair_swaps=false keeps them as they are)."
    )
    return replace(video, keypoints=keypoints, messages=(*video.messages, message))
