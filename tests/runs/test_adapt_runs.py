"""A run's folder belongs to one input: what ``--resume``, ``--overwrite``, names, persons and locks keep to."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from command_line import call

from semtta.build import resolve
from semtta.data import load_video
from semtta.errors import SemttaError
from semtta.pipeline.identity import identity_digest
from semtta.results import find, load
from semtta.runs.adapt import adapt_video


class Stopped(Exception):
    pass


def stop_after_one_epoch(what: str, done: int, total: int) -> None:
    if what == "adapting" and done == 2:  # the state of the first epoch is written by now
        raise Stopped


@pytest.fixture(params=["finished", "interrupted"])
def earlier(request, adapt, tmp_path) -> Path:
    """``out`` with a run, finished or stopped after its first epoch."""
    out = tmp_path / "out"
    if request.param == "finished":
        adapt(out)
    else:
        with pytest.raises(Stopped):
            adapt(out, progress=stop_after_one_epoch)
        assert (out / "walk" / "checkpoint.pt").exists()
        assert not (out / "walk" / "motion.npz").exists()
    return out


def state_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_run_goes_on_and_gives_what_it_would_have_given(adapt, tmp_path):
    _, whole = adapt(tmp_path / "whole")
    with pytest.raises(Stopped):
        adapt(tmp_path / "out", progress=stop_after_one_epoch)
    epochs = []
    folder, result = adapt(tmp_path / "out", resume=True, progress=lambda what, done, total: epochs.append((what, done)))
    assert [done for what, done in epochs if what == "adapting"] == [0, 2, 3]  # the first epoch is not run again
    assert torch.equal(result.params.rotations, whole.params.rotations)
    assert [record["epoch"] for record in result.history] == [1, 2, 3]
    assert not (folder / "checkpoint.pt").exists()
    assert not (folder / ".lock").exists()


def test_a_finished_run_is_kept(adapt, tmp_path):
    folder, first = adapt(tmp_path)
    before = state_of(folder)
    _, again = adapt(tmp_path, resume=True)
    assert state_of(folder) == before
    torch.testing.assert_close(again.joints, first.joints)
    assert any("kept as it is" in message for message in again.messages)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"label": "running"}, "labels: 'running', was 'walking'"),
        ({"label": None}, "labels: none given, was 'walking'"),
        ({"seed": 1}, "seed is 1, was 0"),
        ({"path": "backwards/walk.mp4"}, "backwards/walk.mp4, was "),
        ({"keypoints": "shifted.npz"}, "other keypoints"),
        ({"learning_rate": 2e-3}, "loop.learning_rate is 0.002, was 0.001"),
        ({"epochs": 4}, "loop.epochs is 4, was 3"),
        ({"prior": "none"}, "prior.name is none, was open"),
        ({"losses.pose.weight": 0.5}, "losses.pose.weight is 0.5, was 1.0"),
    ],
)
def test_another_run_is_refused_and_says_what_differs(adapt, earlier, changes, words):
    before = state_of(earlier)
    with pytest.raises(SemttaError, match="is of another run") as caught:
        adapt(earlier, resume=True, **changes)
    text = str(caught.value)
    assert words in text
    assert "--overwrite" in text
    assert "\n" not in text
    assert state_of(earlier) == before


def test_other_weights_and_another_person_are_refused(adapt, place, earlier, tmp_path):
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes((place / "hmr.safetensors").read_bytes())
    with pytest.raises(SemttaError, match=r"estimator\.weights is .*copy\.safetensors"):
        adapt(earlier, resume=True, **{"estimator.weights": str(copy)})
    used = place / "hmr.safetensors"
    whole = used.read_bytes()
    try:
        used.write_bytes((place / "other.safetensors").read_bytes())
        with pytest.raises(SemttaError, match="other weights of the estimator"):
            adapt(earlier, resume=True)
    finally:
        used.write_bytes(whole)
    (earlier / "walk").rename(earlier / "person-1")
    (earlier / "walk").mkdir()
    (earlier / "person-1").rename(earlier / "walk" / "person-1")
    with pytest.raises(SemttaError, match="people: 1, was 0; person: 1, was 0"):
        adapt(earlier, keypoints="two.npz", person=1, resume=True)


def test_where_and_how_fast_it_runs_is_no_difference(adapt, earlier):
    folder, result = adapt(earlier, resume=True, threads=1, micro_batch=4)
    assert len(result.history) == 3
    assert find(earlier) == folder


def test_a_moved_video_is_the_same_run(adapt, earlier, place, tmp_path):
    (tmp_path / "walk.mp4").write_bytes((place / "walk.mp4").read_bytes())
    assert len(adapt(earlier, path=tmp_path / "walk.mp4", resume=True)[1].history) == 3


def test_an_earlier_run_is_neither_kept_nor_replaced_unasked(adapt, earlier):
    before = state_of(earlier)
    with pytest.raises(SemttaError, match=r"holds an earlier run: --resume .* --overwrite"):
        adapt(earlier)
    assert state_of(earlier) == before


def test_overwrite_replaces(adapt, earlier):
    folder, result = adapt(earlier, overwrite=True, label="running", epochs=1)
    saved = load(folder)
    assert len(saved.history) == len(result.history) == 1
    assert saved.config["identity"]["labels"] == "'running'"
    assert not (folder / "checkpoint.pt").exists()


def test_a_replaced_run_that_was_stopped_is_not_taken_for_finished(adapt, tmp_path):
    adapt(tmp_path)
    with pytest.raises(Stopped):
        adapt(tmp_path, overwrite=True, label="running", progress=stop_after_one_epoch)
    with pytest.raises(SemttaError, match="'walking', was 'running'"):
        adapt(tmp_path, resume=True)
    folder, _ = adapt(tmp_path, resume=True, label="running")
    assert load(folder).config["identity"]["labels"] == "'running'"


def test_what_is_no_checkpoint_is_said(adapt, tmp_path):
    with pytest.raises(Stopped):
        adapt(tmp_path, progress=stop_after_one_epoch)
    torch.save({"state": {}}, tmp_path / "walk" / "checkpoint.pt")
    with pytest.raises(SemttaError, match="not a checkpoint of this version: start again with --overwrite"):
        adapt(tmp_path, resume=True)


def test_the_config_has_the_identity_and_its_digest(adapt, tmp_path):
    folder, _ = adapt(tmp_path)
    saved = yaml.safe_load((folder / "config.yaml").read_text())
    assert saved["digest"] == identity_digest(saved["identity"])
    assert saved["identity"].keys() >= {"format", "video", "person", "keypoints", "labels", "settings", "weights"}
    assert saved["origins"]["loop.epochs"] == "user"


# --- the folder ------------------------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_written(place, tiny, tmp_path):
    (tmp_path / "file").write_text("in the way")
    video = load_video(place / "walk.mp4", place / "keypoints.npz")
    with pytest.raises(SemttaError, match=r"Cannot write to .*--out"):
        adapt_video(video, tmp_path / "file", resolve(None, tiny))


def test_a_failure_leaves_no_folder_behind(place, tiny, tmp_path):
    video = load_video(place / "walk.mp4", place / "keypoints.npz")
    with pytest.raises(SemttaError, match="--label"):
        adapt_video(video, tmp_path / "out", resolve(None, {**tiny, "labeler": "fixed"}))
    assert not (tmp_path / "out" / "walk").exists()


def test_two_processes_on_one_folder(monkeypatch, capsys, place, tiny, tmp_path):
    """The second is refused at once, the first is not disturbed."""
    arguments = [
        "adapt", place / "walk.mp4", "--keypoints", place / "keypoints.npz", "--label", "walking", "--out", tmp_path,
        *(part for key, value in {**tiny, "epochs": 4000}.items() for part in ("--set", f"{key}={value}")),
    ]  # fmt: skip
    command = [sys.executable, "-m", "semtta", *map(str, arguments)]
    checkpoint = tmp_path / "walk" / "checkpoint.pt"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        try:
            deadline = time.monotonic() + 120
            while not checkpoint.exists() and first.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            assert checkpoint.exists()
            second = subprocess.run([*command, "--resume"], capture_output=True, text=True, timeout=120)
            assert second.returncode == 2
            assert "Another run is working on" in second.stderr.splitlines()[-1]
            code, _, err = call(monkeypatch, capsys, *arguments, "--overwrite")  # this process is a third
            assert (code, "Another run is working on" in err) == (2, True)
            assert first.poll() is None
        finally:
            first.kill()
    assert not (tmp_path / "walk" / "motion.npz").exists()
