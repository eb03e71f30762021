from __future__ import annotations

import pytest
import torch

from semtta.labelers.spans import label_spans
from semtta.methods.offline.segments import draw_frames, draw_segments, make_segments, sampling_weights
from semtta.types import SegmentLabel


@pytest.mark.parametrize(
    ("frames", "spans"),
    [
        (1, [(0, 1)]),
        (59, [(0, 59)]),
        (60, [(0, 60)]),
        (61, [(0, 61)]),
        (89, [(0, 89)]),
        (90, [(0, 60), (60, 90)]),
        (180, [(0, 60), (60, 120), (120, 180)]),
    ],
)
def test_label_spans_cover_every_frame_once(frames, spans):
    assert label_spans(frames, 60) == spans


@pytest.mark.parametrize("frames", [1, 2, 10, 59, 60, 61, 100, 121])
def test_segments_have_one_length_and_cover_every_frame(frames):
    segments = make_segments([], frames, 60, 30)
    assert {len(s) for s in segments} == {min(frames, 60)}
    assert {f for s in segments for f in range(s.start, s.stop)} == set(range(frames))
    assert all(s.label is None for s in segments)


def test_mixed_labels_are_not_aligned():
    labels = [SegmentLabel(0, 60, "walking"), SegmentLabel(60, 120, "running")]
    assert [(s.start, s.label) for s in make_segments(labels, 120, 60, 30)] == [(0, "walking"), (30, None), (60, "running")]


def test_a_segment_with_unlabelled_frames_is_not_aligned():
    assert [s.label for s in make_segments([SegmentLabel(0, 50, "walking")], 60, 60, 30)] == [None]


def test_sampling_weights_are_one_minus_similarity():
    weights = sampling_weights(torch.tensor([0.75, 0.25, 0.0]), torch.tensor([True, True, False]))
    assert weights.tolist() == [0.25, 0.75, 0.5]


def test_draws_follow_the_weights():
    generator = torch.Generator().manual_seed(0)
    drawn: list[int] = []
    for _ in range(200):
        for batch in draw_segments(torch.tensor([0.9, 0.1]), 2, 4, generator):
            drawn += batch
    assert 0.85 < drawn.count(0) / len(drawn) < 0.95


def test_uniform_and_frames_visit_each_once():
    generator = torch.Generator().manual_seed(0)
    assert sorted(i for batch in draw_segments(None, 7, 3, generator) for i in batch) == list(range(7))
    assert sorted(torch.cat(list(draw_frames(70, 32, generator))).tolist()) == list(range(70))


def test_trust_of_a_segment_is_the_mean_over_its_frames():
    labels = (SegmentLabel(0, 60, "walking", trust=0.4), SegmentLabel(60, 120, "walking", trust=1.0))
    segments = make_segments(labels, 120, 60, 30)
    assert [round(s.trust, 6) for s in segments] == [0.4, 0.7, 1.0]
    assert [s.trust for s in make_segments(labels[:1], 60)] == pytest.approx([0.4])


def test_mixed_segments_can_be_left_out():
    labels = [SegmentLabel(0, 60, "walking"), SegmentLabel(60, 120, "running")]
    kept = make_segments(labels, 120, 60, 30, drop_mixed=True)
    assert [(s.start, s.label) for s in kept] == [(0, "walking"), (60, "running")]
    only_mixed = make_segments([SegmentLabel(0, 30, "walking"), SegmentLabel(30, 60, "running")], 60, drop_mixed=True)
    assert [(s.start, s.stop, s.label) for s in only_mixed] == [(0, 60, None)]  # there is no other


def test_segments_without_any_label_are_not_mixed():
    assert len(make_segments([], 120, 60, 30, drop_mixed=True)) == len(make_segments([], 120, 60, 30))
