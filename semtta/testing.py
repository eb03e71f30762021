"""Conformance tests for plug-ins: call them in your own tests. They raise AssertionError with a sentence on what is wrong."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from .body import Body
from .datasets import Dataset
from .estimators import Estimator
from .labelers import LabelContext, Labeler
from .methods.passes import predict
from .priors import Prior
from .types import Evidence, FrameBatch, Keypoints2D, Motion, Video
from .updaters import UpdateContext, Updater


def _rotations(*shape: int, seed: int = 0) -> torch.Tensor:
    import roma

    generator = torch.Generator().manual_seed(seed)
    return roma.rotvec_to_rotmat(0.4 * torch.randn(*shape, 24, 3, generator=generator))


def check_prior(prior: Prior, labels: Sequence[str] = ("walking", "running")) -> None:
    """A prior: one finite loss and similarity a segment, a gradient that reaches the motion, no dependence on padding."""
    known = [label for label in labels if prior.resolve(label).label is not None] or list(prior.labels[:2])
    assert known, f"prior '{prior.name}': resolve() takes none of {list(labels)} and labels is empty."
    names = [str(prior.resolve(known[i % len(known)]).label) for i in range(2)]
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
    batch = FrameBatch(torch.arange(frames), boxes, intrinsics, crops, (320, 240), keypoints)
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
    turn = first.rotations @ first.rotations.mT - torch.eye(3)
    assert turn.abs().max() < 1e-4, "rotations are not orthonormal matrices."
    assert (torch.linalg.det(first.rotations) > 0).all(), "rotations mirror: their determinant must be +1."
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
    before = Evidence(points.clone(), torch.rand(5, 29, generator=generator) < 0.5)
    context = UpdateContext(before, before, points + 3, torch.full((5,), 0.9), 0.75, torch.ones(29, dtype=torch.bool))
    after = updater(context)
    assert after.points.shape == points.shape, f"points are {list(after.points.shape)}, expected {list(points.shape)}."
    assert after.present.dtype == torch.bool, "present must be boolean."
    assert torch.equal(before.points, points), "an updater must not change its input."
    assert torch.isfinite(after.points[after.present]).all(), "a present point is not finite."


def check_denoiser(denoiser: nn.Module | None) -> None:
    """A denoiser: None, or a network on windows of 6D rotations [B, 49, 144]."""
    if denoiser is None:
        return
    windows = torch.randn(2, 49, 144)
    out = denoiser(windows)
    assert out.shape == windows.shape, f"a denoiser maps [2, 49, 144] to {list(out.shape)}, expected the same shape."


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
