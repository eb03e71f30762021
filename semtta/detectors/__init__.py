"""2D keypoints: detectors that look at frames, readers of other programs' files, and who is who over time."""

from . import blazepose, readers, rtmpose, vitpose
from .base import Detections, Detector, KeypointReader, detectors, register
from .keypoints import choose_person, detect_people, read_keypoints, read_people

__all__ = [
    "Detections", "Detector", "KeypointReader", "choose_person", "detect_people", "detectors", "read_keypoints",
    "read_people", "register",
]  # fmt: skip
