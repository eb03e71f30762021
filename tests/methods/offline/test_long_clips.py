"""Long clips in windows: which frames each has, what is carried from one to the next, and that a killed run goes on."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from small_clip import config, make_problem, run, through_a_file, unadapted

from semtta.methods.offline.loop import Adaptation
from semtta.methods.offline.windows import adapt_clip, blended, mean_records, window_spans
from semtta.types import Landmarks3D, Prediction, SegmentLabel

#: Windows of 12 frames that share 4 and start every third frame at most: (0, 13), (9, 22), (18, 30) of 30.
LOOP = {"window_frames": 12, "window_overlap": 4}


def test_windows_cover_a_clip_evenly_and_start_where_its_segments_do():
    for count in (1801, 2400, 9000, 17_999):
        loop = config(window_frames=1800, window_overlap=120, segment_stride=15).loop
        spans = window_spans(count, loop)
        assert spans[0][0] == 0
        assert spans[-1][1] == count
        assert all(b[0] == a[1] - 120 for a, b in pairwise(spans))
        assert all(start % 15 == 0 for start, _ in spans)
        lengths = [stop - start for start, stop in spans]
        assert max(lengths) < 1800 + 15
        assert min(lengths) > max(lengths) / 2  # none that knows little
        assert sum(lengths) <= count + 120 * (len(spans) - 1)


def test_a_clip_of_at_most_a_window_is_adapted_to_as_ever(roles):
    problem = make_problem()
    before = unadapted(problem, roles)
    whole = run(problem, roles, config())
    for frames in (None, len(problem), 500):
        same = adapt_clip(problem, roles, config(window_frames=frames), before)
        assert all(torch.equal(a, b) for a, b in zip(whole.after.tensors(), same.after.tensors(), strict=True))
        assert len(same.history) == 2


def test_a_window_has_its_own_labels_and_times_and_is_still_a_part_of_its_clip():
    """Labels, times, landmarks and evidence are counted from its first frame; an estimator is told of the whole clip."""
    problem = make_problem(20)
    landmarks = Landmarks3D(torch.arange(20.0).view(20, 1, 1).expand(20, 3, 3), torch.ones(20, 3), "own")
    labels = (SegmentLabel(0, 8, "walking"), SegmentLabel(8, 20, "running"))
    inputs = replace(problem.inputs, landmarks=landmarks)
    part = replace(problem, inputs=inputs, labels=labels, times_s=torch.arange(20) * 0.1).part(6, 14)
    assert len(part) == len(part.landmarks) == 8
    assert part.landmarks.xyz[0, 0, 0] == 6
    assert part.inputs.frames.tolist() == list(range(6, 14))
    assert len(part.inputs.landmarks) == 20
    assert torch.equal(part.inputs.crops, problem.inputs.crops[6:14])
    assert torch.equal(part.evidence.points, problem.evidence.points[6:14])
    assert [(label.start, label.stop, label.label) for label in part.labels] == [(0, 2, "walking"), (2, 8, "running")]
    assert part.times_s.tolist() == pytest.approx([0.1 * k for k in range(8)])


def test_each_frame_is_supervised_by_its_own_landmarks(roles, monkeypatch):
    """The term is given the landmarks of the frames that it is asked about, in whichever window they are."""
    problem = make_problem(30)
    xyz = torch.arange(30.0).view(30, 1, 1).expand(30, 3, 3)
    problem = replace(problem, inputs=replace(problem.inputs, landmarks=Landmarks3D(xyz, torch.ones(30, 3), "own")))
    seen = []

    def record(terms, context):
        points = problem.evidence.points
        own = [int((points == row).flatten(1).all(-1).nonzero()[0, 0]) for row in context.evidence.points]
        seen.append(context.landmarks.xyz[context.frames, 0, 0].tolist() == own)
        return {"own": context.prediction.betas.mean()}

    monkeypatch.setattr("semtta.losses.evaluate_terms", record)
    monkeypatch.setattr("semtta.losses.overall_loss", lambda values, weights: values["own"])
    settings = config({"updaters": ()}, epochs=1, **LOOP)
    adapt_clip(problem, roles, settings, unadapted(problem, roles))
    assert len(seen) > 3
    assert all(seen)


def test_shared_frames_go_from_one_window_to_the_next_and_the_others_are_their_windows_own(roles):
    problem, settings = make_problem(30), config(window_reset=1.0, **LOOP)
    before = unadapted(problem, roles)
    spans = window_spans(30, settings.loop)
    assert spans == [(0, 13), (9, 22), (18, 30)]
    outcome = adapt_clip(problem, roles, settings, before)
    alone = [Adaptation(problem.part(*span), roles, settings).run(before[slice(*span)]) for span in spans]
    assert torch.equal(outcome.after.rotations[:9], alone[0].after.rotations[:9])
    assert torch.equal(outcome.after.rotations[13:18], alone[1].after.rotations[4:9])
    assert torch.equal(outcome.after.betas[22:], alone[2].after.betas[4:])
    for k in range(4):  # frames 9 to 12, of the first window's 9 to 12 and the second's 0 to 3
        expected = torch.lerp(alone[0].after.betas[9 + k], alone[1].after.betas[k], (k + 1) / 5)
        torch.testing.assert_close(outcome.after.betas[9 + k], expected)
    torch.testing.assert_close(outcome.after.rotations.det(), torch.ones(30, 24))
    assert torch.equal(outcome.evidence.points[:11], alone[0].evidence.points[:11])
    assert torch.equal(outcome.evidence.points[11:20], alone[1].evidence.points[2:11])
    assert torch.equal(outcome.similarity[20:], alone[2].similarity[2:])


@pytest.mark.parametrize(("average", "reset"), [(0.0, 0.0), (0.25, 0.0), (0.5, 0.4)])
def test_weights_are_carried_on_and_held_by_both_anchors(roles, average: float, reset: float):
    problem, settings = make_problem(30), config(window_average=average, window_reset=reset, **LOOP)
    source = dict(roles.estimator.named_parameters())
    before, started = unadapted(problem, roles), []

    def follow(state):
        if state.inner.epoch == 1:
            started.append(state.anchor)

    outcome = adapt_clip(problem, roles, settings, before, follow)
    name = "decpose.weight"
    anchor, weights = source[name], source[name]
    for (start, stop), seen in zip(window_spans(30, settings.loop), started, strict=True):
        torch.testing.assert_close(seen[name], anchor)
        first = {key: value.lerp(source[key], reset) for key, value in seen.items()}
        weights = Adaptation(problem.part(start, stop), roles, settings, first).run(before[start:stop]).weights[name]
        anchor = average * anchor + (1 - average) * weights
    torch.testing.assert_close(outcome.weights[name], anchor)
    assert not torch.equal(anchor, source[name])


def test_a_run_goes_on_from_any_epoch_of_any_window(roles):
    problem, settings = make_problem(30), config(**LOOP)
    before, states, seen = unadapted(problem, roles), [], []

    def keep(state):
        states.append(through_a_file(state.state_dict()))
        seen.append((state.epoch, state.epochs))

    whole = adapt_clip(problem, roles, settings, before, keep)
    assert seen == [(k, 6) for k in range(1, 7)]
    for state in states:
        resumed = adapt_clip(problem, roles, settings, before, resume=state)
        assert all(torch.equal(a, b) for a, b in zip(whole.after.tensors(), resumed.after.tensors(), strict=True))
        assert torch.equal(whole.evidence.points, resumed.evidence.points)
        assert all(torch.equal(value, resumed.weights[key]) for key, value in whole.weights.items())
        assert [record["loss_2d"] for record in resumed.history] == [record["loss_2d"] for record in whole.history]
    assert [record["epoch"] for record in whole.history] == [1, 2]
    assert whole.history[0]["steps"] == sum(len(range(0, 7 + 3, 3)) // 2 for _ in range(3))


def test_a_clip_that_is_twice_as_long_costs_twice_as_much(roles, monkeypatch):
    """Frames that are in memory together, and frames through the network, of clips of 5 and of 10 windows."""
    most, frames = [], []
    original = Adaptation.run

    def counted(self, *arguments):
        most.append(len(self.problem))
        return original(self, *arguments)

    monkeypatch.setattr(Adaptation, "run", counted)
    handle = roles.estimator.register_forward_hook(lambda module, inputs, output: frames.append(len(inputs[0])))
    cost = []
    for count in (44, 84):
        problem = make_problem(count)
        before = unadapted(problem, roles)
        most.clear(), frames.clear()
        adapt_clip(problem, roles, config(epochs=1, **LOOP), before)
        cost.append(sum(frames))
        assert max(most) < 12 + 3
    handle.remove()
    assert cost[1] < 2.2 * cost[0]


def test_blending_goes_through_rotations():
    angle = torch.tensor([0.0, 1.0])
    zero = torch.zeros_like(angle)
    turns = torch.stack(
        [angle.cos(), -angle.sin(), zero, angle.sin(), angle.cos(), zero, zero, zero, zero + 1], -1
    ).view(2, 1, 3, 3)  # fmt: skip
    old, new = (
        Prediction(turns[k : k + 1].expand(3, 24, 3, 3), torch.full((3, 10), float(k)), zero.new_zeros(3, 3)) for k in (0, 1)
    )
    mixed = blended(old, new, torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(
        torch.atan2(mixed.rotations[:, 0, 1, 0], mixed.rotations[:, 0, 0, 0]), torch.tensor([0.0, 0.5, 1.0])
    )
    assert mixed.betas[:, 0].tolist() == [0, 0.5, 1]


def test_records_of_an_epoch_are_means_over_the_frames():
    records = [
        {"epoch": 1, "loss_2d": 1.0, "similarity": None, "steps": 3},
        {"epoch": 1, "loss_2d": 4.0, "similarity": 0.5, "steps": 4},
    ]
    assert mean_records(records, [20, 10]) == {"epoch": 1, "loss_2d": 2.0, "similarity": 0.5, "steps": 7}
