"""Conformance tests of parts that are networks or bodies."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ..body import Body
from ..estimators import Estimator
from ..generators import Generator
from ..methods.passes import predict
from ..priors import Prior
from ..types import FrameBatch, Keypoints2D, Motion
from .rotations import random_rotations, require_rotations


def check_prior(prior: Prior, labels: Sequence[str] = ("walking", "running")) -> None:
    """A prior: one finite loss and similarity a segment, a gradient that reaches the motion, no dependence on padding."""
    known = [label for label in labels if prior.resolve(label).label is not None] or list(prior.labels[:2])
    assert known or prior.name == "none", f"prior '{prior.name}': resolve() takes none of {list(labels)} and labels is empty."
    names = [str(prior.resolve(known[i % len(known)]).label) for i in range(2)] if known else list(labels[:2])
    for length in (1, 10, 60):
        rotations = random_rotations(2, length).requires_grad_()
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
    slow = prior.similarity(Motion(random_rotations(1, 12), fps=10.0), names[:1])
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
    require_rotations(first.rotations, "rotations")
    moved = predict(estimator, {k: v + 0.01 for k, v in weights.items()}, batch)
    assert not torch.equal(first.rotations, moved.rotations), "other weights give the same rotations."


def check_body(body: Body) -> None:
    """A body: joints, keypoints and vertices of the promised shapes, gradients, and rotation of the whole."""
    rotations, betas = random_rotations(2).requires_grad_(), torch.zeros(2, 10)
    joints = body.joints(rotations, betas)
    assert tuple(joints.shape) == (2, 24, 3), f"joints are {list(joints.shape)}, expected [2, 24, 3]."
    keypoints = body.keypoints(rotations, betas, "smpl29")
    assert tuple(keypoints.shape) == (2, 29, 3), f"keypoints smpl29 are {list(keypoints.shape)}, expected [2, 29, 3]."
    vertices = body.vertices(rotations, betas)
    assert tuple(vertices.shape) == (2, body.num_vertices, 3), "vertices must be [2, num_vertices, 3]."
    (gradient,) = torch.autograd.grad(keypoints.sum(), rotations)
    assert torch.isfinite(gradient).all(), "the gradient of the keypoints is not finite."
    turn = random_rotations(1, seed=1)[0, 0]
    turned = body.joints(torch.cat(((turn @ rotations[:, 0])[:, None], rotations[:, 1:]), 1), betas)
    wanted = (joints - joints[:, :1]) @ turn.mT
    assert torch.allclose(turned - turned[:, :1], wanted, atol=1e-4), "rotation 0 must turn the whole body about joint 0."
    moved = body.joints(rotations, betas, torch.tensor([[1.0, 2.0, 3.0]]))
    assert torch.allclose(moved - joints, torch.tensor([1.0, 2.0, 3.0]), atol=1e-4), "translation must move the posed body."


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


def check_generator(generator: Generator, label: str | None = None) -> None:
    """A generator: as many frames as asked for, of rotations. ``label``: by default its first one."""
    known = label or next(iter(generator.labels), None)
    assert known, "it has no labels, so it takes any wording: give check_generator a label."
    for frames in (1, 7, 200):
        made = generator.generate(known, frames)
        assert tuple(made.shape) == (frames, 24, 3, 3), f"{frames} frames are {list(made.shape)}, not [{frames}, 24, 3, 3]."
        require_rotations(made, "generated rotations")
