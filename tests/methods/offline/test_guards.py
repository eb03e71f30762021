"""What the loop must hand from one part to the next; each test fails if the line it guards is dropped."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_clip import TinyPrior, config, make_problem, run, unadapted
from torch import nn

from semtta.constants import LIMBS13, SMPL24, SMPL29
from semtta.denoisers import cycle
from semtta.geometry import project_to_crop
from semtta.losses import projection_loss
from semtta.methods.offline.loop import Adaptation
from semtta.types import Evidence, Motion, SegmentLabel

HALVES = (SegmentLabel(0, 6, "walking"), SegmentLabel(6, 12, "running"))
LIMBS = [SMPL24.index(name) for name in LIMBS13]


class Watching(TinyPrior):
    """Keeps the motions that it is shown; its similarity is what ``says`` gives a label."""

    def __init__(self, says: dict[str, float] | None = None) -> None:
        super().__init__()
        self.says = says
        self.seen: dict[str, list[Motion]] = {"loss": [], "similarity": []}

    def loss(self, motion, labels):
        self.seen["loss"].append(motion)
        return 1 - super().similarity(motion, labels)

    def similarity(self, motion, labels):
        self.seen["similarity"].append(motion)
        return super().similarity(motion, labels) if self.says is None else torch.tensor([self.says[name] for name in labels])


def differ(weights, others) -> bool:
    return any(not torch.equal(value, others[name]) for name, value in weights.items())


# -- the prior ---------------------------------------------------------------------------------------------------------


def test_the_prior_is_told_which_joints_of_which_frames_are_seen(roles):
    prior = Watching()
    problem = make_problem()
    work = Adaptation(problem, replace(roles, prior=prior), config(segment_step=2))
    seen = problem.evidence.present[:, : len(SMPL24)].float()
    outcome = work.run(unadapted(problem, roles))
    assert outcome.history[-1]["loss_align"] > 0
    wholes = torch.stack([seen[segment.start : segment.stop] for segment in work.segments])
    for motion in prior.seen["similarity"]:
        torch.testing.assert_close(motion.visible[..., LIMBS], wholes[..., LIMBS])
    possible = torch.stack([seen[s.start + o : s.stop : 2][:3] for s in work.segments for o in (0, 1)])[..., LIMBS]
    for motion in prior.seen["loss"]:  # three of the six frames of each segment, from the first or the second on
        for visible in motion.visible[..., LIMBS]:
            assert (visible == possible).all(-1).all(-1).any()


def test_the_similarity_of_a_frame_is_the_highest_of_its_segments(roles):
    work = Adaptation(make_problem(), roles, config())
    assert [segment.start for segment in work.segments] == [0, 3, 6]
    assert work.frame_similarity(torch.tensor([0.5, 0.9, 0.1])).tolist() == pytest.approx([0.5] * 3 + [0.9] * 6 + [0.1] * 3)


def test_fill_in_compares_with_the_priors_sigma(roles):
    problem = make_problem()
    limbs = torch.tensor([name in LIMBS13 for name in SMPL29])
    for sigma, filled in ((0.9, False), (0.3, True)):
        prior = Watching({"walking": 0.5})
        prior.threshold = sigma
        present = run(problem, replace(roles, prior=prior), config(epochs=1)).evidence.present
        assert torch.equal(present, problem.evidence.present | (limbs & filled))


def test_fill_in_goes_by_each_frames_own_similarity(roles):
    prior = Watching({"walking": 0.5, "running": 0.7})
    prior.threshold = 0.6
    problem = replace(make_problem(), labels=HALVES)
    settings = config({"evidence.joints": "smpl24"}, epochs=1, segment_stride=6)
    present = run(problem, replace(roles, prior=prior), settings).evidence.present[:, :24]
    assert torch.equal(present[:6], problem.evidence.present[:6, :24])
    assert present[6:].all()


# -- sampling ----------------------------------------------------------------------------------------------------------


def draws(roles, prior, epochs: int = 60, labels=HALVES, **loop) -> list[int]:
    """Starts of the segments that the steps of a run's epochs are made of."""
    problem = replace(make_problem(), labels=labels)
    work = Adaptation(problem, replace(roles, prior=prior), config(segment_stride=6, **loop))
    state = work.start(unadapted(problem, roles))
    starts = []
    for state.epoch in range(epochs):
        starts += [segment.start for _, segments in work.batches(state) for segment in segments]
    return starts


