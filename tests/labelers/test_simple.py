from __future__ import annotations

import pytest

from semtta.errors import SemttaError
from semtta.labelers import Fixed, LabelContext, NoLabeler, Oracle, Retrieval, labelers
from semtta.structures import SegmentLabel, Video
from semtta.testing import check_labeler

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
    found = Retrieval().label(video(()), SPANS, LabelContext(("jumping", "walking"), suggest))
    assert [(f.label, f.score) for f in found] == [("jumping", 0.8), ("walking", 0.5)]
    with pytest.raises(SemttaError, match="prior"):
        Retrieval().label(video(()), SPANS, LabelContext())


def test_none_says_nothing():
    assert [f.label for f in NoLabeler().label(video(), SPANS, LabelContext())] == [None, None]


@pytest.mark.parametrize("name", labelers.names())
def test_registered_labelers_conform(name):
    check_labeler(labelers.create(name), video(), LabelContext(("jumping", "walking"), suggest))
