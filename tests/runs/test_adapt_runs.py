"""A run's folder belongs to one input: what ``--resume``, ``--overwrite``, names, persons and locks keep to."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from command_line import call
from short_clips import write_clip, write_tiny_hmr

from semtta.build import resolve
from semtta.data import load_video
from semtta.errors import SemttaError
from semtta.labelers import Labeler, labelers
from semtta.pipeline.identity import identity_digest
from semtta.registry import Entry
from semtta.results import find, load
from semtta.runs.adapt import adapt_files, adapt_video
from semtta.types import SegmentLabel

FRAMES = 8
CASES = Path(__file__).parents[3] / "shared" / "cases"


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A clip, the same backwards, its keypoints, those of two people, others, and weights of a tiny network."""
    folder = tmp_path_factory.mktemp("inputs")
    write_clip(folder, FRAMES)
    write_clip(folder / "backwards", FRAMES, backwards=True)
    with np.load(folder / "keypoints.npz") as data:
        arrays = {key: data[key] for key in data.files}
    points = arrays["keypoints"]
    np.savez(folder / "shifted.npz", **{**arrays, "keypoints": points + np.array((4, 0, 0))})
    smaller = points * [0.5, 0.5, 1.0]
    np.savez(folder / "two.npz", **{**arrays, "keypoints": np.stack((points, smaller), 1)})
    write_tiny_hmr(folder / "hmr.safetensors")
    write_tiny_hmr(folder / "other.safetensors", seed=1)
    return folder


@pytest.fixture
def tiny(place) -> dict[str, object]:
    """Settings of a run that takes a second."""
    return {
        "estimator": "hmr", "estimator.weights": str(place / "hmr.safetensors"), "denoiser": "none", "prior": "open",
        "device": "cpu", "epochs": 3, "learning_rate": 1e-3,
    }  # fmt: skip


@pytest.fixture
def adapt(place, tiny):
    """``adapt(out, path=, keypoints=, label=, person=, progress=, resume=, overwrite=, **settings)``: folder and result."""

    def run(out, path="walk.mp4", keypoints="keypoints.npz", label="walking", person=0, progress=None, resume=False,
            overwrite=False, **settings):  # fmt: skip
        (found,) = adapt_files(
            [place / path], out, place / keypoints, label, person, None, {**tiny, **settings}, resume, overwrite, progress
        )
        return found

    return run


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


def test_other_weights_and_another_person_are_refused(adapt, place, earlier, tmp_path, tiny):
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
    video = load_video(place / "walk.mp4", place / "keypoints.npz", label="walking")
    with pytest.raises(SemttaError, match="person: 1, was 0"):
        adapt_video(replace(video, person=1), earlier, resolve(None, tiny), resume=True, name="walk")


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


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def two(place, tmp_path) -> list[Path]:
    """Two videos of one stem, the second backwards."""
    folders = [tmp_path / name for name in ("morning", "evening")]
    for folder, source in zip(folders, (place, place / "backwards"), strict=True):
        folder.mkdir()
        (folder / "cam1.mp4").write_bytes((source / "walk.mp4").read_bytes())
    return [folder / "cam1.mp4" for folder in folders]


def test_two_videos_of_one_name_are_told_apart_by_their_folders(two, tiny, place, tmp_path):
    points = tmp_path / "points"
    points.mkdir()
    for name, file in (("morning-cam1", "keypoints.npz"), ("evening-cam1", "shifted.npz")):
        (points / f"{name}.npz").write_bytes((place / file).read_bytes())
    found = adapt_files(two, tmp_path / "out", points, "walking", settings=tiny)
    assert [folder.name for folder, _ in found] == ["morning-cam1", "evening-cam1"]
    assert [result.source for _, result in found] == [str(path) for path in two]
    assert (found[1][1].keypoints_before.xy - found[0][1].keypoints_before.xy).abs().max() == pytest.approx(4, abs=1e-3)


