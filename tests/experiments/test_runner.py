"""Runs and the folder that keeps them."""

from __future__ import annotations

import json

import pytest

from semtta.data import first_frames
from semtta.datasets import datasets
from semtta.errors import SemttaError
from semtta.experiments import run_study
from semtta.experiments.runner import IDENTITY, make_plan, missing, opened, run_job
from semtta.experiments.study import with_rows


def test_equal_settings_share_a_run_and_others_do_not(make_small):
    prior = {"prior": "outside-prior"}
    same = {"name": "the same", "settings": {**prior, "prior.sigma": 0.0, "learning_rate": 1e-3}}  # the parts' own, said aloud
    other = {"name": "other", "settings": {**prior, "prior.sigma": 0.5}}
    rows = [{"name": "semantic", "settings": prior}, same, other]
    view = {"v": {"table": "errors", "title": "t"}}
    plan = make_plan(make_small(rows=rows, views=view, seeds=2))
    assert plan.keys["semantic"] == plan.keys["the same"] != plan.keys["other"]
    assert len(plan.jobs()) == 2 * 3 * 2
    assert [job.track for job in plan.jobs()[:4]] == ["walk_a", "walk_a", "walk_b", "walk_b"]
    again = make_plan(make_small(rows=rows[:1], views=view), device="cpu")
    assert again.keys["semantic"] == plan.keys["semantic"]  # neither the seed nor the device is in the key


def test_the_key_depends_on_the_weights(study, monkeypatch):
    import torch

    from semtta.experiments import runner

    before = make_plan(study).keys
    real = runner.build_roles

    def retrained(config):
        roles = real(config)
        with torch.no_grad():
            next(roles.estimator.parameters()).add_(1e-3)
        return roles

    monkeypatch.setattr(runner, "build_roles", retrained)
    after = make_plan(study).keys
    assert all(before[row] != after[row] for row in before)


def test_a_record_has_what_the_tables_need(study):
    job = make_plan(study).job("semantic", "walk_b", 0)
    record = run_job(job)
    assert record["status"] == "done", record
    assert record["weights"]["frames"] == record["video_frames"] == 10
    assert {"mpjpe", "pa_mpjpe", "mpvpe"} <= set(record["metrics"]) == set(record["unadapted"])
    assert record["metrics"]["mpjpe"] != record["unadapted"]["mpjpe"]
    assert {"adapting", "labelling", "reading"} <= set(record["seconds"])
    assert record["seconds"]["adapting"] > record["seconds"]["labelling"] > 0
    assert record["labels"][0]["label"] == "walking"
    assert record["fill_in"]["filled"] > 0
    assert record["settings"]["loop"]["epochs"] == 1
    assert record["hardware"]
    assert json.loads(json.dumps(record)) == record
    again = run_job(job)
    assert again["metrics"] == record["metrics"]  # the seed decides


def test_first_frames_cuts_everything(outside):
    video = first_frames(datasets.create("pieces", root=str(outside), split="test").load("walk_a"), 6)
    assert video.num_frames == len(list(video.frames)) == len(video.keypoints) == len(video.ground_truth.joints) == 6
    assert len(video.ground_truth.params.rotations) == len(video.ground_truth.visible) == len(video.frame_index) == 6
    assert [(label.start, label.stop) for label in video.labels] == [(0, 6)]
    assert first_frames(video, 50) is video


def test_only_what_is_missing_is_made(study, tmp_path, monkeypatch):
    made = []
    one = study.model_copy(update={"max_tracks": 1, "views": {"runtime": study.views["runtime"]}})
    run_study(one, tmp_path / "out", progress=lambda what, done, total: made.append((done, total)))
    assert made == [(0, 2), (1, 2), (2, 2)]
    victim = next((tmp_path / "out" / "runs" / "walk_a").glob("*.json"))
    kept = next(p for p in (tmp_path / "out" / "runs" / "walk_a").glob("*.json") if p != victim)
    stamp = kept.stat().st_mtime_ns
    victim.write_text(victim.read_text()[:40])  # as a full disk might leave it
    made.clear()
    run_study(one, tmp_path / "out", progress=lambda what, done, total: made.append((done, total)))
    assert made == [(1, 2), (2, 2)]
    assert kept.stat().st_mtime_ns == stamp
    made.clear()
    run_study(
        with_rows(one, ["cycleadapt", "semantic", "outside-method"]), tmp_path / "out", progress=lambda what, *x: made.append(x)
    )
    assert made == [(2, 3), (3, 3)]


