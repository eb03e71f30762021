"""Several videos, people and files of keypoints in one command: each run has a folder of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import call

from semtta.errors import SemttaError
from semtta.labelers import Labeler, labelers
from semtta.registry import Entry
from semtta.results import find, load
from semtta.runs.adapt import adapt_files
from semtta.types import SegmentLabel

CASES = Path(__file__).parents[3] / "shared" / "cases"


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
        arrays = {k: data[k][:8] if data[k].shape[:1] == (count,) else data[k] for k in data.files}
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
    assert calls == [(tmp_path / "out" / "a", found[:1]), (tmp_path / "out" / "b", found[1:])]
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
