"""``semtta adapt``, killed at any moment and resumed, leaves what it would have left."""

from __future__ import annotations

from pathlib import Path

import pytest
from killing import TRIALS, contents, finished, killed

from semtta.results import load

#: One person, and two.
POINTS = ("keypoints.npz", "two.npz")


def arguments(inputs: Path, points: str) -> list[object]:
    chosen = {
        "estimator.weights": inputs / "hmr.safetensors", "denoiser": "none", "epochs": 3, "learning_rate": 1e-3, "min_steps": 2,
        "segment_frames": 4, "segment_stride": 1, "window_frames": 5, "window_overlap": 2,  # two windows: 0 to 4, 3 to 7
    }  # fmt: skip
    settings = [part for key, value in chosen.items() for part in ("--set", f"{key}={value}")]
    common = ["--keypoints", inputs / points, "--label", "walking", "--estimator", "hmr", "--device", "cpu"]
    return ["adapt", inputs / "walk.mp4", *common, *settings]


@pytest.fixture(scope="module")
def wholes(inputs, tmp_path_factory) -> dict[str, tuple[dict, float]]:
    """By keypoints: the files of the run that is not killed, and the seconds that it takes."""
    found = {}
    for points in POINTS:
        folder = tmp_path_factory.mktemp("whole")
        seconds = finished([*arguments(inputs, points), "--out", folder / "out"], folder / "log")
        found[points] = contents(folder / "out"), seconds
    return found


@pytest.mark.parametrize(("points", "trial"), [(POINTS[trial // 2 % 2], trial) for trial in range(TRIALS)])
def test_killed_and_resumed(inputs, wholes, tmp_path: Path, points: str, trial: int):
    expected, seconds = wholes[points]
    people = ["walk/person-0", "walk/person-1"] if points == "two.npz" else ["walk"]
    assert {"walk/report.html", "walk/overlay.mp4", *(f"{person}/motion.npz" for person in people)} <= expected.keys()
    place = [*arguments(inputs, points), "--out", tmp_path / "out"]
    said = killed(place, tmp_path / "log", trial, seconds)
    if "Interrupted" in said:
        assert "resume with the same command and --resume" in said
    unfinished = list((tmp_path / "out").rglob("checkpoint.*"))
    for folder in () if unfinished else (tmp_path / "out" / person for person in people):
        if (folder / "motion.npz").exists():
            load(folder)  # only then it is finished
    finished([*place, "--resume"], tmp_path / "log")
    assert contents(tmp_path / "out") == expected


@pytest.mark.parametrize("points", POINTS)
def test_the_comparison_sees_differences(wholes, points):
    """The test above would pass if ``contents`` told nothing apart."""
    expected, _ = wholes[points]
    assert len(expected) >= 8
    for name in [name for name in expected if name.endswith("history.jsonl")]:
        assert "epoch" in expected[name]
        assert "seconds" not in expected[name]
