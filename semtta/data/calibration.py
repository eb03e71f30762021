"""Calibrated cameras of a recording, from Pose2Sim's ``Calib*.toml`` or a Qualisys ``*.qca.txt``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from xml.etree import ElementTree

import numpy as np
import torch
from pydantic import BaseModel, Field, FiniteFloat, model_validator

from ..errors import SemttaError
from ..geometry import axis_angle_to_matrix
from ..io.files import reading
from ..io.forms import checked
from ..types import Camera

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Qualisys gives pixels in 64ths.
SUBPIXELS = 64.0
#: A camera of Qualisys looks along its own -z, with y up: a half turn about x makes y down and z forward.
HALF_TURN = np.diag([1.0, -1.0, -1.0])
MM = 1000.0


@dataclass(frozen=True)
class View:
    """A calibrated camera: a pinhole with the distortion model of OpenCV, placed in the world of the recording."""

    name: str
    size: tuple[int, int]  # width, height, pixels
    matrix: np.ndarray  # [3, 3] intrinsics, pixels
    distortion: np.ndarray  # [5] k1, k2, p1, p2, k3
    rotation: np.ndarray  # [3, 3] world to camera (x right, y down, z forward)
    translation: np.ndarray  # [3] metres: a point p of the world is at rotation @ p + translation

    @property
    def camera(self) -> Camera:
        """The pinhole without distortion; the mean of the two focal lengths."""
        focal = (self.matrix[0, 0] + self.matrix[1, 1]) / 2
        return Camera(float(focal), (float(self.matrix[0, 2]), float(self.matrix[1, 2])))

    @property
    def projection(self) -> np.ndarray:
        """Matrix [3, 4] from the world to normalised image coordinates (x / z, y / z)."""
        return np.concatenate((self.rotation, self.translation[:, None]), 1)

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """World points [..., 3], metres, in this camera's frame."""
        return points @ self.rotation.T + self.translation

    def project(self, points: np.ndarray) -> np.ndarray:
        """World points [..., 3], metres -> pixels [..., 2] of the picture as recorded, with distortion."""
        moved = self.to_camera(points)
        x = self._distorted(moved[..., :2] / moved[..., 2:])
        return x @ self.matrix[:2, :2].T + self.matrix[:2, 2]

    def normalised(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels [..., 2] as recorded -> normalised coordinates (x / z, y / z) without distortion, by fixed-point iteration."""
        target = (pixels - self.matrix[:2, 2]) @ np.linalg.inv(self.matrix[:2, :2]).T
        x = target
        for _ in range(8):  # converges in 3 for usual lenses
            x = x + target - self._distorted(x)
        return x

    def _distorted(self, x: np.ndarray) -> np.ndarray:
        k1, k2, p1, p2, k3 = self.distortion
        u, v = x[..., 0], x[..., 1]
        r2 = u * u + v * v
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        return np.stack((u * radial + 2 * p1 * u * v + p2 * (r2 + 2 * u * u),
                         v * radial + p1 * (r2 + 2 * v * v) + 2 * p2 * u * v), -1)  # fmt: skip


_Vector = Annotated[list[FiniteFloat], Field(min_length=3, max_length=3)]


class _TomlCamera(BaseModel):
    name: str | None = None
    size: Annotated[list[FiniteFloat], Field(min_length=2, max_length=2)]
    matrix: Annotated[list[_Vector], Field(min_length=3, max_length=3)]
    distortions: Annotated[list[FiniteFloat], Field(max_length=5)] = []
    rotation: _Vector  # axis times angle, radians
    translation: _Vector  # metres
    fisheye: bool = False

    @model_validator(mode="after")
    def _pinhole(self) -> _TomlCamera:
        if self.fisheye:
            raise ValueError("fisheye cameras are not supported: undistort the videos first")
        if min(self.matrix[0][0], self.matrix[1][1], *self.size) <= 0:
            raise ValueError("focal lengths and sizes must be positive")
        return self


def read_calibration(path: Path, least: int = 2) -> list[View]:
    """The cameras of a calibration file, by name; SemttaError for a damaged file, neither format, or fewer than ``least``."""
    read = _read_toml if path.suffix.lower() == ".toml" else _read_qualisys
    views = sorted(read(path), key=lambda view: view.name)
    if len(views) < least:
        needed = "at least two are needed to triangulate" if least > 1 else "give one with a video camera"
        raise SemttaError(f"{path} describes {len(views)} cameras: {needed}.")
    return views


def _read_toml(path: Path) -> list[View]:
    with reading(path, "readable as TOML", then=": give the calibration that Pose2Sim writes"):
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    tables = {key: table for key, table in content.items() if isinstance(table, dict) and key.lower() != "metadata"}
    views = []
    for key, table in tables.items():
        camera = checked(_TomlCamera, table, f"{path}, camera '{key}'")
        rotation = axis_angle_to_matrix(torch.tensor(camera.rotation, dtype=torch.float64)).numpy()
        views.append(
            View(
                camera.name or key, (round(camera.size[0]), round(camera.size[1])), np.array(camera.matrix),
                np.array([*camera.distortions, *[0.0] * (5 - len(camera.distortions))]), rotation, np.array(camera.translation),
            )
        )  # fmt: skip
    return views


def _read_qualisys(path: Path) -> list[View]:
    with reading(path, "a calibration", then=": give Pose2Sim's Calib*.toml or a Qualisys *.qca.txt"):
        root = ElementTree.fromstring(path.read_bytes())
        cameras = root.findall("cameras/camera")
        videos = [camera for camera in cameras if _films(camera)]
        return [_qualisys_view(camera, index) for index, camera in enumerate(videos)]


def _films(camera: ElementTree.Element) -> bool:
    """Whether it is a video camera: the others of a Qualisys set-up only see markers."""
    return any(word in camera.get("model", "none").lower() for word in ("video", "none"))


def _qualisys_view(camera: ElementTree.Element, index: int) -> View:
    inner, field, place = (_numbers(camera, name) for name in ("intrinsic", "fov_video", "transform"))
    size = round(field["right"] - field["left"] + 1), round(field["bottom"] - field["top"] + 1)
    matrix = np.array(
        [
            [inner["focalLengthU"] / SUBPIXELS, 0, inner["centerPointU"] / SUBPIXELS - field["left"]],
            [0, inner["focalLengthV"] / SUBPIXELS, inner["centerPointV"] / SUBPIXELS - field["top"]],
            [0, 0, 1],
        ]
    )
    names = ("radialDistortion1", "radialDistortion2", "tangentalDistortion1", "tangentalDistortion2", "radialDistortion3")
    turned = HALF_TURN @ np.array([[place[f"r{row}{column}"] for column in (1, 2, 3)] for row in (1, 2, 3)])
    position = np.array([place["x"], place["y"], place["z"]]) / MM
    distortion = np.array([inner.get(name, 0.0) for name in names])
    return View(camera.get("serial") or f"camera{index + 1}", size, matrix, distortion, turned, -turned @ position)


def _numbers(camera: ElementTree.Element, name: str) -> dict[str, float]:
    element = camera.find(name)
    if element is None:
        raise ValueError(f"camera {camera.get('serial')} has no <{name}>")
    values: dict[str, Any] = dict(element.attrib)
    return {key: float(value) for key, value in values.items()}
