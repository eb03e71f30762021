"""2D keypoints: detectors, readers of other programs' keypoint files, and tracking of people over time."""

from .base import Detections, Detector, KeypointReader, detectors, formats, register
from .keypoints import People, choose_person, detect_people, from_arrays, load, read_keypoints, read_people
