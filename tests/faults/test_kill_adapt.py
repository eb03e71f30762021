"""``semtta adapt``, killed at any moment and resumed, leaves what it would have left."""

from __future__ import annotations

from pathlib import Path

import pytest
from killing import TRIALS, contents, finished, killed

from semtta.results import load


@pytest.fixture(scope="module")
def arguments(inputs) -> list[object]:
    chosen = {
        "estimator.weights": inputs / "hmr.safetensors", "denoiser": "none", "epochs": 3, "learning_rate": 1e-3, "min_steps": 2,
        "segment_frames": 4, "segment_stride": 1, "window_frames": 5, "window_overlap": 2,  # two windows: 0 to 4, 3 to 7
    }  # fmt: skip
    settings = [part for key, value in chosen.items() for part in ("--set", f"{key}={value}")]
    common = ["--keypoints", inputs / "keypoints.npz", "--label", "walking", "--estimator", "hmr", "--device", "cpu"]
    return ["adapt", inputs / "walk.mp4", *common, *settings]


@pytest.fixture(scope="module")
def whole(arguments, tmp_path_factory) -> tuple[dict, float]:
    """The files of the run that is not killed, and the seconds that it takes."""
    folder = tmp_path_factory.mktemp("whole")
    seconds = finished([*arguments, "--out", folder / "out"], folder / "log")
    return contents(folder / "out"), seconds


@pytest.mark.parametrize("trial", range(TRIALS))
def test_killed_and_resumed(arguments, whole, tmp_path: Path, trial: int):
    expected, seconds = whole
    assert {"walk/motion.npz", "walk/report.html", "walk/overlay.mp4"} <= expected.keys()
    place = [*arguments, "--out", tmp_path / "out"]
    said = killed(place, tmp_path / "log", trial, seconds)
    if "Interrupted" in said:
        assert "resume with the same command and --resume" in said
    folder = tmp_path / "out" / "walk"
    if (folder / "motion.npz").exists() and not (folder / "checkpoint.pt").exists():
        load(folder)  # only then it is finished
    finished([*place, "--resume"], tmp_path / "log")
    assert contents(tmp_path / "out") == expected


def test_the_comparison_sees_differences(whole):
    """The test above would pass if ``contents`` told nothing apart."""
    expected, _ = whole
    assert len(expected) >= 8
    assert "epoch" in expected["walk/history.jsonl"]
    assert "seconds" not in expected["walk/history.jsonl"]
