"""``semtta label``, killed at any moment and started again, leaves what it would have left and pays for nothing twice."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "labelers"))
pytest.importorskip("litellm")
from killing import SIGNALS, contents, finished, killed
from vlm_server import Server

#: A question takes the server a moment, so that kills meet some under way; two are asked at a time.
DELAY_S, AT_A_TIME, QUESTIONS = 0.2, 2, 4
TRIALS = int(os.environ.get("SEMTTA_FAULTS", "3"))


@pytest.fixture(scope="module")
def server():
    with Server(delay_s=DELAY_S) as server:
        server.say = lambda body, action: "walking"
        yield server


def arguments(inputs: Path, server: Server, place: Path) -> list[object]:
    chosen = {
        "vlm.cache_dir": place / "cache", "vlm.concurrency": AT_A_TIME, "vlm.verify": "never", "vlm.frames": 1,
        "labels.frames": 2,
    }  # fmt: skip
    return [
        "label", inputs / "walk.mp4", "--keypoints", inputs / "keypoints.npz", "--labeler", "vlm:hosted_vllm/tiny", "--api-base",
        server.base, "--device", "cpu", *(part for key, value in chosen.items() for part in ("--set", f"{key}={value}")),
        "--out", place / "out",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def whole(inputs, server, tmp_path_factory) -> tuple[dict, float]:
    """The files of the run that is not killed, and the seconds that it takes."""
    place = tmp_path_factory.mktemp("whole")
    seconds = finished(arguments(inputs, server, place), place / "log")
    assert server.requests == QUESTIONS
    return contents(place / "out"), seconds


@pytest.mark.parametrize("trial", range(TRIALS))
def test_killed_and_started_again(inputs, server, whole, tmp_path: Path, trial: int):
    expected, seconds = whole
    assert expected["walk/labels.json"].count('"walking"') == QUESTIONS
    server.numbers.clear()
    command = arguments(inputs, server, tmp_path)
    said = killed(command, tmp_path / "log", trial, seconds)
    if "Interrupted" in said:
        assert "the same command asks only for the others" in said
    finished(command, tmp_path / "log")
    assert contents(tmp_path / "out") == expected
    lost = server.requests - QUESTIONS  # answers to a process that was killed
    assert 0 <= lost <= (AT_A_TIME if SIGNALS[trial % len(SIGNALS)].name == "SIGKILL" else 0)
    kept = [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert len(kept) == QUESTIONS
    assert all(name.endswith(".json") and not name.startswith(".") for name in kept)


def test_two_commands_at_once_ask_nothing_twice(inputs, server, whole, tmp_path: Path):
    from killing import start

    server.numbers.clear()
    both = [arguments(inputs, server, tmp_path), [*arguments(inputs, server, tmp_path)[:-1], tmp_path / "other"]]
    runs = [start(command, tmp_path / f"log{i}") for i, command in enumerate(both)]
    for i, run in enumerate(runs):
        run.join(120)
        assert run.exitcode == 0, (tmp_path / f"log{i}").read_text()
    assert server.requests == QUESTIONS
    assert contents(tmp_path / "out") == contents(tmp_path / "other") == whole[0]
