"""semtta bench: every stage is timed, ratios come from one run, memory is a stage's own; and the history of the ratios."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from semtta.data import first_frames
from semtta.diagnostics.bench import run_bench
from semtta.diagnostics.meter import Measurement, measure
from semtta.diagnostics.stages import detector_missing
from semtta.errors import SemttaError
from semtta.runs.demo import demo_video
from semtta_cli.main import app

CHECK = Path(__file__).parents[2] / "benchmarks" / "check_history.py"
CPU = torch.device("cpu")
STAGES = {
    "decode", "crop", "predict", "label: retrieval", "label: fixed", "write: results", "write: overlay", "write: report",
    "adapt (an epoch)",
}  # fmt: skip


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """What ``semtta bench --quick --json`` writes."""
    file = tmp_path_factory.mktemp("bench") / "bench.json"
    began = time.process_time()
    done = CliRunner().invoke(app, ["bench", "--quick", "--device", "cpu", "--json", str(file)])
    seconds = time.process_time() - began
    assert done.exit_code == 0, done.output
    return {**json.loads(file.read_text()), "took": seconds}


@pytest.mark.slow
def test_every_stage_has_a_time_and_a_peak(report):
    stages = report["stages"]
    assert set(stages) == STAGES | ({"detect"} if detector_missing() is None else set())
    for name, row in stages.items():
        assert row["seconds"] > 0, name
        assert row["cpu_seconds"] > 0, name
        assert row["peak_mb"] > 50, name
    assert stages["label: fixed"]["seconds"] < stages["predict"]["seconds"] < stages["adapt (an epoch)"]["seconds"]
    assert report["took"] < 30


@pytest.mark.slow
def test_a_stage_that_cannot_be_run_is_named_with_the_reason(report):
    assert report["skipped"] == ({} if detector_missing() is None else {"detect": detector_missing()})


@pytest.mark.slow
def test_the_loop_takes_no_less_than_its_network(report):
    assert set(report["loops"]) == {"open", "open-image", "hmr", "hmr2"}
    for name, row in report["loops"].items():
        assert math.isfinite(row["loop_over_network"]), name
        assert row["loop_over_network_cpu"] > 0.9, name
    assert report["loops"]["open"]["weights"] == "installed"
    assert report["ratios"]["loop / network (open, small, 16 frames)"] == report["loops"]["open"]["loop_over_network_cpu"]


@pytest.mark.slow
def test_the_hardware_is_told(report):
    hardware = report["hardware"]
    assert hardware["threads"] == torch.get_num_threads()
    assert f"{hardware['cpus']} CPUs" in hardware["machine"]


def test_works_run_in_turn_and_a_first_round_does_not_count():
    order, progress = [], []
    found = measure(
        {"slow": lambda: (order.append("slow"), time.sleep(0.25)), "slower": lambda: (order.append("slower"), time.sleep(0.3))},
        2, CPU, lambda *where: progress.append(where),
    )  # fmt: skip
    assert order == ["slow", "slower"] * 3
    assert len(found["slow"].seconds) == 2
    assert found["slow"].median_s >= 0.25
    assert found["slow"].median_cpu_s < 0.1  # it slept
    assert progress[-1] == ("measuring", 6, 6)


def test_short_work_is_repeated_and_counted_once():
    calls = []
    found = measure({"short": lambda: (calls.append(1), time.sleep(0.02))}, 1, CPU)
    assert 3 <= len(calls) <= 12  # once, then as often as fills a fifth of a second
    assert 0.02 <= found["short"].seconds[0] < 0.1


def test_the_ratio_is_the_median_of_the_rounds_ratios():
    loop = Measurement((2.0, 30.0, 2.2), (1.0, 1.0, 3.0), 0, 0)
    network = Measurement((1.0, 10.0, 2.0), (0.5, 1.0, 2.0), 0, 0)
    assert loop.over(network) == pytest.approx(2.0)  # of 2, 3 and 1.1; the medians' ratio is 1.1
    assert loop.over(network, cpu=True) == pytest.approx(1.5)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak cannot be reset here")
def test_the_peak_is_the_works_own():
    large, small = 300_000_000, 1000
    found = measure({"large": lambda: bytearray(large), "small": lambda: bytearray(small)}, 1, CPU)
    assert found["large"].added_mb == pytest.approx(300, rel=0.1)
    assert found["small"].added_mb < 30


def test_more_frames_than_the_clip_has_are_refused():
    with pytest.raises(SemttaError, match="give 2 to 120"):
        run_bench(("open",), frames=500, device="cpu")
    with pytest.raises(SemttaError, match="Nothing to measure"):
        run_bench(())


def test_the_first_frames_are_a_whole_video():
    video = first_frames(demo_video(), 7)
    assert sum(1 for _ in video.frames) == len(video.keypoints) == len(video.ground_truth.joints) == video.num_frames == 7
    assert video.labels[0].stop == 7


# -- the history ------------------------------------------------------------------------------------------------------


def made_up(machine="a machine", **ratios):
    hardware = {"machine": machine, "load": [0, 0, 0], "versions": {"torch": "2"}}
    return {"hardware": hardware, "preset": "best", "rounds": 3, "ratios": ratios}


def check(tmp_path, report, *arguments):
    results = tmp_path / "results.json"
    results.write_text(json.dumps(report))
    command = [sys.executable, str(CHECK), "--results", str(results), "--history", str(tmp_path / "history.json"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def history(tmp_path):
    """Three entries of one machine, with the medians loop 1.2 and crop 0.5, and one of a faster one."""
    for loop, crop in ((1.1, 0.5), (1.2, 0.52), (1.25, 0.4)):
        assert check(tmp_path, made_up(loop=loop, crop=crop), "--update")[0] == 0
    assert check(tmp_path, made_up("another machine", loop=1.0), "--update")[0] == 0
    entries = json.loads((tmp_path / "history.json").read_text())
    assert [entry["ratios"]["loop"] for entry in entries] == [1.1, 1.2, 1.25, 1.0]
    assert all(entry["commit"] for entry in entries)
    return tmp_path


@pytest.mark.parametrize(
    ("machine", "loop", "crop", "code"),
    [
        ("a machine", 1.31, 0.5, 0), ("a machine", 1.33, 0.5, 1), ("a machine", 1.0, 0.56, 1), ("a machine", 0.9, 0.1, 0),
        ("another machine", 1.11, 0.5, 1), ("a third machine", 9.0, 9.0, 0), ("a machine", float("nan"), 0.5, 1),
    ],
)  # fmt: skip
def test_a_ratio_that_is_ten_per_cent_worse_than_the_median_of_its_machine_fails(history, machine, loop, crop, code):
    before = (history / "history.json").read_text()
    found, output = check(history, made_up(machine, loop=loop, crop=crop))
    assert found == code, output
    assert ("WORSE" in output) == bool(code)
    assert ("nothing was compared" in output) == (machine == "a third machine")
    assert (history / "history.json").read_text() == before


def test_what_got_worse_is_not_added_to_the_history(history):
    before = (history / "history.json").read_text()
    assert check(history, made_up(loop=2.0, crop=0.5), "--update")[0] == 1
    assert (history / "history.json").read_text() == before


def test_another_preset_is_not_compared(history):
    assert check(history, {**made_up(loop=5.0), "preset": "paper"})[0] == 0


def test_the_included_history_can_be_read():
    entries = json.loads(CHECK.with_name("history.json").read_text())
    for entry in entries:
        assert entry["machine"]
        assert all(value > 0 for value in entry["ratios"].values())
    assert any("loop / network (open" in name for entry in entries for name in entry["ratios"])
