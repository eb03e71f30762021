"""Agreement of ``crop.resample=opencv`` with OpenCV itself: enlarged, as it is, reduced, and over the picture's edges."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from semtta.data import ArrayFrames, build_crops
from semtta.geometry.crops import crop_square, warp_square
from semtta.types import Video

cv2 = pytest.importorskip("cv2")

BOXES = {
    "enlarged": [210.3, 155.8, 90.0], "as it is": [200.0, 150.0, 224.0], "reduced": [199.6, 151.2, 280.0],
    "much reduced": [320.5, 240.25, 610.7], "over the edges": [20.4, 460.9, 300.0], "beyond": [-300.0, 200.0, 120.0],
}  # fmt: skip


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """Smooth shapes, sharp edges and grain, as in a photograph."""
    random = np.random.default_rng(0)
    smooth = gaussian_filter(random.normal(size=(480, 640, 3)), (12, 12, 0)) * 900 + 128
    edges = 60 * (gaussian_filter(random.normal(size=(480, 640)), 20) > 0)[..., None]
    return (smooth + edges + random.normal(scale=4, size=smooth.shape)).clip(0, 255).astype(np.uint8)


def warped(picture: np.ndarray, box: list[float], size: int) -> np.ndarray:
    """As HMR's and HMR2.0's code makes a crop of a square box."""
    x, y, side = box
    corners = np.float32([[x, y], [x, y + side / 2], [x + side / 2, y]])
    matrix = cv2.getAffineTransform(corners, np.float32([[size / 2, size / 2], [size / 2, size], [size, size / 2]]))
    return cv2.warpAffine(picture, matrix.astype(np.float32), (size, size), flags=cv2.INTER_LINEAR)


@pytest.mark.parametrize("size", [112, 224, 256])
@pytest.mark.parametrize("box", BOXES)
def test_pixels(box: str, size: int, picture: np.ndarray):
    off = np.abs(warp_square(picture, BOXES[box], size).astype(int) - warped(picture, BOXES[box], size))
    assert off.mean() < 0.5
    assert off.max() < 6


def test_the_filter_gives_other_pixels(picture: np.ndarray):
    """Half a pixel apart, and smoother where the picture is reduced: what the test above can tell from OpenCV."""
    for box in ("enlarged", "much reduced"):
        off = np.abs(crop_square(picture, BOXES[box], 224).astype(int) - warped(picture, BOXES[box], 224))
        assert off.mean() > 0.5
        assert off.max() >= 6


def test_a_clip(picture: np.ndarray):
    """By the setting's name, every frame with its own box."""
    boxes = torch.tensor(list(BOXES.values()))
    clip = Video("clip", ArrayFrames([picture] * len(boxes)), len(boxes), 30.0, (640, 480))
    crops = build_crops(clip, boxes, 224, resample="opencv").permute(0, 2, 3, 1).numpy()
    for crop, box in zip(crops, boxes.tolist(), strict=True):
        np.testing.assert_array_equal(crop, warp_square(picture, box, 224))


@pytest.mark.parametrize("box", ["enlarged", "reduced", "much reduced"])
def test_it_takes_no_longer(box: str, picture: np.ndarray):
    """At most a fifth longer than the filter; the fastest of many, since the machine may be busy."""

    def fastest(crop: Callable[..., np.ndarray]) -> float:
        seconds = []
        for _ in range(60):
            began = time.perf_counter()
            crop(picture, BOXES[box], 224)
            seconds.append(time.perf_counter() - began)
        return min(seconds)

    warp_square(picture, BOXES[box], 224)  # compiled
    assert fastest(warp_square) <= 1.2 * fastest(crop_square)
