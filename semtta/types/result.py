"""What adaptation leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from .camera import Camera, CameraPath
from .evidence import Keypoints2D, frame_times
from .fields import TensorFields
from .motion import BodyParams, SegmentLabel


@dataclass(frozen=True)
class World(TensorFields):
    """A motion in the world: metres, z up, feet on the floor z = 0; the first person's pelvis starts above the origin."""

    params: BodyParams  # rotations [T, 24, 3, 3] (0 is global, into the world), betas [T, 10], translation [T, 3]
    joints: Tensor  # [T, 24, 3]
    contacts: Tensor  # [T, 4] in [0, 1]: how sure it is that the point of FOOT_POINTS stands on the floor
    camera: CameraPath  # of the T frames; for a camera that stands still all of them are the same


#: Joints that stand on the floor, in the order of ``World.contacts``: L_Ankle and R_Ankle stand for the heels.
FOOT_POINTS = ("L_Ankle", "L_Foot", "R_Ankle", "R_Foot")


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
    person: int = 0  # number of the person in the clip, that of ``--person``
    config: Mapping[str, Any] = field(default_factory=dict)  # resolved settings, versions, hashes of weights
    metrics: Mapping[str, Any] = field(default_factory=dict)

    messages: tuple[str, ...] = ()  # what the user should know: labels replaced, frames without evidence ...
    state: Mapping[str, Tensor] | None = None  # adapted weights
    times_s: Tensor | None = None  # [T] seconds since the first frame; None: evenly spaced, by fps
    gender: str = "neutral"  # of the body: "neutral", "male" or "female"
    confidence: Tensor | None = None  # [T, 24] in [0, 1]: how far each joint is seen rather than guessed; None: not known
    world: World | None = None  # the same motion in the world; None: nothing has placed it there
    camera_path: CameraPath | None = None  # of a camera that moves, [T], as it was given; None: it stands still
    shot: int = 0  # number of the shot of the file that it is in: people of other shots were seen by another camera

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
