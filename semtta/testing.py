"""Conformance tests for plug-ins: call them in your own tests. They raise AssertionError with a sentence on what is wrong."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .body import Body, load
from .build import make_config
from .constants import JOINT_SETS
from .datasets import Dataset
from .detectors import Detector
from .estimators import HMR, Estimator, HMRConfig
from .generators import Generator
from .geometry import axis_angle_to_matrix
from .labelers import LabelContext, Labeler
from .losses import StepContext, WholeClip
from .methods import Method, Problem, Roles
from .methods.passes import predict
from .priors import NoPrior, Prior
from .settings import AdaptConfig
from .types import (
    Evidence,
    FrameBatch,
    FrameSource,
    Keypoints2D,
    Landmarks3D,
    Motion,
    Prediction,
    Result,
    Segment,
    SegmentLabel,
    Video,
)
from .updaters import UpdateContext, Updater


def _rotations(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return axis_angle_to_matrix(0.4 * torch.randn(*shape, 24, 3, generator=generator))


def _check_rotations(rotations: Tensor, what: str) -> None:
    """They are finite rotation matrices [..., 3, 3]."""
    assert torch.isfinite(rotations).all(), f"{what} are not finite."
    assert (rotations @ rotations.mT - torch.eye(3).to(rotations)).abs().max() < 1e-4, f"{what} are not orthonormal matrices."
    assert (torch.linalg.det(rotations) > 0).all(), f"{what} mirror: their determinant must be +1."


def check_prior(prior: Prior, labels: Sequence[str] = ("walking", "running")) -> None:
    """A prior: one finite loss and similarity a segment, a gradient that reaches the motion, no dependence on padding."""
    known = [label for label in labels if prior.resolve(label).label is not None] or list(prior.labels[:2])
    assert known or prior.name == "none", f"prior '{prior.name}': resolve() takes none of {list(labels)} and labels is empty."
    names = [str(prior.resolve(known[i % len(known)]).label) for i in range(2)] if known else list(labels[:2])
    for length in (1, 10, 60):
        rotations = _rotations(2, length).requires_grad_()
        motion = Motion(rotations, visible=torch.ones(2, length, 24))
        loss, similarity = prior.loss(motion, names), prior.similarity(motion, names)
        for what, value in (("loss", loss), ("similarity", similarity)):
            assert tuple(value.shape) == (2,), f"{what}(motion [2, {length}, ...], 2 labels) is {list(value.shape)}, not [2]."
            assert torch.isfinite(value).all(), f"{what} of a motion of {length} frames is not finite."
        assert (similarity <= 1 + 1e-4).all(), f"similarity is {similarity.max().item():.3f}: it must be at most 1."
        if prior.name != "none":
            assert loss.requires_grad, "loss has no gradient: it must be differentiable in motion.rotations."
            (gradient,) = torch.autograd.grad(loss.sum(), rotations)
            assert torch.isfinite(gradient).all(), "the gradient of loss is not finite."
            if length > 1:
                hidden = Motion(rotations.detach().requires_grad_(), visible=torch.zeros(2, length, 24))
                (pull,) = torch.autograd.grad(prior.loss(hidden, names).sum(), hidden.rotations)
                assert pull.abs().sum() > 0, "loss gives hidden joints no gradient."
    slow = prior.similarity(Motion(_rotations(1, 12), fps=10.0), names[:1])
    assert torch.isfinite(slow).all(), "a motion of another frame rate must work: use Prior.windows, or resample it."


def check_estimator(estimator: Estimator, frames: int = 3) -> None:
    """An estimator: rotations that are rotations, shapes as promised, the same in eval mode twice, usable functionally.

    What it says of a frame must not depend on the batch's other frames: micro-batches rely on it.
    """
    generator = torch.Generator().manual_seed(0)
    size = estimator.crop_px
    boxes = torch.tensor((160.0, 120.0, 200.0)).expand(frames, 3) + torch.arange(frames)[:, None]
    intrinsics = torch.tensor((400.0, 160.0, 120.0)).expand(frames, 3)
    crops = None if size is None else torch.randint(256, (frames, 3, size, size), generator=generator, dtype=torch.uint8)
    points = torch.rand(frames, 25, 2, generator=generator) * 200 + torch.tensor((60.0, 20.0))
    keypoints = Keypoints2D(points, torch.rand(frames, 25, generator=generator), "body25")
    batch = FrameBatch(torch.arange(frames), boxes, intrinsics, crops, (320, 240), keypoints, all_boxes=boxes)
    weights = dict(estimator.named_parameters())
    first, second = predict(estimator, weights, batch), predict(estimator, weights, batch)
    expected = {"rotations": (frames, 24, 3, 3), "betas": (frames, 10), "camera": (frames, 3)}
    for name, shape in expected.items():
        value = getattr(first, name)
        assert tuple(value.shape) == shape, f"{name} is {list(value.shape)}, expected {list(shape)}."
        assert torch.equal(value, getattr(second, name)), f"{name} differs between two passes in eval mode."
    alone = predict(estimator, weights, batch[frames - 1 :])
    assert torch.allclose(alone.rotations, first.rotations[frames - 1 :], atol=1e-4), (
        "a frame depends on the others of its batch."
    )
    _check_rotations(first.rotations, "rotations")
    moved = predict(estimator, {k: v + 0.01 for k, v in weights.items()}, batch)
    assert not torch.equal(first.rotations, moved.rotations), "other weights give the same rotations."


def check_body(body: Body) -> None:
    """A body: joints, keypoints and vertices of the promised shapes, gradients, and rotation of the whole."""
    rotations, betas = _rotations(2).requires_grad_(), torch.zeros(2, 10)
    joints = body.joints(rotations, betas)
    assert tuple(joints.shape) == (2, 24, 3), f"joints are {list(joints.shape)}, expected [2, 24, 3]."
    keypoints = body.keypoints(rotations, betas, "smpl29")
    assert tuple(keypoints.shape) == (2, 29, 3), f"keypoints smpl29 are {list(keypoints.shape)}, expected [2, 29, 3]."
    vertices = body.vertices(rotations, betas)
    assert tuple(vertices.shape) == (2, body.num_vertices, 3), "vertices must be [2, num_vertices, 3]."
    (gradient,) = torch.autograd.grad(keypoints.sum(), rotations)
    assert torch.isfinite(gradient).all(), "the gradient of the keypoints is not finite."
    turn = _rotations(1, seed=1)[0, 0]
    turned = body.joints(torch.cat(((turn @ rotations[:, 0])[:, None], rotations[:, 1:]), 1), betas)
    wanted = (joints - joints[:, :1]) @ turn.mT
    assert torch.allclose(turned - turned[:, :1], wanted, atol=1e-4), "rotation 0 must turn the whole body about joint 0."
    moved = body.joints(rotations, betas, torch.tensor([[1.0, 2.0, 3.0]]))
    assert torch.allclose(moved - joints, torch.tensor([1.0, 2.0, 3.0]), atol=1e-4), "translation must move the posed body."


def check_labeler(labeler: Labeler, video: Video, context: LabelContext | None = None) -> None:
    """A labeler: one answer for each span, in order, covering just that span."""
    spans = [(0, video.num_frames)]
    found = labeler.label(video, spans, context or LabelContext())
    assert [(item.start, item.stop) for item in found] == spans, "label() must return one SegmentLabel for each span, in order."
    assert all(item.label is None or item.label.strip() for item in found), "an empty label must be None."


def check_updater(updater: Updater) -> None:
    """An updater (with its settings bound): shapes as they were, its input untouched, finite points where a joint is present."""
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(5, 29, 2, generator=generator) * 224
    present = torch.rand(5, 29, generator=generator) < 0.5
    before = Evidence(points.clone(), present.clone())
    context = UpdateContext(before, before, points + 3, torch.full((5,), 0.9), 0.75, torch.ones(29, dtype=torch.bool))
    after = updater(context)
    assert after.points.shape == points.shape, f"points are {list(after.points.shape)}, expected {list(points.shape)}."
    assert after.present.dtype == torch.bool, "present must be boolean."
    unchanged = torch.equal(before.points, points) and torch.equal(before.present, present)
    assert unchanged, "an updater must not change its input."
    assert torch.isfinite(after.points[after.present]).all(), "a present point is not finite."


def check_denoiser(denoiser: nn.Module | None) -> None:
    """A denoiser: None, or a network on windows of 6D rotations [B, 49, 144]."""
    if denoiser is None:
        return
    windows = torch.randn(2, 49, 144, generator=torch.Generator().manual_seed(0))
    out = denoiser(windows)
    assert out.shape == windows.shape, f"a denoiser maps [2, 49, 144] to {list(out.shape)}, expected the same shape."
    assert torch.isfinite(out).all(), "the denoised windows are not finite."
    assert out.requires_grad, "a denoiser is adapted along: its output must be differentiable in its weights."
    assert torch.allclose(denoiser(windows[1:]), out[1:], atol=1e-4), "a window depends on the others of its batch."


def check_dataset(dataset: Dataset) -> None:
    """A dataset: its tracks are sorted, the first one loads with as many frames and labels of time as it says, and is judged."""
    tracks = list(dataset.tracks())
    assert tracks, f"dataset '{dataset.name}' has no tracks."
    assert tracks == sorted(set(tracks)), "tracks() must be sorted, each name once."
    assert all(isinstance(row.what, str) for row in dataset.check()), "check() must give Findings."
    video = dataset.load(tracks[0])
    frames = sum(1 for _ in video.frames)
    assert video.name == tracks[0], f"load('{tracks[0]}') gives a video called '{video.name}': runs would not be found again."
    assert frames == video.num_frames, f"the video says {video.num_frames} frames and has {frames}."
    for what in ("keypoints", "boxes", "frame_index"):
        value = getattr(video, what)
        assert value is None or len(value) == frames, f"{what} are {len(value)} for {frames} frames."
    truth = video.ground_truth
    if truth is not None:
        assert len(truth.joints) == frames, f"the ground truth has {len(truth.joints)} frames, the video {frames}."
        assert torch.isfinite(truth.joints).all(), "the ground truth has NaN: leave such frames out, or say so with an error."


def check_generator(generator: Generator, label: str | None = None) -> None:
    """A generator: as many frames as asked for, of rotations. ``label``: by default its first one."""
    known = label or next(iter(generator.labels), None)
    assert known, "it has no labels, so it takes any wording: give check_generator a label."
    for frames in (1, 7, 200):
        made = generator.generate(known, frames)
        assert tuple(made.shape) == (frames, 24, 3, 3), f"{frames} frames are {list(made.shape)}, not [{frames}, 24, 3, 3]."
        _check_rotations(made, "generated rotations")


class _Straight(Prior):
    """Motion fits its label the better, the nearer its local rotations are to none."""

    name = "straight"

    def loss(self, motion: Motion, labels: Sequence[str]) -> Tensor:
        return 1 - self.similarity(motion, labels)

    depth_loss = loss

    def similarity(self, motion: Motion, labels: Sequence[str]) -> Tensor:
        return 1 - (motion.rotations[:, :, 1:] - torch.eye(3)).abs().mean((1, 2, 3, 4))


def check_loss(term: Callable[[StepContext], Tensor | None]) -> None:
    """A loss term (with its settings bound): a finite value per frame or labelled segment, differentiable; None if it has none.

    It is asked at a usual step of two segments, one of them labelled, and at one of single frames in the first epoch.
    """
    count, body, generator, given = 12, load("open"), torch.Generator().manual_seed(0), 0
    for usual in (True, False):
        rotations = _rotations(count).requires_grad_()
        prediction = Prediction(rotations, torch.zeros(count, 10, requires_grad=True), torch.zeros(count, 3, requires_grad=True))
        joints = body.keypoints(rotations, prediction.betas, "smpl29")
        points = torch.rand(count, 29, 2, generator=generator) * 224
        present = torch.rand(count, 29, generator=generator) < 0.5
        points[~present] = float("nan")  # what is not there must play no part
        found = (torch.rand(count, 33, generator=generator) - 0.3).clamp(min=0)
        xyz = torch.randn(count, 33, 3, generator=generator).where(found[..., None] > 0, torch.nan)
        target = Prediction(_rotations(count, seed=1), torch.ones(count, 10), torch.zeros(count, 3))
        segments = (Segment(0, 6, "walking"), Segment(6, 12)) if usual else ()
        places = FrameBatch.of_crops(torch.zeros(count, 3, 1, 1))
        clip = WholeClip(_rotations(count), torch.full((count, 29, 2), 112.0), torch.zeros(count, 24), places) if usual else None
        context = StepContext(
            prediction, joints, joints[..., :2] * 100 + 112 + prediction.camera[:, None, :2], Evidence(points, present),
            torch.arange(count), segments, target if usual else None, _Straight(),
            Motion(rotations[None, :6], visible=torch.ones(1, 6, 24)) if usual else None, ("walking",) if usual else (),
            torch.ones(len(segments[:1])), 0.5, Landmarks3D(xyz, found, "blazepose33"), 30.0, clip,
        )  # fmt: skip
        if (value := term(context)) is None:
            continue
        given += 1
        wanted = {(count,), (1,)} if usual else {(count,)}
        assert tuple(value.shape) in wanted, f"its value is {list(value.shape)}, not one per frame or labelled segment."
        assert torch.isfinite(value).all(), "its value is not finite: evidence that is not present may be NaN."
        assert value.requires_grad, "its value has no gradient: it must be differentiable in the prediction."
        gradients = [g for g in torch.autograd.grad(value.mean(), prediction.tensors(), allow_unused=True) if g is not None]
        assert all(torch.isfinite(g).all() for g in gradients), "its gradient is not finite."
    assert given, "it has a value neither at a usual step nor at the first."


class _Once:
    """Frames that count how often they are read."""

    def __init__(self, frames: FrameSource) -> None:
        self.frames, self.reads = frames, 0

    def __iter__(self) -> Iterator[np.ndarray]:
        self.reads += 1
        return iter(self.frames)


def check_detector(detector: Detector, frames: Sequence[np.ndarray] | None = None) -> None:
    """A detector: people with finite keypoints for every frame, in a known joint set; the frames are read once.

    ``frames``: uint8 RGB [H, W, 3] with people in them; by default noise, in which it may find nobody.
    """
    made = frames is None
    shown = list(np.random.default_rng(0).integers(0, 256, (3, 120, 160, 3), dtype=np.uint8)) if frames is None else frames
    height, width = shown[0].shape[:2]
    source = _Once(shown)
    people = detector.detect(source, (width, height))
    assert source.reads <= 1, f"it reads the frames {source.reads} times: a long video is decoded once."
    assert people or made, "it finds nobody in these frames."
    for person in people:
        assert person.joint_set in JOINT_SETS, f"joint set '{person.joint_set}' is none of {', '.join(JOINT_SETS)}."
        joints = len(JOINT_SETS[person.joint_set])
        assert tuple(person.xy.shape) == (len(shown), joints, 2), (
            f"xy is {list(person.xy.shape)}, not [{len(shown)}, {joints}, 2]."
        )
        assert tuple(person.confidence.shape) == (len(shown), joints), "confidence is not [T, J]."
        seen = person.confidence > 0
        assert ((person.confidence >= 0) & (person.confidence <= 1)).all(), "confidence is not in [0, 1]."
        assert torch.isfinite(person.xy[seen]).all(), "a keypoint of some confidence is not finite."
        assert seen.any(), "a person without a keypoint is none."
        if (found := person.landmarks) is not None:
            shape = (len(shown), len(JOINT_SETS[found.joint_set]), 3)
            assert tuple(found.xyz.shape) == shape, f"landmarks are {list(found.xyz.shape)}, not {list(shape)}."
            assert torch.isfinite(found.xyz[found.confidence > 0]).all(), "a landmark of some confidence is not finite."


def check_method(method: Method, config: AdaptConfig | None = None) -> None:
    """A method on a tiny clip: a whole outcome, the given network untouched, the same again when it is resumed.

    ``config``: its settings; by default those of ``semtta.build.make_config`` with two epochs.
    """
    config = config or make_config({"loop.epochs": 2, "loop.segment_frames": 3, "loop.segment_stride": 3})
    problem, roles = _tiny_problem(), _tiny_roles()
    weights = {name: value.detach().clone() for name, value in roles.estimator.named_parameters()}
    before = predict(roles.estimator, weights, problem.inputs)
    epochs, saved = [], []

    def keep(state: Any) -> None:
        file = io.BytesIO()
        torch.save(state.state_dict(), file)
        file.seek(0)
        epochs.append((state.epoch, state.epochs))
        saved.append(torch.load(file, weights_only=True))

    outcome = method(problem, roles, config, before, keep)
    for name, value in roles.estimator.named_parameters():
        assert torch.equal(value, weights[name]), f"the given estimator's {name} has changed: adapt a copy."
    assert set(outcome.weights) == set(weights), "outcome.weights must be every parameter of the estimator, by name."
    count = len(problem)
    _check_rotations(outcome.after.rotations, "rotations after adaptation")
    shapes = (tuple(outcome.after.rotations.shape), tuple(outcome.after.betas.shape), tuple(outcome.evidence.points.shape))
    assert shapes == ((count, 24, 3, 3), (count, 10), (count, 29, 2)), f"after or evidence has not {count} frames: {shapes}."
    assert tuple(outcome.similarity.shape) == (count,), f"similarity is {list(outcome.similarity.shape)}, not [{count}]."
    assert torch.equal(outcome.before.rotations, before.rotations), "before must be the prediction that was given."
    assert [record["epoch"] for record in outcome.history] == [done for done, _ in epochs], "on_epoch and history disagree."
    json.dumps(outcome.history)  # plain values
    if not epochs:
        return
    assert epochs == [(i + 1, len(epochs)) for i in range(len(epochs))], f"on_epoch saw {epochs}: (epochs done, epochs in all)."
    again = method(problem, roles, config, before, None, saved[0])
    equal = torch.equal(again.after.rotations, outcome.after.rotations)
    assert equal, "a resumed run gives another result than an uninterrupted one."


def _tiny_roles() -> Roles:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sizes = HMRConfig(block="basic", depths=(1, 1), widths=(8, 16), stem=8, crop_px=32, hidden=32, dropout=0.5)
        return Roles(HMR(sizes), load("open"), None, NoPrior())


def _tiny_problem(count: int = 5) -> Problem:
    generator = torch.Generator().manual_seed(1)
    crops = torch.randint(256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)
    points = torch.rand(count, 29, 2, generator=generator) * 224
    evidence = Evidence(points, torch.rand(count, 29, generator=generator) < 0.5)
    return Problem(FrameBatch.of_crops(crops), evidence, (SegmentLabel(0, count, "walking"),), 30.0)


def check_exporter(exporter: Callable[..., None], result: Result, path: str | Path) -> None:
    """An exporter: it writes ``path`` with either axis up, over what is there, and leaves the result as it is."""
    path = Path(path)
    rotations, joints = result.params.rotations.clone(), result.joints.clone()
    sizes = []
    for up in ("y", "z"):
        path.write_bytes(b"")
        exporter(result, path, up=up)
        assert path.is_file(), f"nothing is at {path}."
        sizes.append(path.stat().st_size)
        assert sizes[-1], f"{path} is empty."
    same = torch.equal(result.params.rotations, rotations) and torch.equal(result.joints, joints)
    assert same, "an exporter must not change the result."
