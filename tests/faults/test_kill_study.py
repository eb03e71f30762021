"""A study, killed at any moment and run again, leaves what it would have left; its workers end with it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from killing import FORKS, TRIALS, contents, finished, killed, lives, study_of_a_sleeper


@pytest.fixture(scope="module")
def arguments(inputs) -> list[object]:
    study = {
        "name": "tiny", "dataset": "synthwild", "split": "val", "frames": 6, "max_tracks": 2,
        "settings": {
            "estimator": "hmr", "estimator.weights": str(inputs / "hmr.safetensors"), "denoiser": "none", "prior": "none",
            "labeler": "none", "device": "cpu", "epochs": 2, "min_steps": 1, "updaters": [],
        },
        "rows": [{"name": "none", "settings": {"method": "none"}}, {"name": "semantic", "settings": {"learning_rate": 1e-3}}],
        "views": {"v": {"table": "errors", "title": "t"}},
    }  # fmt: skip
    (inputs / "study.yaml").write_text(yaml.safe_dump(study))
    return ["compare", "--study", inputs / "study.yaml"]


@pytest.fixture(scope="module")
def whole(arguments, tmp_path_factory) -> tuple[dict, float]:
    """The files of the study that is not killed, and the seconds that it takes."""
    folder = tmp_path_factory.mktemp("whole")
    seconds = finished([*arguments, "--out", folder / "out"], folder / "log")
    return contents(folder / "out"), seconds


@pytest.mark.parametrize("trial", range((TRIALS + 1) // 2))
def test_killed_and_run_again(arguments, whole, tmp_path: Path, trial: int):
    expected, seconds = whole
    assert len([name for name in expected if name.startswith("runs/")]) == 4
    place = [*arguments, "--out", tmp_path / "out"]
    said = killed(place, tmp_path / "log", trial, seconds)
    if "Interrupted" in said:
        assert "run the same command to resume" in said
    finished(place, tmp_path / "log")
    assert contents(tmp_path / "out") == expected


def test_a_worker_ends_with_its_parent(inputs, tmp_path: Path):
    """In the middle of a run that would go on for minutes, and though the parent can do nothing about it."""
    parent = FORKS.Process(target=study_of_a_sleeper, args=(tmp_path / "job",))
    parent.start()
    _wait(lambda: (tmp_path / "job").exists() and (tmp_path / "job").read_text())
    worker = int((tmp_path / "job").read_text())
    assert lives(worker)
    os.kill(parent.pid, signal.SIGKILL)
    parent.join(60)
    _wait(lambda: not lives(worker))
    assert not lives(worker)


def _wait(until: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not until() and time.monotonic() < deadline:
        time.sleep(0.05)
