"""What a source of 2D keypoints is: a detector that looks at frames, or a reader of another program's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from ..registry import Registry
from ..types import FrameSource, Keypoints2D


class Detector(Protocol):
    """Finds people in frames."""

    def detect(self, frames: FrameSource, size: tuple[int, int]) -> list[Keypoints2D]:
        """People of a clip, most important first: one Keypoints2D [T, J] each, pixels, zero confidence where not seen.

        Args:
            frames: uint8 RGB [H, W, 3]; read them once, in order.
            size: their width and height.
        """
        ...


class KeypointReader(Protocol):
    """Reads the keypoints that another program wrote."""

    def read(self, path: Path) -> Detections | None:
        """What the file or folder holds, or None if it is not of this format; SemttaError if it is, and is broken."""
        ...


@dataclass(frozen=True)
class Detections:
    """Poses by frame, before anyone has asked who is who."""

    joint_set: str  # a name of semtta.constants.JOINT_SETS
    poses: Mapping[int, np.ndarray]  # frame -> [P, J, 3]: x, y in pixels, confidence; frames without people may be absent
    num_frames: int  # the last frame that is mentioned, plus one
    ids: Mapping[int, Sequence[int]] | None = None  # frame -> who each of the P is, if the program tracked them
    missing_at_end: float = 0.0  # share of the video's frames that the file may lack at its end
    size: tuple[int, int] | None = None  # width, height of the pictures, if the file says


_DETECTORS = ("blazepose", "rtmpose", "vitpose")
#: Detectors by name; ``@register("mine")`` adds one.
detectors: Registry[Detector] = Registry("detector", {name: f"{__package__}.{name}" for name in _DETECTORS})
register = detectors.register

_FORMATS = ("openpose", "npz", "coco", "alphapose")
#: Readers of keypoint files by name, asked in this order after those of other packages.
formats: Registry[KeypointReader] = Registry(
    "keypoint format", dict.fromkeys(_FORMATS, f"{__package__}.readers"), group="semtta.keypoint_formats"
)
