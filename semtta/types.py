"""The data that flows through the toolkit: frozen dataclasses of tensors.

Frame conventions: image points are in pixels, x right, y down; the camera frame is metres, x right, y down, z forward;
rotations are matrices, SMPL's kinematic tree, index 0 is the global rotation into the camera frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from typing_extensions import Self

#: Called with what is being done, the steps done, and the steps in all (0: not known).
Progress = Callable[[str, int, int], None]


class FrameSource(Protocol):
    """Re-iterable, lazily decoded frames: uint8 RGB arrays [H, W, 3]."""

    def __iter__(self) -> Iterator[np.ndarray]: ...


#: Metadata of a ``TensorFields`` field that belongs to the whole clip: indexing leaves it as it is.
PER_CLIP = {"per_clip": True}


@dataclass(frozen=True)
class TensorFields:
    """Mixin for dataclasses: moves and indexes every tensor field at once, those of nested ``TensorFields`` too."""

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """As ``Tensor.to``, but a dtype is for floating-point fields only: masks and indices keep theirs."""

        def moved(value: Any) -> Any:
            if not isinstance(value, Tensor) or value.is_floating_point():
                return value.to(*args, **kwargs)
            return value.to(torch.empty(0, device=value.device).to(*args, **kwargs).device)

        return self._mapped(moved, fields(self))

    def __getitem__(self, index: Any) -> Self:
        """Index the leading (time or batch) dimension of every field that has one."""
        return self._mapped(lambda value: value[index], [f for f in fields(self) if not f.metadata.get("per_clip")])

    def _mapped(self, change: Callable[[Any], Any], chosen: Iterable[Field[Any]]) -> Self:
        values = ((f.name, getattr(self, f.name)) for f in chosen)
        return replace(self, **{name: change(v) for name, v in values if isinstance(v, (Tensor, TensorFields))})


def not_found(xy: Tensor, confidence: Tensor) -> Tensor:
    """Which joints xy [..., J, 2] are no detections, bool [..., J]: at exactly (0, 0), or not finite in place or confidence.

    Several detectors write a joint that they did not find as (0, 0), some of them with a confidence above 0.
    """
    return (xy == 0).all(-1) | ~xy.isfinite().all(-1) | ~confidence.isfinite()


def frame_times(count: int, fps: float, times_s: Tensor | None) -> Tensor:
    """Seconds since the first frame [T], float64, on the CPU: the frames' own (``times_s``), or evenly spaced."""
    return torch.arange(count, dtype=torch.float64) / fps if times_s is None else times_s.double().cpu()


@dataclass(frozen=True)
class Landmarks3D(TensorFields):
    """3D points that a detector gives beside its 2D ones, of one person."""

    xyz: Tensor  # [T, L, 3] metres from the middle of the hips, axes of the ray to the person (its crop's)
    confidence: Tensor  # [T, L] in [0, 1]; 0: not seen
    joint_set: str  # a name of semtta.constants.JOINT_SETS
    source: str = ""

    def __len__(self) -> int:
        return len(self.xyz)


@dataclass(frozen=True)
class Keypoints2D(TensorFields):
    """2D joints of one person. ``confidence`` 0, or a place that is none (``not_found``), means: not seen."""

    xy: Tensor  # [T, J, 2] pixels of the video frame
    confidence: Tensor  # [T, J]
    joint_set: str  # a name of semtta.constants.JOINT_SETS
    source: str = ""  # where they came from, kept with the result
    landmarks: Landmarks3D | None = None  # of the same person and frames, where there are any

    def only_found(self) -> Self:
        """The same with zeros, in place and confidence, for the joints that ``not_found`` names."""
        absent = not_found(self.xy, self.confidence)
        return replace(self, xy=self.xy.where(~absent[..., None], 0), confidence=self.confidence.where(~absent, 0))

    def __len__(self) -> int:
        return len(self.xy)


@dataclass(frozen=True)
class BodyParams(TensorFields):
    """SMPL-format parameters."""

    rotations: Tensor  # [..., 24, 3, 3] parent-relative, 0 is global
    betas: Tensor  # [..., 10]
    translation: Tensor | None = None  # [..., 3] metres, added to the posed body


@dataclass(frozen=True)
class Evidence(TensorFields):
    """2D joints that supervise, in pixels of the 224 crop."""

    points: Tensor  # [T, J, 2]
    present: Tensor  # [T, J] bool, False: empty (nothing supervises this joint)


