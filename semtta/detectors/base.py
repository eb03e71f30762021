"""The interfaces of 2D keypoint sources: detectors that run on frames, and readers of other programs' files."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from ..registry import Registry
from ..types import FrameSource, Keypoints2D


class Detector(Protocol):
    """Finds people in frames."""

    def detect(self, frames: FrameSource, size: tuple[int, int]) -> list[Keypoints2D]:
        """The people in a clip, most prominent first: one Keypoints2D [T, J] each, pixels, confidence 0 where not detected.

        Args:
            frames: uint8 RGB [H, W, 3]; read them once, in order.
            size: their width and height.
        """
        ...


class KeypointReader(Protocol):
    """Reads keypoints that another program wrote."""

    def read(self, path: Path) -> Detections | None:
        """The detections in a file or folder, or None if it is of another format; SemttaError if it is damaged."""
        ...


@dataclass(frozen=True)
class Detections:
    """Poses by the number that the file gives their frame, not yet linked into people over time."""

    joint_set: str  # a name of semtta.constants.JOINT_SETS
    poses: Mapping[int, np.ndarray]  # frame -> [P, J, 3]: x, y in pixels, confidence; frames without people may be absent
    num_frames: int  # the last frame in the file, plus one
    ids: Mapping[int, Sequence[int]] | None = None  # frame -> the track id of each of the P people, if the program tracked them
    missing_at_end: float = 0.0  # fraction of the video's frames that may be missing at its end; 0: none may, nor one be surplus
    size: tuple[int, int] | None = None  # width, height of the images, if the file states it
    listed: Collection[int] | None = None  # every frame that the file lists, with people or without; None: only those with people
    first: int | None = None  # what the program calls the first frame, where that is certain
    likely_first: int = 1  # the same, where 0 and 1 are both possible
    normalised: bool = False  # x and y are fractions of the width and height


_DETECTORS = ("blazepose", "rtmpose", "vitpose")
#: Detectors by name; ``@register("mine")`` adds one.
detectors: Registry[Detector] = Registry("detector", {name: f"{__package__}.{name}" for name in _DETECTORS})
register = detectors.register

_FORMATS = ("openpose", "npz", "coco", "alphapose", "mmpose", "ultralytics", "mediapipe", "sports2d")
#: Readers of keypoint files by name; those of other packages are tried first.
formats: Registry[KeypointReader] = Registry(
    "keypoint format", {name: f"{__package__}.readers.{name}" for name in _FORMATS}, group="semtta.keypoint_formats"
)
