"""``semtta adapt``, killed at any moment and resumed, leaves what it would have left."""

from __future__ import annotations

from pathlib import Path

import pytest
from killing import TRIALS, contents, finished, killed

from semtta.results import load


@pytest.fixture(scope="module", params=["keypoints.npz", "two.npz"])
def arguments(request, inputs) -> list[object]:
    """Of one person, and of two."""
    chosen = {
        "estimator.weights": inputs / "hmr.safetensors", "denoiser": "none", "epochs": 6, "learning_rate": 1e-3, "min_steps": 2,
    }  # fmt: skip
    settings = [part for key, value in chosen.items() for part in ("--set", f"{key}={value}")]
    common = ["--keypoints", inputs / request.param, "--label", "walking", "--estimator", "hmr", "--device", "cpu"]
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
    people = ["walk/person-0", "walk/person-1"] if "walk/people.json" in expected else ["walk"]
    assert {"walk/report.html", "walk/overlay.mp4", *(f"{person}/motion.npz" for person in people)} <= expected.keys()
    place = [*arguments, "--out", tmp_path / "out"]
    said = killed(place, tmp_path / "log", trial, seconds)
    if "Interrupted" in said:
        assert "resume with the same command and --resume" in said
    for folder in (tmp_path / "out" / person for person in people):
        if (folder / "motion.npz").exists() and not (folder / "checkpoint.pt").exists():
            load(folder)  # only then it is finished
    finished([*place, "--resume"], tmp_path / "log")
    assert contents(tmp_path / "out") == expected


def test_the_comparison_sees_differences(whole):
    """The test above would pass if ``contents`` told nothing apart."""
    expected, _ = whole
    assert len(expected) >= 8
    for name in [name for name in expected if name.endswith("history.jsonl")]:
        assert "epoch" in expected[name]
        assert "seconds" not in expected[name]