def test_videos_that_cannot_be_told_apart_are_refused_before_anything_runs(two, tiny, tmp_path):
    again = tmp_path / "copy" / "morning"
    again.mkdir(parents=True)
    (again / "cam1.mp4").write_bytes(two[0].read_bytes())
    for paths in ([two[0], two[0]], [two[0], again / "cam1.mp4"]):
        with pytest.raises(SemttaError, match="would both write to 'morning-cam1'"):
            adapt_files(paths, tmp_path / "out", label="walking", settings=tiny)
    assert not (tmp_path / "out").exists()


def test_an_earlier_run_of_any_video_stops_all_of_them(place, tiny, tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.mp4").write_bytes((place / "walk.mp4").read_bytes())
    out, points = tmp_path / "out", place / "keypoints.npz"
    adapt_files([tmp_path / "b.mp4"], out, points, "walking", settings={**tiny, "method": "none"})
    folder = tmp_path / "points"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.npz").write_bytes(points.read_bytes())
    with pytest.raises(SemttaError, match=r"b holds an earlier run"):
        adapt_files([tmp_path / "a.mp4", tmp_path / "b.mp4"], out, folder, "walking", settings=tiny)
    assert [path.name for path in out.iterdir()] == ["b"]


def test_persons_have_folders_of_their_own(adapt, monkeypatch, capsys, tmp_path):
    quick = {"keypoints": "two.npz", "epochs": 1}
    first, _ = adapt(tmp_path, **quick)
    second, result = adapt(tmp_path, person=1, **quick)
    assert (first, second) == (tmp_path / "walk", tmp_path / "walk" / "person-1")
    assert result.config["identity"]["person"] == 1
    assert not torch.equal(load(first).joints, load(second).joints)
    assert find(second) == second
    assert find(first) == first
    with pytest.raises(SemttaError, match=r"several runs \(walk, walk/person-1\)"):
        find(tmp_path)
    for folder, name in ((second, "walk.bvh"), (first, "walk.bvh")):
        assert call(monkeypatch, capsys, "export", folder, "--to", "bvh")[0] == 0
        assert (folder / name).is_file()
    assert (first / "walk.bvh").read_bytes() != (second / "walk.bvh").read_bytes()
    code, shown, err = call(monkeypatch, capsys, "view", second, "--no-show")
    assert code == 0, err
    assert str(second / "viewer.html") in shown
    code, _, err = call(monkeypatch, capsys, "export", tmp_path, "--to", "bvh")
    assert (code, "walk/person-1" in err) == (2, True)


def test_a_single_person_is_found_and_judged(adapt, monkeypatch, capsys, tmp_path):
    from semtta.data.truth import load_truth
    from semtta.io.files import write_npz
    from semtta.runs.demo import CLIP

    folder, _ = adapt(tmp_path / "out", keypoints="two.npz", person=1, epochs=1)
    assert find(tmp_path / "out") == find(tmp_path / "out" / "walk") == folder
    truth = load_truth(CLIP / "ground_truth.npz")
    with np.load(CLIP / "ground_truth.npz") as data:
        count = len(truth.joints)
        arrays = {k: data[k][:FRAMES] if data[k].shape[:1] == (count,) else data[k] for k in data.files}
    write_npz(tmp_path / "truth.npz", **arrays)
    code, shown, err = call(monkeypatch, capsys, "evaluate", tmp_path / "out", "--ground-truth", tmp_path / "truth.npz")
    assert code == 0, err
    assert "mpjpe" in shown


def test_there_is_no_such_person(adapt, tmp_path):
    with pytest.raises(SemttaError, match="There is no person 1"):
        adapt(tmp_path, person=1)
    assert not list(tmp_path.rglob("*"))


# --- keypoints of several videos -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "cannot be of 2 videos: give a folder"),
        ((), r"holds nothing named 'a': one file or folder of keypoints is needed for .*a\.mp4"),
        (("a.npz",), "holds nothing named 'b'"),
        (("a.npz", "a.json", "b.npz"), "holds 2 entries named 'a'"),
    ],
)
def test_keypoints_that_are_not_of_each_video_are_refused(place, tiny, tmp_path, files, message):
    videos = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for path in videos:
        path.write_bytes((place / "walk.mp4").read_bytes())
    points = place / "keypoints.npz"
    if files is not None:
        points = tmp_path / "points"
        points.mkdir()
        for name in files:
            (points / name).write_bytes((place / "keypoints.npz").read_bytes())
    with pytest.raises(SemttaError, match=message):
        adapt_files(videos, tmp_path / "out", points, "walking", settings=tiny)
    assert not (tmp_path / "out").exists()


