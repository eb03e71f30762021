"""Tables over records written by hand: means over frames, deviations over seeds, paired differences, marks."""

from __future__ import annotations

from typing import Any

import pytest

from semtta.build import Resolved, make_config
from semtta.datasets import EvaluationProtocol
from semtta.experiments.records import Runs
from semtta.experiments.runner import FORMAT, Plan, StudyFolder
from semtta.experiments.study import make_study
from semtta.experiments.tables import make_tables

PROTOCOL = EvaluationProtocol("p", "smpl24", None, "Pelvis", "smpl24", "neutral", "all", "tests")
FRAMES = {"a": 10, "b": 30}
#: row -> clip -> MPJPE of seed 0 and 1
ERRORS = {"cycleadapt": {"a": (100, 104), "b": (60, 60)}, "semantic": {"a": (80, 84), "b": (64, 60)}}
UNADAPTED = {"a": 200, "b": 160}


def record(row: str, track: str, seed: int, error: float) -> dict[str, Any]:
    labels = [{"label": "walking", "frames": FRAMES[track] - 4, "before": 210.0, "after": error}]
    labels += [{"label": "jumping", "frames": 4, "before": 190.0, "after": error + 10}]
    return {
        "format": FORMAT, "status": "done", "row": row, "track": track, "seed": seed, "key": row,
        "metrics": {"mpjpe": error, "pa_mpjpe": error / 2, "mpjpe_occluded": 2 * error},
        "unadapted": {"mpjpe": UNADAPTED[track], "pa_mpjpe": 80.0, "mpjpe_occluded": 400.0},
        "weights": {"frames": FRAMES[track], "occluded": {"a": 6, "b": 2}[track]}, "labels": labels, "messages": [],
        "fill_in": {
            "detected": 100, "filled": 30, "filled_judged": 20, "filled_correct": 15, "detected_judged": 100,
            "detected_correct": 90,
        },
        "seconds": {"adapting": {"cycleadapt": 2.0, "semantic": 2.4}[row], "labelling": 0.4, "reading": 0.2},
        "video_frames": FRAMES[track], "parallel": 1, "hardware": "a CPU", "versions": {"semtta": "1"}, "commit": None,
        "made": "2026-01-02 03:04:05 UTC",
    }  # fmt: skip


def runs(tmp_path, views, drop=(), fail=(), dataset="pieces", clips=None) -> Runs:
    study = make_study(
        {"name": "s", "dataset": dataset, "seeds": 2, "views": views, "rows": [{"name": "cycleadapt"}, {"name": "semantic"}]}
    )
    settings = {row: Resolved(make_config({}), {}, "") for row in ERRORS}
    plan = Plan(study, tuple(clips or FRAMES), PROTOCOL, settings, {row: row for row in ERRORS})
    folder = StudyFolder(tmp_path)
    for row, clips_of in ERRORS.items():
        for track, errors in clips_of.items():
            for seed, error in enumerate(errors):
                job = plan.job(row, track, seed)
                if (row, track, seed) in fail:
                    folder.write(job, {**record(row, track, seed, error), "status": "failed", "error": "damaged"})
                elif (row, track, seed) not in drop:
                    folder.write(job, record(row, track, seed, error))
    return Runs.read(plan, folder)


def view(table: str, **more: Any) -> dict[str, Any]:
    return {"v": {"table": table, "title": "T", "baseline": "cycleadapt", **more}}


def cells(table) -> dict[str, dict[str, Any]]:
    return {name: dict(zip([c.title for c in table.columns], row, strict=True)) for name, row in table.rows}


def test_means_are_over_frames_and_deviations_over_seeds(tmp_path):
    main, differences = make_tables(runs(tmp_path, view("errors")))["v"]
    found = cells(main)
    assert list(found) == ["unadapted", "cycleadapt", "semantic"]
    assert list(found["semantic"]) == ["MPJPE", "PA-MPJPE", "MPJPE, hidden"]
    assert found["unadapted"]["MPJPE"].value == pytest.approx((200 * 10 + 160 * 30) / 40)
    # seeds of cycleadapt: (100 * 10 + 60 * 30) / 40 = 70 and (104 * 10 + 60 * 30) / 40 = 71
    assert found["cycleadapt"]["MPJPE"].value == pytest.approx(70.5)
    assert found["cycleadapt"]["MPJPE"].deviation == pytest.approx(0.5**0.5)
    # hidden joints: 6 and 2 frames: (200 * 6 + 120 * 2) / 8 = 180 and (208 * 6 + 120 * 2) / 8 = 186
    assert found["cycleadapt"]["MPJPE, hidden"].value == pytest.approx(183)
    assert main.best(0) == found["semantic"]["MPJPE"].value
    # differences: a -20 in both seeds, b +4 and 0, so +2: (-20 * 10 + 2 * 30) / 40 = -3.5
    cell = cells(differences)["semantic"]["MPJPE"]
    assert cell.value == pytest.approx(-3.5)
    assert (cell.low, cell.high) == (-20, 2)
    assert "not comparable" in " ".join(main.notes)


