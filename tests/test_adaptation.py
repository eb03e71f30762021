"""The loop on made-up data: its equations, its exactness, and what it must never do."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from semtta.body import load
from semtta.denoisers import MDNet
from semtta.estimators import HMR, HMRConfig
from semtta.estimators.hmr import standing_pose6d
from semtta.geometry import matrix_from_6d, project_to_crop
from semtta.methods.offline.loop import Adaptation, learning_rate
from semtta.methods.passes import backward_in_pieces, predict
from semtta.methods.problem import Problem, Roles
from semtta.priors import MotionTextPrior
from semtta.settings.config import AdaptConfig
from semtta.types import Evidence, Motion, SegmentLabel

TINY = HMRConfig(block="basic", depths=(1, 1), widths=(8, 16), stem=8, crop_px=32, hidden=32, dropout=0.5)


class TinyPrior(MotionTextPrior):
    """Features are fixed random projections of the local rotations; any wording has its own text feature."""

    name = "tiny"
    threshold = -1.0

    def __init__(self) -> None:
        self.matrix = torch.randn(23 * 9, 8, generator=torch.Generator().manual_seed(3))

    def encode_motion(self, motion: Motion) -> torch.Tensor:
        return (motion.rotations[:, :, 1:].flatten(2) @ self.matrix).mean(1)

    def encode_text(self, labels):
        return torch.stack([torch.randn(8, generator=torch.Generator().manual_seed(len(label))) for label in labels])


def make_problem(frames: int = 12, label: str | None = "walking") -> Problem:
    generator = torch.Generator().manual_seed(1)
    crops = torch.randint(256, (frames, 3, 32, 32), generator=generator, dtype=torch.uint8)
    standing = standing_pose6d().view(1, 24, 6)
    joints = load("open").keypoints(matrix_from_6d(standing, "columns_interleaved"), torch.zeros(1, 10), "smpl29")
    points = project_to_crop(joints, torch.tensor([[0.6, 0.2, -0.1]])).expand(frames, -1, -1)
    points = points + torch.randn(frames, 29, 2, generator=generator)
    present = torch.rand(frames, 29, generator=generator) < 0.5
    labels = (SegmentLabel(0, frames, label),)
    return Problem(crops, Evidence(points, present), labels, 30.0)


@pytest.fixture(scope="module")
def roles() -> Roles:
    torch.manual_seed(0)
    estimator = HMR(TINY)
    nn.init.normal_(estimator.decpose.weight, std=0.01)
    return Roles(estimator, load("open"), MDNet(), TinyPrior())


def config(**changes) -> AdaptConfig:
    settings = {"segment_frames": 6, "segment_stride": 3, "epochs": 2, "batch_segments": 2, "learning_rate": 1e-3, "seed": 5}
    return AdaptConfig(**{**settings, **changes})


def run(problem: Problem, roles: Roles, settings: AdaptConfig, **options):
    before = predict(roles.estimator, dict(roles.estimator.named_parameters()), problem.crops)
    return Adaptation(problem, roles, settings).run(before, **options)


def test_learning_rate_is_a_cosine_to_the_minimum():
    settings = AdaptConfig(epochs=6, learning_rate=5e-5, min_learning_rate=1e-6)
    rates = [learning_rate(settings, epoch) for epoch in range(6)]
    assert rates[0] == 5e-5
    assert rates[5] == pytest.approx(1e-6)
    assert rates[2] == pytest.approx(1e-6 + 0.5 * 4.9e-5 * (1 + math.cos(math.pi * 2 / 5)))


def test_warm_up_is_cycleadapts():
    settings = AdaptConfig(epochs=13, warmup_epochs=3, learning_rate=9e-5, min_learning_rate=1e-6)
    rates = [learning_rate(settings, epoch) for epoch in range(13)]
    assert rates[:4] == pytest.approx([3e-5, 6e-5, 9e-5, 9e-5])
    assert rates[4] == pytest.approx(1e-6 + 0.5 * 8.9e-5 * (1 + math.cos(math.pi / 9)))
    assert rates[12] == pytest.approx(1e-6)


def test_adaptation_lowers_the_reprojection_error(roles):
    problem = make_problem()
    outcome = run(problem, roles, config(epochs=12, learning_rate=3e-3, updaters=(), dropout=False))

    def error(estimate) -> float:
        joints = roles.body.keypoints(estimate.rotations, estimate.betas, "smpl29")
        projected = project_to_crop(joints, estimate.camera)
        return (projected - problem.evidence.points).abs()[problem.evidence.present].mean().item()

    assert error(outcome.after) < 0.9 * error(outcome.before)
    assert outcome.history[-1]["loss_2d"] < outcome.history[0]["loss_2d"]


def test_alignment_alone_raises_the_similarity(roles):
    settings = config(epochs=8, lambda_2d=0.0, lambda_pose=0.0, lambda_align=5.0, updaters=(), dropout=False)
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
    third = run(make_problem(), roles, config(seed=6))
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
        states.append(torch_copy(state.state_dict()))

    run(make_problem(), roles, config(epochs=3), on_epoch=keep)
    resumed = run(make_problem(), roles, config(epochs=3), resume=states[0])
    assert all(torch.equal(a, resumed.weights[name]) for name, a in whole.weights.items())
    assert len(resumed.history) == 3


class LearningPrior(TinyPrior):
    """Its matrix drifts with every step that it has seen."""

    def start(self):
        return LearningPrior()

    def learn(self, motion, labels):
        self.matrix = self.matrix + 0.1 * motion.rotations.mean()

    def learned(self):
        return {"matrix": self.matrix}

    def restore(self, saved):
        self.matrix = saved["matrix"]


def test_a_prior_that_learns_along_starts_anew_and_is_resumed(roles):
    learning = replace(roles, prior=LearningPrior())
    states = []
    whole = run(make_problem(), learning, config(epochs=3), on_epoch=lambda s: states.append(torch_copy(s.state_dict())))
    again = run(make_problem(), learning, config(epochs=3))
    resumed = run(make_problem(), learning, config(epochs=3), resume=states[0])
    assert all(torch.equal(a, again.weights[name]) for name, a in whole.weights.items())
    assert all(torch.equal(a, resumed.weights[name]) for name, a in whole.weights.items())
    assert not torch.equal(states[0]["prior"]["matrix"], states[2]["prior"]["matrix"])
    assert torch.equal(learning.prior.matrix, TinyPrior().matrix)


def torch_copy(state):
    import io

    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("size", [1, 5, 12, 100])
def test_micro_batched_gradient_is_the_full_one(roles, size):
    problem, estimator = make_problem(), roles.estimator
    estimator.train()
    gradients = []
    for pieces in (None, size):
        torch.manual_seed(0)
        weights = {k: v.detach().clone().requires_grad_() for k, v in estimator.named_parameters()}
        adaptation = Adaptation(problem, roles, config(micro_batch=pieces, dropout=False))
        state = adaptation.start(predict(estimator, weights, problem.crops))
        state.weights = weights
        state.optimiser = torch.optim.SGD(weights.values(), lr=0.0)
        adaptation.step(state, torch.arange(12), adaptation.segments[:1] * 2)
        gradients.append({k: v.grad.clone() for k, v in weights.items()})
    for name, full in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], full, atol=1e-5, rtol=1e-5)


def test_micro_batches_repeat_the_dropout_of_their_first_pass():
    drop = nn.Dropout(0.5)
    weight = torch.ones(6, requires_grad=True)
    inputs = torch.arange(1.0, 25).view(4, 6)

    def forward(x):
        return (drop(x * weight),)

    torch.manual_seed(2)
    (outputs,) = backward_in_pieces(forward, inputs, lambda y: y.sum(), 2)
    # d sum(drop(x w)) / dw = sum of what drop let through, which is the output where w = 1
    torch.testing.assert_close(weight.grad, outputs.sum(0))


def test_keypoints_stay_fixed_within_an_epoch_and_move_after_it(roles):
    problem = make_problem()
    seen = []
    adaptation = Adaptation(problem, roles, config(updaters=("ema", "fill_in")))
    step = adaptation.step

    def watch(state, frames, segments):
        seen.append((state.epoch, state.evidence.points.clone(), state.evidence.present.clone()))
        return step(state, frames, segments)

    adaptation.step = watch
    before = predict(roles.estimator, dict(roles.estimator.named_parameters()), problem.crops)
    outcome = adaptation.run(before)
    by_epoch = {epoch: [p for e, p, _ in seen if e == epoch] for epoch in (0, 1)}
    assert all(torch.equal(p, by_epoch[0][0]) for p in by_epoch[0])
    assert not torch.equal(by_epoch[0][0], by_epoch[1][0])
    limbs = adaptation.rules.fillable
    assert outcome.evidence.present[:, limbs].all()  # threshold -1: every limb joint is filled
    assert torch.equal(outcome.evidence.present[:, ~limbs], problem.evidence.present[:, ~limbs])


def test_ema_of_the_loop_is_eq_7_of_its_own_prediction(roles):
    problem = make_problem()
    states = []
    outcome = run(problem, roles, config(epochs=1, updaters=("ema",)), on_epoch=lambda s: states.append(s.estimate))
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
    assert run(make_problem(), roles, settings.model_copy(update={"min_steps": 5})).history[0]["steps"] == 5


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
    def weights(**changes) -> list[float]:
        work = Adaptation(make_problem(), roles, config(epochs=10, lambda_align=3.0, **changes))
        return [work.loss_weights(epoch)["align"] for epoch in range(6)]

    assert weights() == [3.0] * 6
    assert weights(align_warmup=0.4) == pytest.approx([0, 0.75, 1.5, 2.25, 3, 3])


def test_a_step_may_run_every_other_frame_of_its_segments(roles):
    work = Adaptation(make_problem(14), roles, config(segment_frames=7, segment_stride=7, segment_step=2))
    generator = torch.Generator().manual_seed(0)
    drawn = {tuple(work.frames_of(work.segments, generator).tolist()) for _ in range(30)}
    ways = [(0, 2, 4), (1, 3, 5)], [(7, 9, 11), (8, 10, 12)]  # three of seven frames, so that every segment has as many
    assert drawn == {a + b for a in ways[0] for b in ways[1]}
    motion, labels = work.labelled(torch.eye(3).expand(6, 24, 3, 3), torch.tensor([1, 3, 5, 7, 9, 11]), work.segments)
    assert motion.rotations.shape == (2, 3, 24, 3, 3)
    assert motion.fps == 15.0
    assert labels == ["walking", "walking"]
    assert run(make_problem(14), roles, config(segment_step=3)).history[-1]["loss_align"] > 0


def test_trust_scales_the_alignment_of_each_segment_if_asked_to(roles):
    problem = make_problem()
    halves = (SegmentLabel(0, 6, "walking", trust=0.25), SegmentLabel(6, 12, "walking", trust=1.0))
    problem = Problem(problem.crops, problem.evidence, halves, 30.0)
    before = predict(roles.estimator, dict(roles.estimator.named_parameters()), problem.crops)
    frames = torch.arange(12)

    def align(**changes) -> torch.Tensor:
        work = Adaptation(problem, roles, config(segment_stride=6, **changes))
        return work.losses(work.start(before), frames, work.segments, before)["align"]

    work = Adaptation(problem, roles, config(segment_stride=6))
    first, second = roles.prior.loss(*work.labelled(before.rotations, frames, work.segments))
    torch.testing.assert_close(align(), (first + second) / 2)
    torch.testing.assert_close(align(trust_labels=True), (0.25 * first + second) / 2)