def test_a_clip_that_fails_is_reported_and_tried_again(study, outside, tmp_path):
    (outside / "fail-walk_b").touch()
    rows = {"settings": {**study.settings, "method": "none"}, "tracks": ("walk_b", "walk_c")}
    study = study.model_copy(update={**rows, "views": {"methods": study.views["methods"]}})
    written = run_study(study, tmp_path / "out")
    reason = "walk_b, seed 0: walk_b is damaged: fetch it again."
    assert written.failures == (f"cycleadapt, {reason}", f"semantic, {reason}")
    page = written.page.read_text()
    assert "walk_b is damaged" in page
    assert "†" in (tmp_path / "out" / "tables" / "methods.md").read_text()
    (outside / "fail-walk_b").unlink()
    made = []
    written = run_study(study, tmp_path / "out", progress=lambda what, *x: made.append(x))
    assert made == [(2, 4), (3, 4), (4, 4)]
    assert written.failures == ()


def test_an_interrupted_study_keeps_its_runs(study, tmp_path, monkeypatch):
    from semtta.experiments import workers

    calls = []

    def interrupted(job):
        calls.append(job)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return run_job(job)

    one = study.model_copy(update={"tracks": ("walk_b",)})
    real = workers.execute
    monkeypatch.setattr("semtta.experiments.execute", lambda *a: real(*a, work=interrupted))
    with pytest.raises(KeyboardInterrupt):
        run_study(one, tmp_path / "out")
    with opened(tmp_path / "out", one) as folder:
        assert [job.row for job in missing(make_plan(one), folder)] == ["semantic"]


def test_two_runs_on_one_folder(study, tmp_path):
    out = tmp_path / "out"
    with opened(out, study), pytest.raises(SemttaError, match="Another run is working on"), opened(out, study):
        pass
    with opened(out, study):  # free again
        pass


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "other"}, "another study"), ({"split": "val"}, "another split"), ({"frames": 9}, "another frames"),
        ({"protocol": "p"}, "another protocol"), ({"dataset": "folder"}, "another dataset"), ({"quick": True}, "another quick"),
    ],
)  # fmt: skip
def test_a_folder_of_another_study(study, tmp_path, change, words):
    with opened(tmp_path / "out", study):
        pass
    with pytest.raises(SemttaError, match=words), opened(tmp_path / "out", study.model_copy(update=change)):
        pass


@pytest.mark.parametrize("entry", ["format", "semtta"])
def test_a_folder_of_another_version(study, tmp_path, entry):
    with opened(tmp_path / "out", study):
        pass
    path = tmp_path / "out" / IDENTITY
    path.write_text(json.dumps({**json.loads(path.read_text()), entry: "0.0"}))
    with pytest.raises(SemttaError, match=rf"another {entry} \(0\.0"), opened(tmp_path / "out", study):
        pass
    path.write_text("{")
    with pytest.raises(SemttaError, match="damaged"), opened(tmp_path / "out", study):
        pass


def test_a_folder_of_something_else(study, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").touch()
    with pytest.raises(SemttaError, match="holds no results of a study"), opened(tmp_path / "out", study):
        pass
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["thesis.tex"]
    with pytest.raises(SemttaError, match="Cannot write"), opened(tmp_path / "out" / "thesis.tex", study):
        pass


def test_few_clips_are_spread_over_the_list(study):
    assert make_plan(study.model_copy(update={"max_tracks": 2})).tracks == ("walk_a", "walk_c")
    assert make_plan(study.model_copy(update={"max_tracks": 1})).tracks == ("walk_a",)
    assert make_plan(study.model_copy(update={"max_tracks": 9})).tracks == ("walk_a", "walk_b", "walk_c")
    assert make_plan(study.model_copy(update={"tracks": ("walk_c", "walk_b")})).tracks == ("walk_b", "walk_c")


def test_unknown_clip_and_split_without_clips(study):
    with pytest.raises(SemttaError, match="no clip 'walk_z'"):
        make_plan(study.model_copy(update={"tracks": ("walk_z",)}))
