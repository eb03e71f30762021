"""The demo's machinery with one epoch; its real numbers come from running it."""

from __future__ import annotations

from pathlib import Path

import pytest

from semtta import assets
from semtta.runs.demo import METRICS, demo_video, run_demo

here = Path(assets.__file__).with_name("estimator_open.safetensors").exists()


def test_the_clip_hides_the_legs_for_part_of_it():
    video = demo_video()
    truth = video.ground_truth
    assert len(truth.joints) == video.num_frames == 120
    hidden = ~truth.visible[:, [4, 5, 7, 8]].any(-1)
    assert 0.3 < hidden.float().mean() < 0.7
    seen = video.keypoints.confidence > 0.3
    names = ("L_Knee", "R_Knee", "L_Ankle", "R_Ankle")
    from semtta.constants import BODY25

    legs = seen[:, [BODY25.index(name) for name in names]]
    assert legs[hidden].float().mean() < 0.1  # the detector does not see through the hedge
    assert legs[~hidden].float().mean() > 0.3


@pytest.mark.skipif(not here, reason="the included weights are not here")
def test_every_row_is_measured(tmp_path):
    demo = run_demo(tmp_path, device="cpu", settings={"loop.epochs": 1})
    assert list(demo.numbers) == ["unadapted", "cycleadapt", "semantic"]
    assert all(metric in row for row in demo.numbers.values() for metric in METRICS)
    assert len({row["pa_mpjpe"] for row in demo.numbers.values()}) == 3  # three different motions were measured
    assert (demo.folder / "report.html").exists()
    assert demo.result.metrics == {} or "after" in demo.result.metrics