def test_segments_that_fit_their_label_less_are_drawn_more(roles):
    prior = Watching({"walking": 0.9, "running": 0.1})
    starts = draws(roles, prior)
    assert len(starts) == 120
    assert 0.8 < starts.count(6) / len(starts) < 0.98  # 0.9 / (0.1 + 0.9)
    assert draws(roles, prior, sampling="uniform").count(6) == 60  # each once an epoch


def test_the_run_draws_by_the_newest_similarity(roles):
    """The segments of an epoch's steps follow what the prior says of the prediction of the epoch before."""
    prior = Watching({"walking": 0.999, "running": 0.001})
    problem = replace(make_problem(), labels=HALVES)
    work = Adaptation(problem, replace(roles, prior=prior), config(epochs=8, segment_stride=6, batch_segments=1, min_steps=4))
    starts: dict[int, list[int]] = {}
    step = work.step

    def watched(state, frames, segments):
        assert frames.tolist() == [f for s in segments for f in range(s.start, s.stop)]
        starts.setdefault(state.epoch, []).extend(s.start for s in segments)
        return step(state, frames, segments)

    work.step = watched

    def turn_round(state):
        if state.epoch == 3:  # the next epoch still draws by what was said at the end of this one
            prior.says = {"walking": 0.001, "running": 0.999}

    work.run(unadapted(problem, roles), turn_round)
    first, second = ([start for e in part for start in starts[e]] for part in (range(4), range(4, 8)))
    assert first.count(6) / len(first) > 0.8
    assert second.count(6) / len(second) < 0.2


# -- losses ------------------------------------------------------------------------------------------------------------


def test_segments_without_a_label_supervise_only_if_the_settings_say_so(roles):
    problem = replace(make_problem(), labels=HALVES[:1])
    before, frames = unadapted(problem, roles), torch.arange(12)
    joints = roles.body.keypoints(before.rotations, before.betas, "smpl29")
    projected = project_to_crop(joints, before.camera)
    each = projection_loss(projected, problem.evidence.points, problem.evidence.present)

    def value(unlabelled: bool) -> torch.Tensor:
        work = Adaptation(problem, roles, config({"losses.2d.unlabelled": unlabelled}, segment_stride=6))
        assert [s.label for s in work.segments] == ["walking", None]
        return work.losses(work.start(before), frames, work.segments, before)["2d"]

    torch.testing.assert_close(value(True), each.mean())
    torch.testing.assert_close(value(False), each[:6].sum() / 12)


def test_a_clip_without_labels_is_left_alone_if_they_must_supervise(roles):
    first = {name: value.detach() for name, value in roles.estimator.named_parameters()}
    settings = config({"losses.2d.unlabelled": False, "denoiser": "none"}, epochs=1)
    outcome = run(make_problem(label=None), roles, settings)
    assert outcome.history[0]["loss_2d"] == 0
    assert not differ(outcome.weights, first)
    assert differ(run(make_problem(label=None), roles, config(epochs=1)).weights, first)


def test_the_weight_of_the_alignment_grows_in_the_run(roles):
    """At the start of its warm-up the alignment has no weight: without another term nothing moves in the first epoch."""
    first = {name: value.detach() for name, value in roles.estimator.named_parameters()}
    alone = {"losses.2d.weight": 0.0, "losses.pose.weight": 0.0, "losses.shape.weight": 0.0}
    weights = []
    settings = config({**alone, "losses.align.warmup": 1.0})
    run(
        make_problem(),
        roles,
        settings,
        on_epoch=lambda s: weights.append({k: v.detach().clone() for k, v in s.trainable.adapted.items()}),
    )
    assert not differ(weights[0], first)
    assert differ(weights[1], first)


