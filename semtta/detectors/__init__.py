"""2D keypoints: detectors that look at frames, readers of other programs' files, and who is who over time."""

from .base import Detections, Detector, KeypointReader, detectors, formats, register
from .keypoints import choose_person, detect_people, read_keypoints, read_people
