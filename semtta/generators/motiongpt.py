"""Motion that MotionGPT made: joint files (N, 22, 3) at 20 frames per second, to which rotations are fitted."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from ..errors import SemttaError, unknown_name
from ..geometry import resample_rotations
from ..geometry.kinematics import rotations_from_joints
from ..io.arrays import read_npy
from ..registry import Settings
from .base import register

FPS = 20.0
JOINTS = 22


class MotionGPTGenerator:
    """A folder of ``LABEL.npy`` or ``LABEL_2.npy``: words of the label with spaces or underscores, then perhaps a number.

    Of several files with one label the first counts. A motion is cropped or repeated to the length asked for.
    """

    def __init__(self, folder: str | Path) -> None:
        self.files: dict[str, Path] = {}
        self._motions: dict[str, Tensor] = {}
        for file in sorted(Path(folder).glob("*.npy")):
            self.files.setdefault(re.sub(r"_\d+$", "", file.stem).replace("_", " "), file)
        if not self.files:
            raise SemttaError(f"No joint files (LABEL.npy) of MotionGPT in {folder}.")

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.files)

    def generate(self, label: str, num_frames: int) -> Tensor:
        """Rotations [num_frames, 24, 3, 3]; raises SemttaError for a label that has no file."""
        if label not in self.files:
            raise unknown_name("generated motion", label, self.files)
        if label not in self._motions:
            joints = read_joints(self.files[label])
            self._motions[label] = resample_rotations(rotations_from_joints(joints), FPS, 30.0)
        motion = self._motions[label]
        return motion[torch.arange(num_frames) % len(motion)]


def read_joints(path: Path) -> Tensor:
    """A file (N, 22, 3) or (1, N, 22, 3), metres, y up: [N, 22, 3]; raises SemttaError for any other."""
    joints = read_npy(path, "a file of joints")
    if joints.ndim == 4 and len(joints) == 1:
        joints = joints[0]
    if joints.ndim != 3 or joints.shape[1:] != (JOINTS, 3) or not len(joints):
        raise SemttaError(f"{path} holds an array {joints.shape}; MotionGPT's joint files are (N, 22, 3).")
    if not np.isfinite(joints).all():
        raise SemttaError(f"{path} holds joints that are not finite.")
    return torch.from_numpy(joints).float()


class MotionGPTSettings(Settings):
    """Of ``motiongpt``."""

    source: str | None = Field(None, description="folder of its joint files")


@register("motiongpt", settings=MotionGPTSettings)
def motiongpt(settings: MotionGPTSettings) -> MotionGPTGenerator:
    """Motions that MotionGPT made, from its joint files."""
    if settings.source is None:
        raise SemttaError("Generator 'motiongpt' needs the folder of its joint files: --set generator.source=FOLDER.")
    return MotionGPTGenerator(settings.source)
