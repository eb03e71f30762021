from __future__ import annotations

import pytest

from semtta.build import resolve
from semtta.errors import SemttaError
from semtta.labelers import Fixed, LabelContext, NoLabeler, Oracle, Retrieval, Wrong, labelers
from semtta.labelers.simple import RetrievalSettings
from semtta.testing import check_labeler
from semtta.types import SegmentLabel, Video

LABELS = (SegmentLabel(0, 50, "walking"), SegmentLabel(50, 120, "running"))
SPANS = [(0, 60), (60, 120)]


def video(labels=LABELS) -> Video:
    return Video("clip", [], 120, 30.0, (640, 480), labels=labels)


def suggest(start, stop):
    return [("jumping", 0.8), ("walking", 0.3)] if start == 0 else [("walking", 0.5)]


def test_fixed_is_the_clips_label_everywhere():
    found = Fixed().label(video(LABELS[:1]), SPANS, LabelContext())
    assert [(f.start, f.stop, f.label) for f in found] == [(0, 60, "walking"), (60, 120, "walking")]
    with pytest.raises(SemttaError, match="--label"):
        Fixed().label(video(()), SPANS, LabelContext())


def test_oracle_takes_the_label_of_most_frames():
    assert [f.label for f in Oracle().label(video(), SPANS, LabelContext())] == ["walking", "running"]
    silent = Oracle().label(video(()), SPANS, LabelContext())
    assert [f.label for f in silent] == [None, None]
    assert silent[0].reason


def test_retrieval_takes_the_priors_nearest():
    told = []
    context = LabelContext(("jumping", "walking"), suggest, progress=lambda *step: told.append(step))
    found = Retrieval().label(video(()), SPANS, context)
    assert told == [("labelling", k, len(SPANS)) for k in range(1, len(SPANS) + 1)]
    assert [(f.label, f.similarity, f.reason) for f in found] == [("jumping", 0.8, ""), ("walking", 0.5, "")]
    assert [f.score for f in found] == [None, None]  # no image was looked at
    with pytest.raises(SemttaError, match="prior"):
        Retrieval().label(video(()), SPANS, LabelContext())


def test_a_weak_likeness_is_doubted_and_a_weaker_one_gives_no_label():
    likeness = {0: 0.19, 60: 0.35}  # squats were called jumping at 0.19
    context = LabelContext(("jumping",), lambda start, stop: [("jumping", likeness[start])])
    none, doubted = Retrieval().label(video(()), SPANS, context)
    assert (none.label, none.similarity) == (None, 0.19)
    assert "best 'jumping', 0.19 of 0.30" in none.reason
    assert doubted.label == "jumping"
    assert "in doubt" in doubted.reason
    trusting = labelers.create("retrieval", RetrievalSettings(floor=-1, weak=-1)).label(video(()), SPANS, context)
    assert [(f.label, f.reason) for f in trusting] == [("jumping", ""), ("jumping", "")]


def test_none_says_nothing():
    assert [f.label for f in NoLabeler().label(video(), SPANS, LabelContext())] == [None, None]


def test_wrong_draws_by_seed_from_the_labels_least_like_the_right_one():
    order = ["waving", "bowing", "jumping", "dashing", "striding", "running"]  # least like it first

    def wrong(seed: int) -> list[str | None]:
        context = LabelContext(("walking", *order), unlike=lambda label: order, seed=seed)
        return [f.label for f in Wrong().label(video((LABELS[0],)), [(0, 20), (20, 50), (60, 120)], context)]

    assert wrong(0) == wrong(0)
    assert wrong(0)[0] == wrong(0)[1]  # one wrong label for one right label
    assert wrong(0)[2] is None
    assert {wrong(seed)[0] for seed in range(20)} == {"waving", "bowing"}  # the third of six
    with pytest.raises(SemttaError, match="dictionary"):
        Wrong().label(video(), SPANS, LabelContext())


@pytest.mark.parametrize("name", sorted(set(labelers.names()) - {"gpt4o", "vlm", "local", "file"}))
def test_registered_labelers_conform(name):
    context = LabelContext(("jumping", "walking"), suggest, lambda label: ["jumping"])
    check_labeler(labelers.create(name), video(), context)


def test_a_label_may_follow_the_name():
    assert labelers.create("fixed:sitting down").label(video(), SPANS, LabelContext())[0].label == "sitting down"


def test_auto_takes_the_videos_labels_and_spreads_none_over_other_frames():
    auto = labelers.create("auto")
    assert [found.label for found in auto.label(video(), SPANS, LabelContext(suggest=suggest))] == ["walking", "running"]
    part = (SegmentLabel(0, 20, "walking"),)
    assert [found.label for found in auto.label(video(part), SPANS, LabelContext(suggest=suggest))] == ["walking", None]


def test_auto_without_labels_asks_the_other_labeler():
    auto = labelers.create("auto")
    assert [found.label for found in auto.label(video(()), SPANS, LabelContext(suggest=suggest))] == ["jumping", "walking"]
    assert [found.label for found in auto.label(video(()), SPANS, LabelContext())] == [None, None]
    assert auto.usage is None


def test_the_papers_preset_asks_gpt4o_where_no_label_came_with_the_video(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    config = resolve("paper").config
    auto = labelers.create(config.labeler.name, config.labeler.settings)
    assert [found.label for found in auto.label(video(), SPANS, LabelContext())] == ["walking", "running"]
    with pytest.raises(SemttaError, match="OPENAI_API_KEY"):
        auto.label(video(()), SPANS, LabelContext(suggest=suggest))