def test_the_prior_is_told_the_rays_and_the_losses_the_whole_clip_as_it_was(roles):
    """From the second epoch on a step sees the clip as the last epoch left it; a resumed run sees the same."""
    seen = []

    class Told(TinyPrior):
        def depth_loss(self, motion, labels):
            seen.append(motion.rays)
            return super().depth_loss(motion, labels)

    roles = replace(roles, prior=Told())
    problem = make_problem()
    work = Adaptation(problem, roles, config({"losses.depth.weight": 1.0}))
    before = unadapted(problem, roles)
    state = work.start(before)
    assert work.whole_clip(state) is None
    work.epoch(state)
    assert seen[0].shape[2:] == (24, 3)
    torch.testing.assert_close(seen[0].norm(dim=-1), torch.ones(seen[0].shape[:3]))
    clip = work.whole_clip(state)
    assert clip.rotations is state.prediction.rotations
    again = replace(state, projected=None)  # as after a checkpoint
    torch.testing.assert_close(work.whole_clip(again).projected, clip.projected)
    torch.testing.assert_close(clip.projected, work.projection(state.prediction))


def test_the_smoothing_losses_are_distances_to_the_denoised_motion(roles, monkeypatch):
    """Eq. 9: the target of an epoch is what the denoiser made of the prediction at the end of the epoch before."""
    made = []
    stage = cycle.denoise_stage
    monkeypatch.setattr("semtta.methods.offline.loop.denoise_stage", lambda *a, **k: made.append(stage(*a, **k)) or made[-1])
    problem, states = make_problem(), []
    work = Adaptation(problem, roles, config())
    work.run(unadapted(problem, roles), lambda state: states.append(replace(state)))
    target, frames = states[0].target, torch.arange(12)
    assert torch.equal(target.rotations, made[0][0])
    assert torch.equal(target.betas, made[0][1])
    assert not torch.allclose(target.rotations, states[0].prediction.rotations, atol=1e-3)
    now = states[0].prediction
    values = work.losses(states[0], frames, work.segments[::2], now)
    torch.testing.assert_close(values["pose"], (now.rotations - made[0][0]).abs().mean())
    torch.testing.assert_close(values["shape"], (now.betas - made[0][1]).abs().mean())


# -- schedule and modes ------------------------------------------------------------------------------------------------


def test_both_optimisers_end_at_the_floor_of_the_learning_rate(roles):
    rates = []
    settings = config({"denoiser.learning_rate": 8e-4}, epochs=3, min_learning_rate=4e-4)

    def keep(state):
        rates.append((state.optimiser.param_groups[0]["lr"], state.denoiser.optimiser.param_groups[0]["lr"]))

    history = run(make_problem(), roles, settings, on_epoch=keep).history
    assert [rate for rate, _ in rates] == pytest.approx([1e-3, 7e-4, 4e-4])
    assert [rate for _, rate in rates] == pytest.approx([8e-4, 6e-4, 4e-4])
    assert [record["learning_rate"] for record in history] == pytest.approx([1e-3, 7e-4, 4e-4])


def test_the_learning_rate_of_a_run_warms_up(roles):
    history = run(make_problem(), roles, config(epochs=4, warmup_epochs=2)).history
    assert [record["learning_rate"] for record in history[:3]] == pytest.approx([5e-4, 1e-3, 1e-3])


