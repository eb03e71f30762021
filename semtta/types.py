"""The data that flows through the toolkit: frozen dataclasses of tensors.

Frame conventions: image points are in pixels, x right, y down; the camera frame is metres, x right, y down, z forward;
rotations are matrices, SMPL's kinematic tree, index 0 is the global rotation into the camera frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

import numpy as np
from torch import Tensor


class FrameSource(Protocol):
    """Re-iterable, lazily decoded frames: uint8 RGB arrays [H, W, 3]."""

    def __iter__(self) -> Iterator[np.ndarray]: ...


@dataclass(frozen=True)
class _TensorFields:
    """Mixin: moves and indexes every tensor field of a dataclass at once."""

    def to(self, *args: Any, **kwargs: Any):
        moved = {f.name: v.to(*args, **kwargs) for f in fields(self) if isinstance(v := getattr(self, f.name), Tensor)}
        return replace(self, **moved)

    def __getitem__(self, index: Any):
        """Index the leading (time or batch) dimension of every tensor field."""
        taken = {f.name: v[index] for f in fields(self) if isinstance(v := getattr(self, f.name), Tensor)}
        return replace(self, **taken)


@dataclass(frozen=True)
class Keypoints2D(_TensorFields):
    """2D joints of one person. ``confidence`` 0 (or non-finite ``xy``) means: not seen."""

    xy: Tensor  # [T, J, 2] pixels of the video frame
    confidence: Tensor  # [T, J]
    joint_set: str  # a name of semtta.constants.JOINT_SETS
    source: str = ""  # where they came from, kept with the result

    def __len__(self) -> int:
        return len(self.xy)


@dataclass(frozen=True)
class BodyParams(_TensorFields):
    """SMPL-format parameters."""

    rotations: Tensor  # [..., 24, 3, 3] parent-relative, 0 is global
    betas: Tensor  # [..., 10]
    translation: Tensor | None = None  # [..., 3] metres, added to the posed body


@dataclass(frozen=True)
class Motion(_TensorFields):
    """Pose sequences as a motion prior sees them."""

    rotations: Tensor  # [B, T, 24, 3, 3] parent-relative, 0 is global
    mask: Tensor | None = None  # [B, T] bool, True = real frame; None = all real
    visible: Tensor | None = None  # [B, T, 24] in [0, 1], how far 2D evidence backs each joint; None = unknown
    fps: float = 30.0


@dataclass(frozen=True)
class Segment:
    """A run of frames with one label: frames ``start`` to ``stop`` (exclusive)."""

    start: int
    stop: int
    label: str | None = None  # None: no alignment for this segment
    trust: float = 1.0  # in the label, mean over the frames

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class SegmentLabel:
    """What a labeler said about frames ``start`` to ``stop`` (exclusive)."""

    start: int
    stop: int
    label: str | None  # None: no suitable label
    description: str = ""
    source: str = ""  # labeler, model
    score: float | None = None  # CLIP (or prior) similarity of label and segment
    reason: str = ""  # why the label is what it is: replaced by a near one, refused, failed ...
    trust: float = 1.0  # in [0, 1]: scales the alignment if the setting trust_labels says so


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
class GroundTruth(_TensorFields):
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
class Camera:
    """Pinhole camera of the whole image, fixed over the clip."""

    focal_px: float
    center_px: tuple[float, float]


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


#: In a dataset of several people, a track is a video of one of them.
Track = Video


@dataclass(frozen=True)
class AdaptResult:
    """What adaptation leaves: motion before and after, keypoints before and after, and how it went."""

    name: str
    params: BodyParams  # rotations [T, 24, 3, 3], betas [T, 10], translation [T, 3] metres, camera frame
    joints: Tensor  # [T, 24, 3] metres, camera frame
    keypoints: Keypoints2D  # as updated, pixels of the frame
    history: tuple[dict[str, Any], ...]  # one record per epoch
    labels: tuple[SegmentLabel, ...]
    camera: Camera
    unadapted: BodyParams
    keypoints_before: Keypoints2D
    fps: float
    size: tuple[int, int]
    boxes: Tensor  # [T, 3]
    frame_index: Tensor  # [T]
    body: str
    source: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)  # resolved settings, versions, hashes of weights
    metrics: Mapping[str, Any] = field(default_factory=dict)

    def setting(self, key: str, default: Any = None) -> Any:
        """A resolved setting of the run."""
        return self.config.get("settings", self.config).get(key, default)

    messages: tuple[str, ...] = ()  # what the user should know: labels replaced, frames without evidence ...
    state: Mapping[str, Tensor] | None = None  # adapted weights

    def save(self, folder: Any, video: Video | None = None, body: Any = None) -> Any:
        """Write the files of a run to ``folder`` (see semtta.results)."""
        from .results import save

        return save(self, folder, video=video, body=body)


@dataclass(frozen=True)
class Evidence(_TensorFields):
    """2D joints that supervise: in pixels of the 224 crop."""

    points: Tensor  # [T, J, 2]
    present: Tensor  # [T, J] bool, False: empty (nothing supervises this joint)


@dataclass(frozen=True)
class Prediction:
    """Parameters of N crops."""

    rotations: Tensor  # [N, 24, 3, 3] parent-relative; index 0 into the camera frame
    betas: Tensor  # [N, 10]
    camera: Tensor  # [N, 3] weak perspective (s, tx, ty) of the 224 crop, see geometry.project_to_crop
    extras: Mapping[str, Tensor] = field(default_factory=dict)  # what only training or a method looks at

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.rotations, self.betas, self.camera
