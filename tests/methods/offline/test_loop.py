"""The loop on made-up data: its equations, its exactness, and what it must never do."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_clip import TinyPrior, config, make_problem, run, through_a_file, unadapted

from semtta.geometry import project_to_crop
from semtta.methods import Roles
from semtta.methods.offline.loop import Adaptation
from semtta.methods.offline.segments import frames_of
from semtta.types import SegmentLabel


def test_adaptation_lowers_the_reprojection_error(roles):
    problem = make_problem()
    outcome = run(problem, roles, config({"updaters": ()}, epochs=12, learning_rate=3e-3, dropout=False))

    def error(estimate) -> float:
        joints = roles.body.keypoints(estimate.rotations, estimate.betas, "smpl29")
        projected = project_to_crop(joints, estimate.camera)
        return (projected - problem.evidence.points).abs()[problem.evidence.present].mean().item()

    assert error(outcome.after) < 0.9 * error(outcome.before)
    assert outcome.history[-1]["loss_2d"] < outcome.history[0]["loss_2d"]


def test_alignment_alone_raises_the_similarity(roles):
    weights = {"losses.2d.weight": 0.0, "losses.pose.weight": 0.0, "losses.align.weight": 5.0}
    settings = config({**weights, "updaters": ()}, epochs=8, dropout=False)
    history = run(make_problem(), roles, settings).history
    assert history[-1]["similarity"] > history[0]["similarity"]


def test_pre_trained_weights_stay_as_they_are(roles):
    before = {name: value.clone() for name, value in roles.estimator.state_dict().items()}
    denoiser = {name: value.clone() for name, value in roles.denoiser.state_dict().items()}
    outcome = run(make_problem(), roles, config())
    assert all(torch.equal(value, before[name]) for name, value in roles.estimator.state_dict().items())
    assert all(torch.equal(value, denoiser[name]) for name, value in roles.denoiser.state_dict().items())
    assert any(not torch.equal(value, before[name]) for name, value in outcome.weights.items())


def test_same_seed_same_result_other_seed_another(roles):
    torch.manual_seed(11)
    first = run(make_problem(), roles, config())
    torch.manual_seed(99)  # the caller's random state plays no part
    second = run(make_problem(), roles, config())
    third = run(make_problem(), roles, config({"seed": 6}))
    assert all(torch.equal(a, second.weights[name]) for name, a in first.weights.items())
    assert not torch.equal(first.after.rotations, third.after.rotations)


def test_the_callers_random_state_is_left_alone(roles):
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    run(make_problem(), roles, config())
    assert torch.equal(torch.rand(3), expected)


def test_resumed_run_equals_an_uninterrupted_one(roles):
    whole = run(make_problem(), roles, config(epochs=3))
    states = []

    def keep(state):
        states.append(through_a_file(state.state_dict()))

    run(make_problem(), roles, config(epochs=3), on_epoch=keep)
    resumed = run(make_problem(), roles, config(epochs=3), resume=states[0])
    assert all(torch.equal(a, resumed.weights[name]) for name, a in whole.weights.items())
    assert len(resumed.history) == 3


def test_the_prior_sees_frames_at_their_own_times(roles):
    """Six frames of 0.5 s and six of 1.5 s: as even frames both would last a second."""
    times = torch.cat((torch.arange(6) * 0.1, 0.6 + torch.arange(6) * 0.3)).double()
    problem = replace(make_problem(), times_s=times, fps=11 / 2.1)
    adaptation = Adaptation(problem, roles, config())
    rotations = unadapted(problem, roles).rotations.clone().requires_grad_()
    motion = adaptation.motion(rotations, torch.arange(12), 2)
    assert motion.fps == roles.prior.fps
    assert motion.mask.sum(1).tolist() == [16, 46]
    torch.testing.assert_close(motion.rotations[0, 15], rotations[5].detach(), atol=1e-5, rtol=0, check_device=False)
    torch.testing.assert_close(motion.rotations[1, 45], rotations[11].detach(), atol=1e-5, rtol=0)
    (slope,) = torch.autograd.grad(roles.prior.loss(motion, ["walking", "walking"]).sum(), rotations)
    assert (slope.abs().sum((1, 2, 3)) > 0).all()
    for sampling in ("similarity", "frames"):
        outcome = run(problem, roles, config(sampling=sampling))
        assert outcome.after.rotations.isfinite().all()


class TrainedPrior(TinyPrior):
    """Its matrix drifts with every step that it has seen."""

    def for_clip(self):
        return TrainedPrior()

    def train_step(self, motion, labels):
        self.matrix = self.matrix + 0.1 * motion.rotations.mean()

    def trained_state(self):
        return {"matrix": self.matrix}

    def load_trained_state(self, saved):
        self.matrix = saved["matrix"]


def test_a_prior_that_is_trained_along_starts_anew_and_is_resumed(roles):
    trained = replace(roles, prior=TrainedPrior())
    states = []
    whole = run(make_problem(), trained, config(epochs=3), on_epoch=lambda s: states.append(through_a_file(s.state_dict())))
    again = run(make_problem(), trained, config(epochs=3))
    resumed = run(make_problem(), trained, config(epochs=3), resume=states[0])
    assert all(torch.equal(a, again.weights[name]) for name, a in whole.weights.items())
    assert all(torch.equal(a, resumed.weights[name]) for name, a in whole.weights.items())
    assert not torch.equal(states[0]["prior"]["matrix"], states[2]["prior"]["matrix"])
    assert torch.equal(trained.prior.matrix, TinyPrior().matrix)


@pytest.mark.parametrize("size", [1, 5, 12, 100])
def test_micro_batched_gradient_is_the_full_one(roles, size):
    problem = make_problem()
    gradients = []
    for pieces in (None, size):
        torch.manual_seed(0)
        adaptation = Adaptation(problem, roles, config(micro_batch=pieces, dropout=False))
        state = adaptation.start(unadapted(problem, roles))
        weights = state.trainable.adapted
        state.optimiser = torch.optim.SGD(weights.values(), lr=0.0)
        adaptation.step(state, torch.arange(12), adaptation.segments[:1] * 2)
        gradients.append({k: v.grad.clone() for k, v in weights.items()})
    for name, full in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], full, atol=1e-5, rtol=1e-5)


def test_keypoints_stay_fixed_within_an_epoch_and_move_after_it(roles):
    problem = make_problem()
    seen = []
    adaptation = Adaptation(problem, roles, config({"updaters": ("ema", "fill_in")}))
    step = adaptation.step

    def watch(state, frames, segments):
        seen.append((state.epoch, state.evidence.points.clone(), state.evidence.present.clone()))
        return step(state, frames, segments)

    adaptation.step = watch
    outcome = adaptation.run(unadapted(problem, roles))
    by_epoch = {epoch: [p for e, p, _ in seen if e == epoch] for epoch in (0, 1)}
    assert all(torch.equal(p, by_epoch[0][0]) for p in by_epoch[0])
    assert not torch.equal(by_epoch[0][0], by_epoch[1][0])
    limbs = adaptation.supervised
    assert outcome.evidence.present[:, limbs].all()  # threshold -1: every limb joint is filled
    assert torch.equal(outcome.evidence.present[:, ~limbs], problem.evidence.present[:, ~limbs])


def test_ema_of_the_loop_is_eq_7_of_its_own_prediction(roles):
    problem = make_problem()
    states = []
    outcome = run(problem, roles, config({"updaters": ("ema",)}, epochs=1), on_epoch=lambda s: states.append(s.prediction))
    joints = roles.body.keypoints(states[0].rotations, states[0].betas, "smpl29")
    expected = 0.9 * problem.evidence.points + 0.1 * project_to_crop(joints, states[0].camera)
    present = problem.evidence.present
    torch.testing.assert_close(outcome.evidence.points[present], expected[present])


def test_unlabelled_segments_are_not_aligned(roles):
    history = run(make_problem(label=None), roles, config()).history
    assert "loss_align" not in history[0]
    assert history[0]["similarity"] is None
    assert history[0]["loss_2d"] > 0


def test_without_denoiser_there_is_no_smoothing(roles):
    plain = Roles(roles.estimator, roles.body, None, roles.prior)
    assert "loss_pose" not in run(make_problem(), plain, config()).history[-1]
    assert "loss_pose" in run(make_problem(), roles, config()).history[-1]
    assert "loss_pose" not in run(make_problem(), roles, config()).history[0]  # no targets before the first pass


@pytest.mark.parametrize("sampling", ["similarity", "uniform", "frames"])
def test_a_short_video_gets_its_steps(roles, sampling):
    settings = config(epochs=1, batch_segments=4, batch_frames=64, sampling=sampling)
    assert run(make_problem(), roles, settings).history[0]["steps"] == 1
    assert run(make_problem(), roles, settings.changed({"loop.min_steps": 5})).history[0]["steps"] == 5


@pytest.mark.parametrize("sampling", ["similarity", "uniform", "frames"])
@pytest.mark.parametrize("step", [1, 4])
@pytest.mark.parametrize("frames", [1, 2, 7, 61])
def test_every_length_and_sampling_works(roles, sampling, step, frames):
    settings = config(sampling=sampling, segment_step=step, epochs=1, batch_frames=8,
                      predictions="train" if sampling == "frames" else "eval")  # fmt: skip
    outcome = run(make_problem(frames), roles, settings)
    assert outcome.after.rotations.shape == (frames, 24, 3, 3)
    assert torch.isfinite(outcome.after.rotations).all()


def test_the_weight_of_the_alignment_grows(roles):
    def weights(**settings: float) -> list[float]:
        changes = {f"losses.align.{key}": value for key, value in settings.items()}
        work = Adaptation(make_problem(), roles, config({"losses.align.weight": 3.0, **changes}, epochs=10))
        return [work.loss_weights(epoch)["align"] for epoch in range(6)]

    assert weights() == [3.0] * 6
    assert weights(warmup=0.4) == pytest.approx([0, 0.75, 1.5, 2.25, 3, 3])


def test_a_step_may_run_every_other_frame_of_its_segments(roles):
    work = Adaptation(make_problem(14), roles, config(segment_frames=7, segment_stride=7, segment_step=2))
    generator = torch.Generator().manual_seed(0)
    drawn = {tuple(frames_of(work.segments, 2, generator).tolist()) for _ in range(30)}
    ways = [(0, 2, 4), (1, 3, 5)], [(7, 9, 11), (8, 10, 12)]  # three of seven frames, so that every segment has as many
    assert drawn == {a + b for a in ways[0] for b in ways[1]}
    motion, labels, trust = work.labelled_motion(
        torch.eye(3).expand(6, 24, 3, 3), torch.tensor([1, 3, 5, 7, 9, 11]), work.segments
    )
    assert motion.rotations.shape == (2, 3, 24, 3, 3)
    assert motion.fps == 15.0
    assert labels == ["walking", "walking"]
    assert trust.tolist() == [1.0, 1.0]
    assert run(make_problem(14), roles, config(segment_step=3)).history[-1]["loss_align"] > 0


def test_trust_scales_the_alignment_of_each_segment_if_asked_to(roles):
    problem = make_problem()
    halves = (SegmentLabel(0, 6, "walking", trust=0.25), SegmentLabel(6, 12, "walking", trust=1.0))
    problem = replace(problem, labels=halves)
    before = unadapted(problem, roles)
    frames = torch.arange(12)

    def align(**settings: bool) -> torch.Tensor:
        changes = {f"losses.align.{key}": value for key, value in settings.items()}
        work = Adaptation(problem, roles, config(changes, segment_stride=6))
        return work.losses(work.start(before), frames, work.segments, before)["align"]

    work = Adaptation(problem, roles, config(segment_stride=6))
    first, second = roles.prior.loss(*work.labelled_motion(before.rotations, frames, work.segments)[:2])
    torch.testing.assert_close(align(), (first + second) / 2)
    torch.testing.assert_close(align(use_trust=True), (0.25 * first + second) / 2)
