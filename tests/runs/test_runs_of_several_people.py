"""Several people of one clip: adapted in turn, refined together, each with a folder of their own, all of them one run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import call

import semtta.api
from semtta.detectors import detectors, read_people
from semtta.errors import SemttaError
from semtta.io.labels import labels_of
from semtta.registry import Entry
from semtta.results import FILES, find, find_all, load, load_all
from semtta.runs.adapt import adapt_files
from semtta.types import SegmentLabel

EVERYBODY = {"keypoints": "two.npz", "person": "all", "epochs": 2}
OWN = {*FILES} - {"overlay.mp4", "report.html"}
SHARED = {"overlay.mp4", "report.html", "viewer.html", "people.json"}


class Stopped(Exception):
    pass


def stop_in(person: int, epoch: int = 2):
    """What stops a run after an epoch of one of the people; steps are counted over all of them."""

    def stop(what: str, done: int, total: int) -> None:
        if what.startswith("adapting (person") and done == 2 * (person - 1) + epoch:
            raise Stopped

    return stop


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def state_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def whole(place, tmp_path_factory) -> Path:
    """``out`` with a finished run of two people; not to be changed."""
    out = tmp_path_factory.mktemp("whole")
    settings = {"estimator": "hmr", "estimator.weights": str(place / "hmr.safetensors"), "denoiser": "none", "prior": "open",
                "device": "cpu", "epochs": 2, "learning_rate": 1e-3}  # fmt: skip
    adapt_files([place / "walk.mp4"], out, place / "two.npz", "walking", settings=settings)
    return out


@pytest.fixture
def copied(whole, tmp_path) -> Path:
    """A copy of the finished run that may be changed."""
    for name, content in state_of(whole).items():
        path = tmp_path / "copied" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "copied"


def same_as(out: Path, whole: Path) -> bool:
    return names(out) == names(whole) and all(
        torch.equal(found.joints, wanted.joints)
        for found, wanted in zip(load_all(out), load_all(whole), strict=True)
    )  # fmt: skip


# --- what a run of several people leaves ------------------------------------------------------------------------------


def test_everybody_has_a_folder_and_all_have_one_overlay_page_and_viewer(whole):
    people = {f"person-{number}/{name}" for number in (0, 1) for name in OWN}
    assert names(whole / "walk") == people | SHARED
    rows = json.loads((whole / "walk" / "people.json").read_text())
    assert [(row["person"], row["folder"], row["first_frame"], row["last_frame"]) for row in rows] == [
        (0, "person-0", 0, 7), (1, "person-1", 0, 7),
    ]  # fmt: skip
    first, second = load_all(whole)
    assert (first.person, second.person) == (0, 1)
    assert first.config["identity"]["people"] == second.config["identity"]["people"] == "0, 1"
    assert first.boxes[:, 2].mean() > second.boxes[:, 2].mean()  # the largest first


def test_it_is_what_each_alone_would_be_without_refiners(adapt, whole, tmp_path):
    _, alone = adapt(tmp_path, keypoints="two.npz", person=1, epochs=2, refiners=[])
    assert find(tmp_path).name == "person-1"
    together = adapt(tmp_path / "together", **EVERYBODY, refiners=[])
    torch.testing.assert_close(together[1][1].joints, alone.joints)


def test_refiners_see_all_people_of_the_clip_once(adapt, monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(semtta.api, "refine", lambda parts, results, body: seen.append(len(results)) or results)
    steps = []
    adapt(tmp_path, **EVERYBODY, progress=lambda what, done, total: steps.append((what, done, total)))
    assert seen == [2]
    of_all = [(done, total) for what, done, total in steps if what.startswith("adapting")]
    assert of_all == [(0, 4), (1, 4), (2, 4), (2, 4), (3, 4), (4, 4)]  # so that the time left is that of all
    assert {what for what, _, _ in steps if "adapting" in what} == {f"adapting (person {n} of 2)" for n in (1, 2)}


def test_results_of_several_people_are_found_shown_and_judged(whole, copied, monkeypatch, capsys, tmp_path):
    clip = copied / "walk"
    assert find_all(copied) == find_all(clip) == [clip / "person-0", clip / "person-1"]
    assert find_all(clip / "person-1") == [clip / "person-1"]
    for folder in (copied, clip):
        with pytest.raises(SemttaError, match=r"holds results of 2 people \(person-0, person-1\): give the folder of one"):
            load(folder)
    code, shown, err = call(monkeypatch, capsys, "view", copied, "--no-show")
    assert (code, str(clip / "viewer.html") in shown) == (0, True), err
    code, _, err = call(monkeypatch, capsys, "evaluate", copied, "--ground-truth", "none.npz")
    assert (code, "2 people" in err) == (2, True)
    code, _, err = call(monkeypatch, capsys, "evaluate", copied, "--person", 2, "--ground-truth", "none.npz")
    assert (code, "no results of person 2. It has: person-0, person-1" in err) == (2, True)
    (clip / "person-1" / "motion.npz").unlink()
    with pytest.raises(SemttaError, match=r"person-1/motion\.npz is missing"):
        find_all(copied)
    (clip / "people.json").write_text("[")
    with pytest.raises(SemttaError, match=r"people\.json is not a whole file of a run"):
        find_all(clip)


# --- resume, overwrite ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("person", [1, 2])
def test_stopped_in_anybody_it_goes_on_and_gives_what_it_would_have_given(adapt, whole, tmp_path, person):
    out = tmp_path / "out"
    with pytest.raises(Stopped):
        adapt(out, **EVERYBODY, progress=stop_in(person))
    assert (out / "walk" / "checkpoint.json").exists()
    with pytest.raises(SemttaError, match="holds an earlier run"):
        adapt(out, **EVERYBODY)
    with pytest.raises(SemttaError, match="labels: 'running', was 'walking'"):
        adapt(out, **EVERYBODY, label="running", resume=True)
    for other in (0, 1):
        with pytest.raises(SemttaError, match=f"people: {other}, was 0, 1"):
            adapt(out, **{**EVERYBODY, "person": other}, resume=True)
    steps = []
    adapt(out, **EVERYBODY, resume=True, progress=lambda what, done, total: steps.append(done) if "adapting" in what else None)
    assert steps == ([0, 2, 2, 3, 4] if person == 1 else [0, 2, 4])  # no finished epoch is run again
    assert same_as(out, whole)


def test_stopped_before_its_files_are_written_or_all_in_place_it_goes_on(adapt, whole, monkeypatch, tmp_path):
    out = tmp_path / "out"
    for place in ("save_people", "_remove_earlier"):
        with monkeypatch.context() as patched:
            patched.setattr(f"semtta.runs.together.{place}", lambda *args: (_ for _ in ()).throw(Stopped))
            with pytest.raises(Stopped):
                adapt(out, **EVERYBODY, resume=True)
        left = {name for name in names(out / "walk") if "checkpoint" in name}
        assert left == {"checkpoint.json", "person-0/checkpoint.pt", "person-1/checkpoint.pt"}
    adapt(out, **EVERYBODY, resume=True)
    assert same_as(out, whole)


def test_a_finished_run_is_kept_and_another_is_refused(adapt, copied):
    before = state_of(copied)
    found = adapt(copied, **EVERYBODY, resume=True)
    assert all("kept as it is" in result.messages[-1] for _, result in found)
    for changes, words in (
        ({"seed": 1}, "seed is 1, was 0"),
        ({"person": 1}, "people: 1, was 0, 1"),
        ({"end": 0.2}, "frames: 0 to 5"),
    ):
        with pytest.raises(SemttaError, match=words):
            adapt(copied, **{**EVERYBODY, **changes}, resume=True)
        with pytest.raises(SemttaError, match="holds an earlier run"):
            adapt(copied, **{**EVERYBODY, **changes})
    assert state_of(copied) == before


@pytest.mark.parametrize("person", [0, 1])
def test_one_person_takes_the_place_of_several_only_unasked(adapt, copied, person):
    (copied / "walk" / "walk-person-1.bvh").write_text("an export")
    (copied / "walk" / "person-0" / "notes.txt").write_text("mine")
    one = {**EVERYBODY, "person": person}
    with pytest.raises(Stopped):
        adapt(copied, **one, overwrite=True, progress=lambda what, *_: (_ for _ in ()).throw(Stopped) if what == "drawing" else 0)
    with pytest.raises(SemttaError, match=f"people: 0, 1, was {person}"):
        adapt(copied, **EVERYBODY, resume=True)
    adapt(copied, **one, resume=True)
    folder = "person-1/" if person else ""
    assert names(copied / "walk") == {f"{folder}{name}" for name in FILES} | {"person-0/notes.txt"}


def test_several_take_the_place_of_each_alone(adapt, whole, tmp_path):
    for person in (0, 1):
        adapt(tmp_path, **{**EVERYBODY, "person": person})
    with pytest.raises(SemttaError, match=r"people: 0, 1, was 0\)"):
        adapt(tmp_path, **EVERYBODY, resume=True)
    adapt(tmp_path, **EVERYBODY, overwrite=True)
    assert same_as(tmp_path, whole)


def test_a_damaged_note_of_an_unfinished_run(adapt, tmp_path):
    with pytest.raises(Stopped):
        adapt(tmp_path, **EVERYBODY, progress=stop_in(2))
    for content in ("{", "{}", '{"x": {}}', "[1]"):
        (tmp_path / "walk" / "checkpoint.json").write_text(content)
        with pytest.raises(SemttaError, match=r"checkpoint\.json.*(--overwrite|write the file again)"):
            adapt(tmp_path, **EVERYBODY, resume=True)


def test_a_run_that_fails_before_its_first_epoch_leaves_nothing(adapt, tmp_path):
    with pytest.raises(SemttaError, match=r"loop\.trainable=nothing"):
        adapt(tmp_path / "out", **EVERYBODY, trainable="nothing")
    assert not (tmp_path / "out").exists()


def test_the_detector_looks_once_at_a_video(place, tiny, monkeypatch, tmp_path):
    """At all people together, and not again when the run goes on or another one follows."""
    looked, found = [], load_two(place)

    class Watching:
        def detect(self, frames, size):
            looked.append(sum(1 for _ in frames))
            return [person[: looked[-1]] for person in found]

    monkeypatch.setitem(detectors._entries, "watching", Entry("watching", Watching))
    arguments = ([place / "walk.mp4"], tmp_path, None, "walking")
    settings = {**tiny, "detector": "watching", "epochs": 2, "evidence.landmarks": "never"}
    with pytest.raises(Stopped):
        adapt_files(*arguments, settings=settings, progress=stop_in(2))
    first = adapt_files(*arguments, settings=settings, resume=True)
    assert len(first) == 2
    adapt_files(*arguments, settings=settings, resume=True)
    adapt_files(*arguments, settings={**settings, "method": "none"}, person=1, overwrite=True)
    assert looked == [8]
    with pytest.raises(SemttaError, match=r"no person 2"):
        adapt_files(*arguments, settings={**settings, "method": "none"}, person=2, start=0.1, overwrite=True)
    assert looked == [8, 5]  # other frames


def load_two(place):
    return read_people(place / "two.npz", 8, (640, 480))


# --- whom, and when ---------------------------------------------------------------------------------------------------


def test_a_place_in_the_picture_means_a_person(adapt, place, tmp_path):
    with np.load(place / "two.npz") as data:
        points = data["keypoints"]
    for number in (0, 1):
        seen = points[2, number][points[2, number, :, 2] > 0]
        x, y = np.median(seen[:, :2], 0)
        folder, result = adapt(tmp_path, **{**EVERYBODY, "person": f"{x:.1f},{y:.1f}@0.07", "method": "none"})
        assert result.person == number
    assert folder == tmp_path / "walk" / "person-1"


def test_a_part_of_the_video_keeps_the_frames_and_times_of_the_file(adapt, tmp_path):
    folder, _ = adapt(tmp_path, start=0.1, end=0.2, method="none")
    with np.load(folder / "motion.npz") as motion:
        assert motion["frame_index"].tolist() == [3, 4, 5]
        assert motion["time_s"] == pytest.approx([0.1, 4 / 30, 5 / 30], abs=1e-3)
        assert len(motion["poses"]) == 3
    with pytest.raises(SemttaError, match="frames: 0 to 7, was 3 to 5"):
        adapt(tmp_path, method="none", resume=True)


WRONG = [
    (("--person", "tom"), "tom"), (("--person", "-1"), "-1"), (("--person", "1.5"), "1.5"), (("--person", "1,2,3"), "1,2,3"),
    (("--person", "nan,nan"), "nan"), (("--person", "5,5@"), "5,5@"), (("--people", ""), "all"), (("--person", "7"), "person 7"),
    (("--person", "9999,5"), "640 x 480"), (("--start", "-1"), "--start"), (("--start", "nan"), "--start"),
    (("--end", "0"), "--end 0"),
    (("--start", "2", "--end", "1"), "--end 1 is not after"), (("--start", "50"), "lasts 0.3 s"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "words"), WRONG, ids=lambda value: "_".join(value) if isinstance(value, tuple) else "")
def test_people_and_times_that_are_none(place, monkeypatch, capsys, tmp_path, options, words):
    arguments = ["adapt", place / "walk.mp4", "--keypoints", place / "two.npz", "--out", tmp_path / "out", "--method", "none"]
    code, out, err = call(monkeypatch, capsys, *arguments, *options)
    lines = [line for line in err.splitlines() if line.strip() and "━" not in line]
    assert (code, out, len(lines)) == (2, "", 1), err
    assert words in lines[0]
    assert len(lines[0]) < 310
    assert not (tmp_path / "out").exists()


# --- labels -----------------------------------------------------------------------------------------------------------


def test_each_person_has_labels_of_their_own(place, monkeypatch, capsys, tmp_path):
    arguments = ["label", place / "walk.mp4", "--keypoints", place / "two.npz", "--labeler", "fixed", "--label", "walking"]
    code, _, err = call(monkeypatch, capsys, *arguments, "--device", "cpu", "--review", "--out", tmp_path)
    assert code == 0, err
    assert names(tmp_path) == {"walk/person-0/labels.json", "walk/person-1/labels.json", "review.csv", "review.html"}
    assert set(re.findall(r"^walk/person-\d", (tmp_path / "review.csv").read_text(), re.MULTILINE)) == {
        "walk/person-0", "walk/person-1",
    }  # fmt: skip


def test_the_labels_of_a_person(make_result, make_video):
    result = make_result(frames=6)
    video = make_video(result, name="walk", person=1, people=2, frame_index=torch.arange(10, 16))
    own, all_of = [SegmentLabel(0, 6, "running")], [SegmentLabel(0, 12, "walking"), SegmentLabel(12, 40, "jumping")]
    assert labels_of({"walk/person-1": own, "walk": all_of}, video, "x") == tuple(own)
    shifted = labels_of({"walk": all_of}, video, "x")
    assert [(item.start, item.stop, item.label) for item in shifted] == [(0, 2, "walking"), (2, 6, "jumping")]
    with pytest.raises(SemttaError, match="stops at frame 40"):
        labels_of({"": all_of}, video, "x")
    with pytest.raises(SemttaError, match="walk"):
        labels_of({"walk/person-0": own}, video, "x")
