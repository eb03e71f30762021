"""What a run gives its network: crops resampled as the network was trained, and boxes of its shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from semtta.api import adapt, frame_inputs
from semtta.build import make_config, resolve
from semtta.data import ArrayFrames
from semtta.errors import SemttaError
from semtta.estimators import HMR, HMR2, HMR2Config, HMRConfig
from semtta.geometry.crops import crop_square, warp_square
from semtta.pipeline.locate import locate
from semtta.types import Keypoints2D, Video


@pytest.mark.parametrize(
    ("preset", "settings", "resample"),
    [
        ("best", {}, "antialias"), ("best", {"estimator": "hmr"}, "opencv"), ("best", {"estimator": "hmr2"}, "opencv"),
        ("paper", {}, "opencv"), ("cycleadapt", {"estimator": "hmr"}, "opencv"),
        ("paper", {"crop.resample": "antialias"}, "antialias"), ("best", {"crop": {"resample": "opencv"}}, "opencv"),
    ],
)  # fmt: skip
def test_who_resamples_how(preset: str, settings: dict[str, Any], resample: str):
    resolved = resolve(preset, settings)
    assert resolved.config.crop.resample == resample
    assert resolved.dump()["settings"]["crop"] == {"resample": resample}
    assert "crop.resample" in resolved.origins


def test_another_way_to_resample_is_refused():
    with pytest.raises(SemttaError, match=r"crop\.resample='nearest'"):
        resolve("best", {"crop.resample": "nearest"})


def video(width: float, height: float, boxes: torch.Tensor | None = None) -> Video:
    """Two frames of noise with a person of this extent about (200, 150)."""
    frames = [np.random.default_rng(i).integers(0, 256, (300, 400, 3), dtype=np.uint8) for i in range(2)]
    points = torch.tensor([[200.0, 150.0]]).repeat(17, 1)
    points[0] -= torch.tensor([width, height]) / 2
    points[1] += torch.tensor([width, height]) / 2
    keypoints = Keypoints2D(points.repeat(2, 1, 1), torch.ones(2, 17), "coco17")
    return Video("clip", ArrayFrames(frames), 2, 30.0, (400, 300), keypoints=keypoints, boxes=boxes)


@pytest.mark.parametrize(("resample", "crop"), [("opencv", warp_square), ("antialias", crop_square)])
def test_the_setting_reaches_the_crops(resample: str, crop: Any):
    clip = video(50, 100, torch.tensor([[200.0, 150.0, 210.0]]).repeat(2, 1))
    network = HMR(HMRConfig(block="basic", depths=(1, 1), widths=(8, 8), stem=8, crop_px=32, hidden=8))
    crops = frame_inputs(clip, network, make_config({"crop.resample": resample})).crops
    assert crops is not None
    for made, frame in zip(crops.permute(0, 2, 3, 1).numpy(), clip.frames, strict=True):
        np.testing.assert_array_equal(made, crop(frame, [200.0, 150.0, 210.0], 32))


@pytest.mark.parametrize(
    ("width", "height", "side"),
    [(30, 120, 120), (120, 120, 160), (90, 120, 120), (91, 120, 91 * 4 / 3), (150, 60, 200)],
)
def test_hmr2_looks_at_three_quarters_of_its_crop(width: float, height: float, side: float):
    """4D-Humans widens a box to 192:256 and takes its longer side: what lies beside the middle 192 columns is not looked at."""
    config = make_config({})
    for aspect, expected in ((HMR2.box_aspect, side), (HMR.box_aspect, max(width, height))):
        boxes = locate(video(width, height), config, 1.2, box_aspect=aspect).boxes
        assert boxes is not None
        torch.testing.assert_close(boxes, torch.tensor([[200.0, 150.0, 1.2 * expected]]).repeat(2, 1))


def test_boxes_that_came_with_the_video():
    """Squares: HMR2.0's are 4/3 of them, other networks' the same."""
    given = torch.tensor([[200.0, 150.0, 90.0], [210.0, 140.0, 60.0]])
    clip, config = video(30, 60, given), make_config({})
    assert locate(clip, config, 1.2, box_aspect=HMR.box_aspect).boxes is given
    widened = locate(clip, config, 1.2, box_aspect=HMR2.box_aspect).boxes
    torch.testing.assert_close(widened, torch.tensor([[200.0, 150.0, 120.0], [210.0, 140.0, 80.0]]))


def test_a_run_asks_the_estimator():
    """Its aspect and the setting reach the boxes and crops of ``semtta.adapt``."""
    sizes = HMR2Config(width=80, depth=1, backbone_heads=1, crop_px=64, head_width=16, head_depth=1, heads=8, feedforward=16)
    parts = {"prior": "none", "labeler": "none", "denoiser": "none", "loop.epochs": 0, "device": "cpu"}
    result = adapt(video(120, 60), estimator=HMR2(sizes), settings=parts)
    torch.testing.assert_close(result.boxes, torch.tensor([[200.0, 150.0, 1.2 * 160]]).repeat(2, 1))
