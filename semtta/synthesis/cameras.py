"""A camera at a fixed position that pans to follow a person.

Since it only rotates, everything static shifts by the same number of pixels from frame to frame, near or far. So the
background and furniture are wide canvases under a moving window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from ..motions.mocap import FPS
from .domains import Domain
from .figures import WORLD_TO_CAMERA


@dataclass(frozen=True)
class Framing:
    """What the camera should show of the person."""

    size: tuple[int, int]  # width, height, pixels
    azimuth_deg: float | None = None  # camera direction relative to the person's mean facing direction; None = random
    follow: float = 0.9  # how much of the person's movement the camera pans along with; 0 = it is static
    lose_legs: tuple[float, float] | None = None  # part of the clip in which it tilts up until the legs leave the frame


@dataclass(frozen=True)
class CameraView:
    """A pinhole camera that rotates over time. Pixels: x right, y down."""

    rotation: NDArray  # [T, 3, 3] world (y up) to camera frame (x right, y down, z forward)
    position: NDArray  # [3] world, metres
    focal_px: float
    size: tuple[int, int]  # width, height
    window: NDArray  # [T, 2] position of the frame's top left corner on the canvas
    canvas: tuple[int, int]  # height, width of everything the camera sees over the clip
    horizon: float  # its row on the canvas

    @property
    def center(self) -> tuple[float, float]:
        """The principal point, the middle of the frame."""
        return self.size[0] / 2, self.size[1] / 2

    def to_camera(self, points: NDArray) -> NDArray:
        """World points [T, J, 3] -> the camera frame of their time step, metres."""
        return np.einsum("tij,tkj->tki", self.rotation, points - self.position)

    def to_pixels(self, points: NDArray) -> NDArray:
        """Camera-frame points [..., 3] -> pixels of the frame [..., 2]."""
        return self.focal_px * points[..., :2] / points[..., 2:] + self.center


def place_camera(
    rng: np.random.Generator, joints: NDArray, facing: NDArray, floor_y: float, framing: Framing, domain: Domain
) -> CameraView:
    """A random camera of a domain that keeps joints [T, J, 3] (world, metres) in view; the body faces along ``facing`` [T, 3]."""
    width, height = framing.size
    middle = (joints.min((0, 1)) + joints.max((0, 1))) / 2
    azimuth = rng.uniform(0, 360) if framing.azimuth_deg is None else framing.azimuth_deg
    front = facing.mean(0)
    direction = np.arctan2(front[0], front[2]) + np.deg2rad(azimuth)
    distance = max(rng.uniform(*domain.distance_m), 3.0, 1.2 * np.ptp(joints[..., [0, 2]], axis=(0, 1)).max())
    position = middle + distance * np.array((np.sin(direction), 0, np.cos(direction)))
    position[1] = floor_y + rng.uniform(*domain.height_m)
    roll = np.deg2rad(0.5 * rng.uniform(*domain.roll_deg))

    offset = joints.mean(1) - position
    heading = gaussian_filter1d(np.unwrap(np.arctan2(-offset[:, 0], -offset[:, 2])), 0.6 * FPS, mode="nearest")
    pan = heading.mean() + framing.follow * (heading - heading.mean())
    pitch = np.full(len(joints), np.arctan2(position[1] - middle[1], distance))

    def rotation() -> NDArray:
        tilt = Rotation.from_euler("ZX", np.stack((np.full_like(pitch, roll), pitch), -1))
        return (tilt * Rotation.from_matrix(WORLD_TO_CAMERA) * Rotation.from_euler("y", -pan[:, None])).as_matrix()

    def normalised() -> NDArray:
        points = np.einsum("tij,tkj->tki", rotation(), joints - position)
        return points[..., :2] / points[..., 2:]

    points = normalised()
    pitch = pitch + np.arctan((points[..., 1].min() + points[..., 1].max()) / 2)
    points = normalised()
    reach = np.abs(points).max((0, 1)) + np.array((0.1, 0.2)) / distance  # room for the hands and the top of the head
    focal = rng.uniform(0.85, 0.97) * min(width / 2 / reach[0], height / 2 / reach[1])
    if framing.lose_legs:
        focal *= 0.85
        thighs = points[:, [1, 2], 1].mean() + 0.1 / distance
        pitch = pitch + bump(len(pitch), framing.lose_legs) * (np.arctan(thighs) - np.arctan(height / 2 / focal))
    window = focal * np.stack((pan.mean() - pan, pitch - pitch.mean()), -1)
    window -= window.min(0) - 2
    extent = np.ceil(window.max(0)).astype(int) + 3
    canvas = (int(extent[1]) + height, int(extent[0]) + width)
    horizon = float((window[:, 1] + height / 2 - focal * np.tan(pitch)).mean())
    return CameraView(rotation(), position, focal, framing.size, window, canvas, horizon)


def bump(count: int, span: tuple[float, float]) -> NDArray:
    """A window function [count]: 1 inside ``span`` (start and stop as fractions of the clip), 0 outside, with soft edges."""
    inside = np.zeros(count)
    inside[round(span[0] * count) : round(span[1] * count)] = 1
    return gaussian_filter1d(inside, min(4, inside.sum() / 8), mode="nearest")