@dataclass(frozen=True)
class FrameBatch(TensorFields):
    """N frames of a clip, as an estimator is given them.

    What an estimator says of a frame may depend on the whole clip's evidence, never on which other frames are in the batch:
    micro-batches rely on it.
    """

    frames: Tensor  # [N] int64, their numbers in the clip
    boxes: Tensor  # [N, 3] centre x, centre y, side; pixels of the picture
    intrinsics: Tensor  # [N, 3] focal length, centre x, centre y; pixels of the picture
    crops: Tensor | None = None  # uint8 RGB [N, 3, S, S]; None: the estimator takes none
    image_size: tuple[int, int] = field(default=(0, 0), metadata=PER_CLIP)  # width, height of the picture, pixels
    keypoints: Keypoints2D | None = field(default=None, metadata=PER_CLIP)  # of all T frames, as detected, pixels of the picture
    landmarks: Landmarks3D | None = field(default=None, metadata=PER_CLIP)  # of all T frames, smoothed, camera frame
    all_boxes: Tensor | None = field(default=None, metadata=PER_CLIP)  # [T, 3] of all T frames; None: the batch is the clip

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def device(self) -> torch.device:
        """Where its tensors are."""
        return self.frames.device

    def split(self, size: int) -> list[Self]:
        """Batches of at most ``size`` frames, in order."""
        return [self[start : start + size] for start in range(0, len(self), size)]

    @classmethod
    def of_crops(cls, crops: Tensor, focal_px: float = 5000.0) -> Self:
        """Crops [N, 3, S, S] that belong to no picture: each counts as a whole picture of 224 pixels."""
        n, device = len(crops), crops.device
        boxes = torch.tensor((112.0, 112.0, 224.0), device=device).expand(n, 3)
        intrinsics = torch.tensor((focal_px, 112.0, 112.0), device=device).expand(n, 3)
        return cls(torch.arange(n, device=device), boxes, intrinsics, crops, (224, 224))


@dataclass(frozen=True)
class Prediction(TensorFields):
    """What an estimator says of N frames."""

    rotations: Tensor  # [N, 24, 3, 3] parent-relative; index 0 into the camera frame
    betas: Tensor  # [N, 10]
    camera: Tensor  # [N, 3] weak perspective (s, tx, ty) of the 224 crop, see geometry.project_to_crop
    extras: Mapping[str, Tensor] = field(default_factory=dict)  # what only training or a method looks at

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Rotations, betas and camera."""
        return self.rotations, self.betas, self.camera

    @classmethod
    def of(cls, tensors: Iterable[Tensor]) -> Self:
        """From rotations, betas and camera, in this order."""
        rotations, betas, camera = tensors
        return cls(rotations, betas, camera)

    def updated(self, frames: Tensor, new: Prediction) -> Prediction:
        """A copy in which ``frames`` [M] are those of ``new``, detached."""
        pairs = zip(self.tensors(), new.tensors(), strict=True)
        return Prediction.of(old.index_copy(0, frames, value.detach()) for old, value in pairs)


@dataclass(frozen=True)
class Motion(TensorFields):
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
    score: float | None = None  # CLIP similarity of label and images
    reason: str = ""  # why the label is what it is: replaced by a near one, refused, failed ...
    trust: float = 1.0  # in [0, 1]: scales the alignment if losses.align.use_trust says so
    similarity: float | None = None  # the prior's own, of label and unadapted motion (labeler retrieval)


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
    person: int = 0  # which of them this is
    keypoints_source: str = ""  # file or folder that the keypoints were read from
    times_s: Tensor | None = None  # [T] seconds since the first frame; None: evenly spaced, by fps

    def __post_init__(self) -> None:
        """However keypoints came here, joints that are no detections have confidence 0 from here on."""
        if self.keypoints is not None and self.keypoints.xy.shape[:-1] == self.keypoints.confidence.shape:
            object.__setattr__(self, "keypoints", self.keypoints.only_found())


#: In a dataset of several people, a track is a video of one of them.
Track = Video


@dataclass(frozen=True)
class Result:
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

    messages: tuple[str, ...] = ()  # what the user should know: labels replaced, frames without evidence ...
    state: Mapping[str, Tensor] | None = None  # adapted weights
    times_s: Tensor | None = None  # [T] seconds since the first frame; None: evenly spaced, by fps
    gender: str = "neutral"  # of the body: "neutral", "male" or "female"

    @property
    def times(self) -> Tensor:
        """Seconds since the first frame [T], float64."""
        return frame_times(len(self.joints), self.fps, self.times_s)

    def setting(self, key: str, default: Any = None) -> Any:
        """A resolved setting of the run, by dotted key: ``result.setting("evidence.threshold")``."""
        value: Any = self.config.get("settings", self.config)
        for part in key.split("."):
            if not isinstance(value, Mapping) or part not in value:
                return default
            value = value[part]
        return value
