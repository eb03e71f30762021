"""Flat images under the camera's moving window: the background, and furniture that hides a person's legs."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from ..constants import SMPL24
from .cameras import CameraView, bump
from .domains import Domain
from .scenes import add_clouds, new_background, paint, random_shapes

Array = NDArray[np.floating]

_LEGS = [SMPL24.index(f"{side}_{name}") for side in "LR" for name in ("Hip", "Knee", "Ankle", "Foot")]


@dataclass(frozen=True)
class Layer:
    """An image [h, w, C] and the position [T, 2] of its top left corner on the view's canvas."""

    picture: Array
    position: NDArray

    def crop(self, window: NDArray, frame: float, size: tuple[int, int]) -> Array:
        """The layer [H, W, C] inside a window of (width, height) at a position [2] on the canvas, at a (fractional) frame."""
        x, y = window - interpolate(self.position, frame)
        out = np.zeros((size[1], size[0], self.picture.shape[2]), np.float32)
        _resample(self.picture, float(x), float(y), out)
        return out


def interpolate(values: NDArray, frame: float) -> NDArray:
    """Values [T, ...] at a fractional frame, by linear interpolation; constant beyond the ends."""
    low = int(np.clip(np.floor(frame), 0, max(len(values) - 2, 0)))
    fraction = float(np.clip(frame - low, 0, 1))
    return values[low] if fraction == 0 else values[low] + np.float32(fraction) * (values[low + 1] - values[low])


@numba.njit(cache=True, nogil=True)
def _resample(picture, x, y, out):  # pragma: no cover - compiled
    height, width, channels = picture.shape
    left, top = int(np.floor(x)), int(np.floor(y))
    fx, fy = np.float32(x - left), np.float32(y - top)
    for row in range(max(0, -top), min(out.shape[0], height - 1 - top)):
        for column in range(max(0, -left), min(out.shape[1], width - 1 - left)):
            r, c = row + top, column + left
            for k in range(channels):
                upper = picture[r, c, k] + fx * (picture[r, c + 1, k] - picture[r, c, k])
                lower = picture[r + 1, c, k] + fx * (picture[r + 1, c + 1, k] - picture[r + 1, c, k])
                out[row, column, k] = upper + fy * (lower - upper)


def backdrop(rng: np.random.Generator, view: CameraView, floor_y: float, distance_m: float, domain: Domain) -> Layer:
    """The background of a view; the wall or sky meets the ground somewhere behind the person, who is at ``distance_m``."""
    below_horizon = view.focal_px * (view.position[1] - floor_y) / (distance_m * rng.uniform(1.5, 4.0))
    picture = new_background(rng, view.canvas, domain, int(view.horizon + below_horizon))
    return Layer(picture, np.zeros((len(view.window), 2)))


def furniture(rng: np.random.Generator, joints: NDArray, height_px: float, view: CameraView, span: tuple[float, float]) -> Layer:
    """A wall, counter or hedge in front of the legs during a span of the clip: RGBA, premultiplied (colours 0-255, alpha 0-1).

    It is static if the person passes behind it, else it slides in and out. ``joints`` [T, 24, 2] are in pixels of the frame,
    ``height_px`` is the person's standing height, ``span`` start and stop as fractions of the clip.
    """
    count = len(joints)
    legs = (joints + view.window[:, None])[:, _LEGS]
    chosen = slice(round(span[0] * count), max(round(span[1] * count), round(span[0] * count) + 1))
    columns = legs[chosen, :, 0]
    margin = 0.03 * height_px
    hips = legs[chosen, :, 1][:, [0, len(_LEGS) // 2]]
    top = np.quantile(hips.min(1), 0.2) - rng.uniform(0.0, 0.05) * height_px
    bottom = legs[chosen, :, 1].max() + 0.05 * height_px
    ends = columns[[0, -1]].mean(1)
    static = abs(ends[1] - ends[0]) > 0.35 * height_px
    if static:
        middle, half = ends.mean(), abs(ends[1] - ends[0]) / 2 + 0.08 * height_px
    else:
        middle, half = (columns.min() + columns.max()) / 2, np.ptp(columns) / 2 + 2 * margin
    half = max(half, 0.2 * height_px)
    picture = _furniture_picture(rng, int(2 * half), int(bottom - top))
    position = np.tile((middle - half, top), (count, 1))
    if not static:
        direction = np.where(np.arange(count) < (chosen.start + chosen.stop) / 2, -1, 1) * rng.choice((-1, 1))
        position[:, 0] += direction * (1 - bump(count, span)) * max(2.2 * half, 1.2 * height_px)
    return Layer(picture, position)


def _furniture_picture(rng: np.random.Generator, width: int, height: int) -> Array:
    size = (height + 8, width + 8)
    hedge = rng.random() < 0.4
    color = np.array((70, 105, 55)) if hedge else rng.uniform(45, 200)
    color = color + rng.uniform(-32, 32, 3)
    image = np.full((*size, 3), color, np.float32)
    image += np.linspace(18, -18, size[0], dtype=np.float32)[:, None, None]
    add_clouds(rng, image, rng.uniform(12, 25) if hedge else rng.uniform(3, 12), 96)
    shape = np.zeros((1, 16), np.float32)
    shape[:, 1:7] = size[1] / 2, size[0] / 2, width / 2, height / 2, 1, 0
    shape[:, 15] = 1.5
    if hedge:  # with an uneven top
        bumps = np.repeat(shape, int(rng.integers(9, 20)), 0)
        bumps[:, 0] = 1
        bumps[:, 1] = np.linspace(0.06, 0.94, len(bumps)) * size[1]
        bumps[:, 2] = 4 + 0.08 * height * rng.uniform(0.7, 1.2, len(bumps))
        bumps[:, 3], bumps[:, 4] = 0.08 * size[1], 0.08 * height * rng.uniform(0.6, 1.0, len(bumps))
        shape[:, 2] += 0.04 * height
        shape[:, 4] -= 0.04 * height
        shape = np.concatenate((shape, bumps))
    else:  # a wall or counter: panels, and a ledge along the top
        paint(image, random_shapes(rng, int(rng.integers(1, 9)), size, (0.03, 0.2), 0.5))
        ledge = 4 + max(2, height // 14)
        image[:ledge] = 0.25 * image[:ledge] + 0.75 * rng.uniform(0, 255)
    cover = paint(np.zeros_like(image), shape)[..., None]
    return np.concatenate((image.clip(0, 255) * cover, cover), -1)
