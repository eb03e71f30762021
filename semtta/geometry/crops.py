"""Cutting a square of a picture out and resampling it."""

from __future__ import annotations

import numpy as np


def crop_square(frame: np.ndarray, box: list[float], size: int) -> np.ndarray:
    """The square box (centre x, centre y, side) of a frame [H, W, 3] resampled to uint8 [size, size, 3].

    Triangle filter as wide as a target pixel: bilinear when enlarging, antialiased when reducing.
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
    """Rows ``top`` to ``bottom`` and columns ``left`` to ``right`` of a frame [H, W, 3], black where there is none."""
    height, width = frame.shape[:2]
    rows, columns = slice(max(top, 0), min(bottom, height)), slice(max(left, 0), min(right, width))
    inside = frame[rows, columns] if rows.start < rows.stop and columns.start < columns.stop else frame[:0, :0]
    if inside.shape[:2] == (bottom - top, right - left):
        return np.ascontiguousarray(inside)
    region = np.zeros((bottom - top, right - left, 3), np.uint8)
    if inside.size:
        region[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = inside
    return region