def test_keypoints_may_lie_beside_the_videos(place, tiny, tmp_path):
    videos = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for path, points in zip(videos, ("keypoints.npz", "shifted.npz"), strict=True):
        path.write_bytes((place / "walk.mp4").read_bytes())
        path.with_suffix(".npz").write_bytes((place / points).read_bytes())
    calls = []
    found = adapt_files(
        videos, tmp_path / "out", tmp_path, "walking", settings={**tiny, "method": "none"}, done=lambda *pair: calls.append(pair)
    )
    assert [folder.name for folder, _ in found] == ["a", "b"]
    assert calls == found
    assert not torch.equal(found[0][1].keypoints_before.xy, found[1][1].keypoints_before.xy)


def test_one_labeler_serves_all_videos(place, tiny, tmp_path, monkeypatch):
    """So that a budget holds for all of them together."""
    made, asked = [], []

    class Counting(Labeler):
        name = "counting"

        def __init__(self):
            made.append(self)

        def label(self, video, spans, context):
            asked.append(video.name)
            return [SegmentLabel(start, stop, "walking") for start, stop in spans]

    monkeypatch.setitem(labelers._entries, "counting", Entry("counting", Counting))
    videos = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for path in videos:
        path.write_bytes((place / "walk.mp4").read_bytes())
        path.with_suffix(".npz").write_bytes((place / "keypoints.npz").read_bytes())
    adapt_files(videos, tmp_path / "out", tmp_path, settings={**tiny, "method": "none", "labeler": "counting"})
    assert (len(made), asked) == (1, ["a", "b"])


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


# --- shared cases ----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not CASES.exists(), reason="the shared cases are not here")
def test_case_same_name(monkeypatch, capsys, tmp_path):
    """26: the second command refuses (the folder is the result of morning/cam1.mp4); it never reports the first's motion."""
    monkeypatch.chdir(CASES / "26-same-name")
    common = ["--keypoints", "kp", "--method", "none", "--device", "cpu", "--out", tmp_path]
    code, _, err = call(monkeypatch, capsys, "adapt", "morning/cam1.mp4", "--label", "walking", *common)
    assert code == 0, err
    code, shown, err = call(monkeypatch, capsys, "adapt", "evening/cam1.mp4", "--label", "running", *common, "--resume")
    assert code == 2
    (line,) = [text for text in err.splitlines() if text.startswith("Error")]
    assert "evening/cam1.mp4, was morning/cam1.mp4" in line
    assert "Results in" not in shown
    assert load(tmp_path).source == "morning/cam1.mp4"


@pytest.mark.skipif(not CASES.exists(), reason="the shared cases are not here")
def test_case_two_videos_one_keypoints(monkeypatch, capsys, tmp_path):
    """38: one keypoint file cannot be of two videos."""
    monkeypatch.chdir(CASES / "38-two-videos-one-keypoints")
    arguments = ["adapt", "a.mp4", "b.mp4", "--keypoints", "a.npz", "--label", "walking", "--set", "epochs=1"]
    code, _, err = call(monkeypatch, capsys, *arguments, "--out", tmp_path / "out")
    assert code == 2
    assert "cannot be of 2 videos" in err
    assert not (tmp_path / "out").exists()
