"""Crops of pictures: cutting a square out and resampling it, with a filter or as OpenCV does."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np


def warp_square(frame: np.ndarray, box: list[float], size: int) -> np.ndarray:
    """The same square with the pixels of OpenCV's ``warpAffine`` (bilinear, black border), which HMR, HMR2.0 and others saw.

    OpenCV has a pixel's middle at its index, so the crop lies up to half a pixel from ``crop_square``'s; and it looks at four
    pixels of the picture however much it reduces, so fine patterns alias. Within one grey level of OpenCV 5; OpenCV 4 rounds
    positions to 1/32 pixel.

    Args and returns as of ``crop_square``.
    """
    x, y, side = box
    ticks = np.arange(size) * (side / size)
    rows, columns = (_neighbours(start - side / 2 + ticks, length) for start, length in zip((y, x), frame.shape, strict=False))
    crop = np.empty((size, size, 3), np.uint8)
    _bilinear()(frame, *rows, *columns, crop)
    return crop


def _neighbours(place: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices [N, 2] of the pixels before and after each place, and their weights [N, 2], 0 beyond the picture."""
    before = np.floor(place)
    index = before[:, None] + (0, 1)
    weight = 1 - np.abs(place[:, None] - index)
    weight[(index < 0) | (index >= length)] = 0
    return index.clip(0, length - 1).astype(np.int64), weight.astype(np.float32)


@lru_cache(maxsize=1)
def _bilinear() -> Callable[..., None]:
    """``bilinear(picture, rows, their weights, columns, their weights, crop)``, compiled on first use."""
    import numba

    @numba.njit(cache=True, nogil=True)
    def bilinear(picture, rows, row_weights, columns, column_weights, crop):  # pragma: no cover - compiled
        for i in range(len(rows)):
            upper, lower = picture[rows[i, 0]], picture[rows[i, 1]]
            above, below = row_weights[i, 0], row_weights[i, 1]
            for j in range(len(columns)):
                left, right = columns[j, 0], columns[j, 1]
                before, after = column_weights[j, 0], column_weights[j, 1]
                for c in range(3):
                    first = before * upper[left, c] + after * upper[right, c]
                    second = before * lower[left, c] + after * lower[right, c]
                    crop[i, j, c] = np.uint8(above * first + below * second + np.float32(0.5))

    return bilinear


def crop_square(frame: np.ndarray, box: list[float], size: int) -> np.ndarray:
    """A square of an image, resampled; black outside the image.

    The filter is a triangle as wide as a target pixel: bilinear when enlarging, antialiased when reducing. The square's edges
    are the crop's edges: the image point p is at ``cameras.crop_points(p)`` of a 224 crop.

    Args:
        frame: image [H, W, 3], uint8.
        box: centre x, centre y and side of the square, pixels of the image.
        size: side of the crop, pixels.
    Returns:
        Crop [size, size, 3], uint8.
    """
    from PIL import Image

    x, y, side = box
    margin = max(1.0, side / size) + 1  # the filter's reach
    left, top = int(np.floor(x - side / 2 - margin)), int(np.floor(y - side / 2 - margin))
    right, bottom = int(np.ceil(x + side / 2 + margin)), int(np.ceil(y + side / 2 + margin))
    region = Image.fromarray(cut(frame, left, top, right, bottom))
    area = (x - side / 2 - left, y - side / 2 - top, x + side / 2 - left, y + side / 2 - top)
    return np.asarray(region.resize((size, size), Image.Resampling.BILINEAR, box=area, reducing_gap=4.0))


def cut(frame: np.ndarray, left: int, top: int, right: int, bottom: int) -> np.ndarray:
    """A rectangle of an image; black outside the image.

    Args:
        frame: image [H, W, 3], uint8.
        left, top: first column and row; may be negative.
        right, bottom: one past the last column and row; may lie outside the image.
    Returns:
        Rectangle [bottom - top, right - left, 3], uint8.

    >>> cut(np.full((2, 2, 3), 7, np.uint8), -1, 0, 1, 3)[..., 0].tolist()
    [[0, 7], [0, 7], [0, 0]]
    """
    height, width = frame.shape[:2]
    rows, columns = slice(max(top, 0), min(bottom, height)), slice(max(left, 0), min(right, width))
    inside = frame[rows, columns] if rows.start < rows.stop and columns.start < columns.stop else frame[:0, :0]
    if inside.shape[:2] == (bottom - top, right - left):
        return np.ascontiguousarray(inside)
    region = np.zeros((bottom - top, right - left, 3), np.uint8)
    if inside.size:
        region[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = inside
    return region
