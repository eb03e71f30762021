"""Squares cut out of pictures; what their pixels are worth is in tests/data/test_crops.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from semtta.geometry import CROP_PX, crop_points
from semtta.geometry.crops import crop_square, cut

FRAME = np.arange(1, 61, dtype=np.uint8).reshape(4, 5, 3)


@pytest.mark.parametrize(
    "edges",
    [(1, 1, 3, 3), (0, 0, 5, 4), (-2, -1, 3, 2), (3, 2, 8, 9), (-2, -3, 9, 8), (-9, 0, -4, 2), (6, 0, 9, 2), (1, 7, 3, 9)],
)
def test_cut_is_the_picture_on_black(edges):
    left, top, right, bottom = edges
    wide = np.zeros((40, 40, 3), np.uint8)
    wide[10:14, 10:15] = FRAME
    np.testing.assert_array_equal(cut(FRAME, *edges), wide[top + 10 : bottom + 10, left + 10 : right + 10])


def test_a_square_of_its_own_size_is_copied():
    np.testing.assert_array_equal(crop_square(FRAME, [2.0, 2.0, 2.0], 2), FRAME[1:3, 1:3])


@pytest.mark.parametrize(("side", "size"), [(40.0, 20), (30.0, 12), (10.0, 20)])
def test_edges_are_filtered_with_what_lies_beyond_them(side, size):
    """A square is the middle of one twice as large, up to its outermost pixels."""
    frame = np.random.default_rng(0).integers(0, 255, (100, 100, 3), dtype=np.uint8)
    wide = crop_square(frame, [52.0, 47.0, 2 * side], 2 * size)
    middle = slice(size // 2, size // 2 + size)
    np.testing.assert_array_equal(crop_square(frame, [52.0, 47.0, side], size), wide[middle, middle])


def test_rows_are_y_and_columns_x():
    """A bright pixel comes to where its middle is by ``crop_points``; one that is beyond the square does not come."""
    frame = np.zeros((100, 160, 3), np.uint8)
    frame[20, 130] = 255
    for box in ([120.0, 30.0, 40.0], [140.0, 10.0, 56.0]):
        crop = crop_square(frame, box, CROP_PX)[..., 0].astype(float)
        ticks = np.arange(CROP_PX) + 0.5
        middle = [(crop.sum(0) * ticks).sum() / crop.sum(), (crop.sum(1) * ticks).sum() / crop.sum()]
        want = crop_points(torch.tensor([[130.5, 20.5]]), torch.tensor(box))[0].tolist()
        assert middle == pytest.approx(want, abs=0.5)
    assert crop_square(frame, [60.0, 30.0, 40.0], CROP_PX).max() == 0
