"""Cameras of whole pictures."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .fields import TensorFields


@dataclass(frozen=True)
class Camera:
    """Pinhole camera of the whole image, fixed over the clip."""

    focal_px: float
    center_px: tuple[float, float]
    source: str = (
        ""  # where it came from, in words: "given", "EXIF of the file", "assumed: the picture's diagonal"; empty: not known
    )


@dataclass(frozen=True)
class CameraPath(TensorFields):
    """Where the camera is in the world in each frame: ``x_camera = rotation @ x_world + translation``."""

    rotation: Tensor  # [T, 3, 3] world to camera
    translation: Tensor  # [T, 3] metres, or units of its own
    metric: bool = True  # False: one camera alone has reconstructed it, so its units are not known
