"""Cropping of images: cutting out a square and resampling it."""

from __future__ import annotations

import numpy as np


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