def test_failed_and_missing_runs_are_marked_and_counted(tmp_path):
    found = runs(tmp_path, view("errors"), drop={("semantic", "b", 1)}, fail={("cycleadapt", "a", 0)})
    main, differences = make_tables(found)["v"]
    assert cells(main)["cycleadapt"]["MPJPE"].mark == "†"
    assert cells(main)["cycleadapt"]["MPJPE"].value == pytest.approx((60 + 71) / 2)
    assert cells(main)["semantic"]["MPJPE"].mark == "‡"
    assert "cycleadapt: 1 of 4" in next(note for note in main.notes if note.startswith("†"))
    assert "semantic: 1 of 4" in next(note for note in main.notes if note.startswith("‡"))
    # only the pairs that both have: a in seed 1 (-20), b in seed 0 (+4)
    assert cells(differences)["semantic"]["MPJPE"].value == pytest.approx((-20 * 10 + 4 * 30) / 40)
    assert found.failures() == ["cycleadapt, a, seed 0: damaged"]


def test_a_row_without_a_run_is_empty(tmp_path):
    all_of = {("semantic", track, seed) for track in FRAMES for seed in (0, 1)}
    main, _ = make_tables(runs(tmp_path, view("errors"), fail=all_of))["v"]
    assert cells(main)["semantic"]["MPJPE"].value is None
    assert cells(main)["semantic"]["MPJPE"].mark == "†"


def test_the_papers_numbers_stand_beside_ours_on_its_dataset_only(tmp_path):
    here, _ = make_tables(runs(tmp_path / "1", view("errors", published="methods"), dataset="3dpw"))["v"]
    assert cells(here)["semantic"]["MPJPE, paper"].value == 76.4
    assert cells(here)["unadapted"]["PA-MPJPE, paper"].value == 123.4
    assert "MPJPE, hidden, paper" not in cells(here)["semantic"]
    elsewhere, _ = make_tables(runs(tmp_path / "2", view("errors", published="methods")))["v"]
    assert not any("paper" in column.title for column in elsewhere.columns)


def test_hardest_clips_stand_by_themselves(tmp_path):
    main, _ = make_tables(runs(tmp_path, view("errors", hardest=1, unadapted=False)))["v"]
    found = cells(main)
    assert list(found) == ["cycleadapt", "semantic"]
    assert found["semantic"]["a: MPJPE"].value == pytest.approx(82)
    assert found["semantic"]["MPJPE"].value == pytest.approx((68 + 66) / 2)


def test_clips_of_a_pattern_and_chosen_metrics(tmp_path):
    grouped = view("errors", clips={"pieces": {"first": "a*", "both": "?"}}, metrics=["pa_mpjpe"], unadapted=False)
    main, differences = make_tables(runs(tmp_path, grouped))["v"]
    found = cells(main)["cycleadapt"]
    assert list(found) == ["first: PA-MPJPE", "both: PA-MPJPE", "PA-MPJPE"]
    assert found["first: PA-MPJPE"].value == pytest.approx((50 + 52) / 2)
    assert found["both: PA-MPJPE"].value == found["PA-MPJPE"].value == pytest.approx(70.5 / 2)
    assert [column.title for column in differences.columns] == ["PA-MPJPE"]


def test_a_view_may_be_of_some_datasets_only(tmp_path):
    assert make_tables(runs(tmp_path / "1", view("errors", only_on=["synthwild"]))) == {}
    assert list(make_tables(runs(tmp_path / "2", view("errors", only_on=["pieces"])))) == ["v"]


def test_runtime_is_per_frame_with_reading_apart(tmp_path):
    (table,) = make_tables(runs(tmp_path, view("runtime", published="runtime"), dataset="3dpw"))["v"]
    found = cells(table)["semantic"]
    # 4 runs of 10, 10, 30, 30 frames: 80; 4 * 2.4 s
    assert found["adaptation"].value == pytest.approx(1000 * 9.6 / 80)
    assert found["labelling"].value == pytest.approx(1000 * 1.6 / 80)
    assert found["both"].value == pytest.approx(140)
    assert found["both, paper"].value == 107.6
    assert found["reading"].value == pytest.approx(10)
    assert found["adaptation / cycleadapt"].value == pytest.approx(1.2)
    assert table.notes[0].startswith("Measured on: a CPU")


def test_gain_per_label(tmp_path):
    (table,) = make_tables(runs(tmp_path, view("gain", rows=["semantic"])))["v"]
    found = cells(table)
    assert list(found) == ["walking", "jumping"]  # most frames first
    assert found["walking"]["frames"].value == 32
    # walking: 6 frames of a, 26 of b, two seeds
    before = (6 * (100 + 104) + 26 * (60 + 60)) / 64
    after = (6 * (80 + 84) + 26 * (64 + 60)) / 64
    assert found["walking"]["cycleadapt"].value == pytest.approx(before)
    assert found["walking"]["gain"].value == pytest.approx(before - after)
    (table,) = make_tables(runs(tmp_path, view("gain", rows=["semantic"], baseline=None)))["v"]
    assert cells(table)["jumping"]["unadapted"].value == pytest.approx(190)


def test_share_and_pck_of_filled_points(tmp_path):
    (table,) = make_tables(runs(tmp_path, view("fill_in", rows=["semantic"])))["v"]
    found = cells(table)["semantic"]
    assert [found[name].value for name in ("filled / detected", "PCK, filled", "PCK, detected")] == [0.3, 0.75, 0.9]
