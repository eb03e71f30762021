"""The terms of Eq. 10 as pure functions."""

from __future__ import annotations

from typing import Literal

from torch import Tensor


def projection_loss(predicted: Tensor, target: Tensor, visible: Tensor, reduction: Literal["mean", "sum"] = "mean") -> Tensor:
    """Eq. 5: L1 distance of visible joints, in pixels of the 224 crop.

    ``predicted``, ``target`` [N, J, 2], ``visible`` [N, J] bool. ``sum`` is Eq. 5 averaged over the frames; ``mean`` divides
    by every element, hidden ones included, as CycleAdapt does.
    """
    distance = (predicted - target).abs().where(visible[..., None], 0)
    return distance.mean() if reduction == "mean" else distance.sum((-2, -1)).mean()


def smoothing_loss(rotations: Tensor, betas: Tensor, smooth_rotations: Tensor, smooth_betas: Tensor) -> tuple[Tensor, Tensor]:
    """Eq. 9's two terms: L1 to the denoised rotations (matrices [N, 24, 3, 3]) and to the averaged shape [N, 10], as means."""
    return (rotations - smooth_rotations).abs().mean(), (betas - smooth_betas).abs().mean()


def overall_loss(terms: dict[str, Tensor], weights: dict[str, float]) -> Tensor:
    """Eq. 10: the weighted sum of the terms."""
    return sum((weights[name] * value for name, value in terms.items()), start=next(iter(terms.values())).new_zeros(()))
