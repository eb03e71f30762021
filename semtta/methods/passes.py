"""Forward and backward passes of an estimator whose weights live outside of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor
from torch.func import functional_call

from ..devices import random_state, set_random_state
from ..estimators import Estimator
from ..types import FrameBatch, Prediction

EVAL_BATCH = 128
Batch = TypeVar("Batch", FrameBatch, Tensor)


def forward(estimator: Estimator, weights: Mapping[str, Tensor], batch: FrameBatch, train: bool) -> tuple[Tensor, ...]:
    """Rotations, betas and camera of a batch by ``weights``; the module's own weights are never changed."""
    estimator.train(train)
    prediction: Prediction = functional_call(estimator, dict(weights), (batch,))
    return prediction.tensors()


@torch.no_grad()
def predict(estimator: Estimator, weights: Mapping[str, Tensor], inputs: FrameBatch, batch: int | None = None) -> Prediction:
    """All frames of ``inputs`` in eval mode, ``batch`` at a time."""
    size = min(EVAL_BATCH, batch or EVAL_BATCH)
    parts = [forward(estimator, weights, piece, train=False) for piece in inputs.split(size)]
    return Prediction.of(torch.cat(tensors) for tensors in zip(*parts, strict=True))


def backward_in_pieces(
    forward: Callable[[Batch], tuple[Tensor, ...]],
    inputs: Batch,
    loss_of: Callable[..., Tensor],
    size: int | None,
) -> tuple[Tensor, ...]:
    """Back-propagate ``loss_of(*forward(inputs))`` with at most ``size`` inputs in the graph at once; returns the outputs.

    Exact for networks that treat inputs independently: the loss's gradient is taken at the network's outputs, then
    every piece is run again (with the same random numbers) and back-propagated. Costs one more forward pass.
    """
    if size is None or len(inputs) <= size:
        outputs = forward(inputs)
        loss_of(*outputs).backward()
        return outputs
    pieces, parts, states = inputs.split(size), [], []
    with torch.no_grad():
        for piece in pieces:
            states.append(random_state(inputs.device))
            parts.append(forward(piece))
    outputs = tuple(torch.cat(tensors).requires_grad_() for tensors in zip(*parts, strict=True))
    loss_of(*outputs).backward()
    after = random_state(inputs.device)
    gradients = zip(*(o.grad.split(size) if o.grad is not None else [None] * len(pieces) for o in outputs), strict=True)
    for piece, random, grads in zip(pieces, states, gradients, strict=True):
        set_random_state(random, inputs.device)
        used = [(o, g) for o, g in zip(forward(piece), grads, strict=True) if g is not None]
        torch.autograd.backward([o for o, _ in used], [g for _, g in used])
    set_random_state(after, inputs.device)
    return tuple(o.detach() for o in outputs)