def test_predictions_of_training_are_those_of_the_steps(roles):
    """With ``predictions=train`` a frame's prediction is that of its last step, before the step's update."""
    states = []
    settings = config(sampling="frames", batch_frames=12, predictions="train", dropout=False)

    def keep(state):
        weights = {name: value.detach().clone() for name, value in state.trainable.weights().items()}
        states.append((state.prediction, weights))

    problem = make_problem()
    before = unadapted(problem, roles)
    outcome = Adaptation(problem, roles, settings).run(before, keep)
    torch.testing.assert_close(states[0][0].rotations, before.rotations, atol=1e-5, rtol=0)
    adapted = replace(roles, estimator=with_weights(roles.estimator, states[0][1]))
    torch.testing.assert_close(states[1][0].rotations, unadapted(problem, adapted).rotations, atol=1e-5, rtol=0)
    assert (states[1][0].rotations - before.rotations).abs().max() > 1e-4
    last = replace(roles, estimator=with_weights(roles.estimator, outcome.weights))
    torch.testing.assert_close(outcome.after.rotations, unadapted(problem, last).rotations, atol=1e-6, rtol=0)


def test_predictions_of_evaluation_are_those_of_the_weights_by_now(roles):
    problem, states = make_problem(), []
    outcome = run(problem, roles, config(), on_epoch=lambda state: states.append(state.prediction))
    adapted = replace(roles, estimator=with_weights(roles.estimator, outcome.weights))
    torch.testing.assert_close(states[1].rotations, unadapted(problem, adapted).rotations, atol=1e-6, rtol=0)
    assert torch.equal(states[1].rotations, outcome.after.rotations)
    assert not torch.equal(states[0].rotations, states[1].rotations)


def with_weights(estimator: nn.Module, weights) -> nn.Module:
    """A copy with other weights."""
    other = type(estimator)(estimator.config)
    other.load_state_dict({**estimator.state_dict(), **weights})
    return other


# -- evidence ----------------------------------------------------------------------------------------------------------


def test_moved_keypoints_supervise_the_next_epoch(roles):
    """An epoch's 2D loss is taken to the evidence that the epoch before left, filled-in joints included."""
    problem, states = make_problem(), []
    nothing = replace(problem, evidence=Evidence(problem.evidence.points, torch.zeros_like(problem.evidence.present)))
    history = run(nothing, roles, config(), on_epoch=lambda state: states.append(state.evidence)).history
    assert history[0]["loss_2d"] == 0
    assert states[0].present.any()  # the tiny prior's threshold fills in whatever has a label
    assert history[1]["loss_2d"] > 0


def test_segments_of_mixed_labels_are_kept_or_left_out_as_the_settings_say(roles):
    problem = replace(make_problem(), labels=HALVES)
    for choice, starts in (("keep", [0, 3, 6]), ("drop", [0, 6])):
        work = Adaptation(problem, replace(roles, prior=TinyPrior()), config(mixed_segments=choice))
        assert [segment.start for segment in work.segments] == starts


def test_with_a_shared_shape_every_step_sees_the_clips_mean(roles):
    problem, seen = make_problem(12), []
    settings = config(epochs=2, shared_shape=True, segment_frames=4, segment_stride=4, batch_segments=1, learning_rate=1e-2)
    adaptation = Adaptation(problem, roles, settings)
    inner = adaptation.losses

    def watched(state, frames, segments, prediction):
        seen.append((prediction.betas, state.prediction.betas[0]))
        return inner(state, frames, segments, prediction)

    adaptation.losses = watched
    before = unadapted(problem, roles)
    outcome = adaptation.run(before)
    assert before.betas.std(0).max() > 1e-4  # frame by frame the network says different things
    for betas, mean in seen:
        torch.testing.assert_close(betas.detach(), mean.expand_as(betas))
        assert betas.requires_grad  # and the frames of the step learn by it
    assert torch.equal(outcome.before.betas, before.betas)
    torch.testing.assert_close(outcome.after.betas, outcome.after.betas[:1].expand(12, 10))
    plain = run(problem, roles, settings.changed({"loop.shared_shape": False}))
    assert plain.after.betas.std(0).max() > 1e-4
