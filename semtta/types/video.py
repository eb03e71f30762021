"""One person in one video, and what is known of the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor

from .camera import Camera, CameraPath
from .evidence import Keypoints2D
from .fields import TensorFields
from .motion import BodyParams, SegmentLabel


class FrameSource(Protocol):
    """Re-iterable, lazily decoded frames: uint8 RGB arrays [H, W, 3]."""

    def __iter__(self) -> Iterator[np.ndarray]: ...


@dataclass(frozen=True)
class EvaluationProtocol:
    """How errors are computed; printed with every table, because other choices give other numbers."""

    name: str  # "3dpw/cycleadapt"
    joint_set: str  # of semtta.constants.JOINT_SETS, the joints that are compared
    joints: tuple[int, ...] | None  # those of the set that count; None: all
    root: str  # the joint, or "midhip", that both sides are moved to
    regressor: str  # where the joints come from: "h36m", "smpl24", "annotated"
    gender: str  # of the ground truth's body: "annotated" or "neutral"
    frames: str  # which frames count, in words
    source: str  # publication or code that defines it
    vertices: str = "root"  # MPVPE of meshes relative to the root, "as is", or "none"
    max_beta: float | None = None  # a true shape with a larger |beta| counts as the mean shape; None: as annotated
    bodies: tuple[str, ...] = ()  # body models that the true joints and vertices come from
    limbs: tuple[tuple[int, int], ...] = ()  # pairs of ``joints``, which are LIMBS12 then: directions and jitter are measured too

    @property
    def line(self) -> str:
        """The line that goes with a table."""
        count = "all" if self.joints is None else len(self.joints)
        betas = f"; true shapes beyond {self.max_beta:g} are set to the mean" if self.max_beta is not None else ""
        return (
            f"Protocol {self.name}: {count} joints of {self.joint_set} ({self.regressor}), root {self.root}, {self.gender} "
            f"ground truth, MPVPE {self.vertices}{betas}; frames: {self.frames}; as in {self.source}."
        )


@dataclass(frozen=True)
class GroundTruth(TensorFields):
    """What a dataset knows of one track, camera frame, metres."""

    joints: Tensor  # [T, J, 3]
    joint_set: str = "smpl24"
    params: BodyParams | None = None
    visible: Tensor | None = None  # [T, J] bool, inside the image and not occluded
    valid: Tensor | None = None  # [T] bool, frames to evaluate
    body: str = "open"  # body model that params belong to: "open", "smpl", "smpl-male", "smpl-female"
    protocol: EvaluationProtocol | None = None  # how a result is judged; None: the joints above, see semtta.metrics.evaluate
    camera: Camera | None = None  # that the clip was taken with; None: unknown, so nothing can be projected


@dataclass(frozen=True)
class Video:
    """One person in one video: frames, where the person is, and what was seen of the joints."""

    name: str
    frames: FrameSource
    num_frames: int
    fps: float
    size: tuple[int, int]  # width, height in pixels, as displayed
    keypoints: Keypoints2D | None = None
    boxes: Tensor | None = None  # [T, 3] square boxes: centre x, centre y, side, pixels
    labels: tuple[SegmentLabel, ...] = ()  # labels that came with the clip
    frame_index: Tensor | None = None  # [T] index into the file of each frame used
    ground_truth: GroundTruth | None = None
    source: str = ""  # file it came from
    messages: tuple[str, ...] = ()  # what the user should know of how it was read
    people: int = 0  # in the keypoints that were given; 0: not known
    person: int = 0  # which of them this is
    keypoints_source: str = ""  # file or folder that the keypoints were read from
    times_s: Tensor | None = None  # [T] seconds since the first frame; None: evenly spaced, by fps
    start_s: float = 0.0  # of the first frame, seconds into the file
    cuts: tuple[int, ...] = ()  # frames with which another shot begins
    shot: int = 0  # number in the file of the shot with which it begins
    camera: Camera | None = None  # that the video was taken with, if it is known; None: the estimator's assumption
    camera_path: CameraPath | None = None  # of a camera that moves, [T]; None: it stands still

    def __post_init__(self) -> None:
        """However keypoints came here, joints that are no detections have confidence 0 from here on."""
        if self.keypoints is not None and self.keypoints.xy.shape[:-1] == self.keypoints.confidence.shape:
            object.__setattr__(self, "keypoints", self.keypoints.only_found())


#: In a dataset of several people, a track is a video of one of them.
Track = Video
