"""The data that flows through the toolkit: frozen dataclasses of tensors.

Frame conventions: image points are in pixels, x right, y down; the camera frame is metres, x right, y down, z forward;
rotations are matrices, SMPL's kinematic tree, index 0 is the global rotation into the camera frame.
"""

from .camera import Camera, CameraPath
from .evidence import Evidence, FrameBatch, Keypoints2D, Landmarks3D, frame_times, not_found
from .fields import PER_CLIP, Progress, TensorFields
from .motion import BodyParams, Motion, Prediction, Segment, SegmentLabel
from .result import FOOT_POINTS, Result, World
from .video import EvaluationProtocol, FrameSource, GroundTruth, Track, Video

__all__ = [
    "FOOT_POINTS",
    "PER_CLIP",
    "BodyParams",
    "Camera",
    "CameraPath",
    "EvaluationProtocol",
    "Evidence",
    "FrameBatch",
    "FrameSource",
    "GroundTruth",
    "Keypoints2D",
    "Landmarks3D",
    "Motion",
    "Prediction",
    "Progress",
    "Result",
    "Segment",
    "SegmentLabel",
    "TensorFields",
    "Track",
    "Video",
    "World",
    "frame_times",
    "not_found",
]
