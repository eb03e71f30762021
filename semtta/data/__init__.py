"""Videos: frames, people and their keypoints, the camera, boxes, crops."""

from .boxes import boxes_from_keypoints
from .crops import build_crops
from .frames import ArrayFrames, VideoFile
from .people import Choice, people_table, person_at
from .video import find_keypoints, first_frames, load_people, load_video

__all__ = [
    "ArrayFrames",
    "Choice",
    "VideoFile",
    "boxes_from_keypoints",
    "build_crops",
    "find_keypoints",
    "first_frames",
    "load_people",
    "load_video",
    "people_table",
    "person_at",
]
