"""Several videos and labelers: what is written, compared and estimated; and the page on which labels are corrected."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "labelers"))
pytest.importorskip("litellm")
from vlm_clips import clip
from vlm_server import Server

from semtta.errors import SemttaError
from semtta.io.labels import read_labels
from semtta.labelers.base import Usage
from semtta.labelers.evaluation import LabelRun, evaluate_labels
from semtta.labelers.settings import VLMSettings
from semtta.runs.label import estimate_labels, evaluate_runs, label_videos, write_label_run
from semtta.types import Keypoints2D, SegmentLabel
from semtta.visualization.review import clip_histogram, in_doubt, review_page

MODEL = "vlm:hosted_vllm/tiny"
TRUE = ["walking", "running", "jumping"]


def videos():
    """Two clips; their keypoints are not looked at, as they have boxes."""
    import torch

    points = Keypoints2D(torch.full((12, 25, 2), 30.0), torch.ones(12, 25), "body25")
    return [replace(clip(TRUE, name), keypoints=points) for name in ("first", "second")]


def settings(base: str, cache: Path, **vlm: object):
    asked = {"api_base": base, "cache_dir": str(cache), "frames": 1, "verify": "never", "prices": (10.0, 20.0), **vlm}
    return {"labels.frames": 4, "device": "cpu", "labeler": asked}


def test_labels_review_and_evaluation_are_written(tmp_path):
    with Server() as server:
        chosen = settings(server.base, tmp_path / "cache")
        server.say = lambda body, action: "walking" if action == "running" else action
        before = estimate_labels(videos(), MODEL, settings=chosen)
        (run,) = label_videos(videos(), [MODEL], settings=chosen)
        after = estimate_labels(videos(), MODEL, settings=chosen)
    assert (before.segments, before.requests, after.requests, after.cached) == (6, 6, 0, 6)
    # the second clip looks as the first does: its answers cost nothing
    assert (run.usage.requests, run.usage.cached, run.usage.cost) == (3, 3, pytest.approx(3 * 0.0104))
    (score,) = evaluate_runs([run], videos(), None, settings=chosen)
    assert score.segments == 6
    assert score.accuracy == pytest.approx(100 * 4 / 6)
    assert score.confusion == {("walking", "walking"): 2, ("running", "walking"): 2, ("jumping", "jumping"): 2}
    assert score.cost_per_segment == pytest.approx(0.0104 / 2)

    written = write_label_run(run, videos(), tmp_path / "out", review=True, evaluation=score, settings=chosen)
    names = {str(path.relative_to(tmp_path / "out")) for path in written}
    assert names == {"first/labels.json", "second/labels.json", "review.csv", "review.html", "evaluation.json"}
    records = json.loads((tmp_path / "out" / "first" / "labels.json").read_text())
    assert records[1]["label"] == "walking"
    assert records[1].keys() >= {"segment", "start", "stop", "label", "description", "source", "clip_score", "reason"}
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["accuracy"] == pytest.approx(66.67, abs=0.01)
    assert read_labels(tmp_path / "out" / "review.csv").keys() == {"first", "second"}
    page = (tmp_path / "out" / "review.html").read_text()
    assert page.count("<article") == 6
    assert page.count("data:image/jpeg") == 6 * 4
    assert "http:" not in page
    assert "https:" not in page
    assert "running</td><td>walking" in page
    # corrected labels are used
    corrected = (tmp_path / "out" / "review.csv").read_text().replace("4,8,walking,walking", "4,8,running,walking")
    (tmp_path / "corrected.csv").write_text(corrected)
    (again,) = label_videos(videos(), [f"file:{tmp_path}/corrected.csv"], settings=chosen)
    assert [item.label for item in again.labels["second"]] == TRUE
    assert again.labels["first"][1].source == "by hand"


def test_several_labelers_share_a_budget(tmp_path):
    with Server() as server:
        chosen = settings(server.base, tmp_path, budget=0.05, concurrency=1)
        runs = label_videos(videos(), [MODEL, "vlm:hosted_vllm/other"], settings=chosen)
    assert sum(run.usage.cost for run in runs) <= 0.05
    assert server.requests == 4
    assert [run.labeler for run in runs] == [MODEL, "vlm:hosted_vllm/other"]
    assert any("budget" in item.reason for item in runs[1].labels["first"])


def test_truth_of_a_file_and_spans_without_one(tmp_path):
    said = (SegmentLabel(0, 4, "walking"), SegmentLabel(4, 8, "running"), SegmentLabel(8, 12, None))
    run = LabelRun("x", {"first": said}, (), Usage(), ())
    (tmp_path / "truth.csv").write_text("video,start,stop,label\nfirst,0,4,walking\nfirst,8,12,None\n")
    (score,) = evaluate_runs([run], videos()[:1], tmp_path / "truth.csv", settings={"labels.frames": 4})
    assert (score.segments, score.accuracy, score.answered) == (2, 100.0, 50.0)
    with pytest.raises(SemttaError, match="true label"):
        evaluate_runs([run], [replace(videos()[0], labels=())], None, settings={"labels.frames": 4})


def test_numbers_of_an_evaluation_by_hand():
    found = [SegmentLabel(0, 60, "a", score=0.31), SegmentLabel(60, 120, "a", score=0.25), SegmentLabel(120, 180, None)]
    truth = [SegmentLabel(60 * i, 60 * i + 60, label) for i, label in enumerate("abbc")]
    score = evaluate_labels("x", {"v": found}, {"v": truth}, Usage(segments=4, seconds=6.0, cost=0.02))
    assert (score.segments, score.accuracy, score.answered) == (3, pytest.approx(100 / 3), pytest.approx(200 / 3))
    assert score.confusion == {("a", "a"): 1, ("b", "a"): 1, ("b", "None"): 1}
    assert score.histogram() == [(0.24, 0, 1), (0.26, 0, 0), (0.28, 0, 0), (0.3, 1, 0)]
    assert (score.seconds_per_segment, score.cost_per_segment) == (1.5, 0.005)
    svg = clip_histogram(score, 0.3)
    assert svg.count("<rect") == 8
    assert "<line" in svg


def test_two_videos_of_one_name_are_refused():
    with pytest.raises(SemttaError, match="'same'"):
        label_videos([clip(TRUE, "same"), clip(TRUE, "same")], ["oracle"])


def test_the_page_escapes_and_shows_doubts():
    video = videos()[0]
    nasty = "<script>alert(\"x\")</script> & 'quotes'"
    labels = (SegmentLabel(0, 4, "walking", nasty, nasty, 0.2, nasty), SegmentLabel(4, 12, None, reason="refused"))
    page = review_page(LabelRun("x", {"first": labels}, (), Usage(), ("walking", "a<b")), [video], VLMSettings())
    assert page.count("<script>") == 1  # the page's own
    assert page.count('class="segment doubt"') == 2
    assert "2 in doubt" in page
    assert 'value="a&lt;b"' in page
    columns = re.search(r"const columns = (\[.*?\]);", page)
    assert json.loads(columns[1]) == [
        "video", "start", "stop", "label", "proposed", "description", "source", "clip_score", "reason",
    ]  # fmt: skip
    assert not in_doubt(SegmentLabel(0, 1, "x"), 0.3)
    assert in_doubt(SegmentLabel(0, 1, "x", score=0.29), 0.3)
