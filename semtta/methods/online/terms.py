"""Losses of the online methods as pure functions, with the reductions of their published code."""

from __future__ import annotations

from torch import Tensor

from ...constants import SMPL24
from .loop import Decoded

_HIPS = [SMPL24.index("L_Hip"), SMPL24.index("R_Hip")]

#: SPIN's weights of 2D, 3D, rotations and betas: on labelled images, on DAPA's pairs and towards a teacher.
SPIN_WEIGHTS = {"2d": 5.0, "3d": 5.0, "pose": 1.0, "shape": 0.001}


def squared_2d(predicted: Tensor, target: Tensor, present: Tensor) -> Tensor:
    """Mean squared distance of points [N, J, 2] where ``present`` [N, J]; the mean counts hidden coordinates as zero."""
    return (predicted - target).square().where(present[..., None], 0).mean()


def squared_3d(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference of joints [N, 24, 3], each side relative to the middle of its hips."""
    return (_from_hips(predicted) - _from_hips(target)).square().mean()


def _from_hips(joints: Tensor) -> Tensor:
    return joints - joints[:, _HIPS].mean(1, keepdim=True)


def shape_prior(betas: Tensor) -> Tensor:
    """Sum of squared betas [N, 10], mean over N."""
    return betas.square().sum(-1).mean()


def supervised(decoded: Decoded, rotations: Tensor, betas: Tensor, joints: Tensor, points: Tensor) -> Tensor:
    """SPIN's loss to known parameters: 5 (2D) + 5 (3D) + rotations + 0.001 betas, each a mean square.

    Args: targets, rotations [N, 24, 3, 3], betas [N, 10], joints [N, 24, 3] (metres), points [N, 24, 2] (crop as [-1, 1]).
    """
    terms = {
        "2d": (decoded.points - points).square().mean(),
        "3d": squared_3d(decoded.joints, joints),
        "pose": (decoded.prediction.rotations - rotations).square().mean(),
        "shape": (decoded.prediction.betas - betas).square().mean(),
    }
    return weighted(terms, SPIN_WEIGHTS)


def towards(decoded: Decoded, teacher: Decoded) -> Tensor:
    """``supervised`` by what the teacher predicts."""
    return supervised(decoded, teacher.prediction.rotations, teacher.prediction.betas, teacher.joints, teacher.points)


def motion(now: Tensor, past: Tensor, target_now: Tensor, target_past: Tensor, present: Tensor) -> Tensor:
    """Mean squared difference of the 2D displacement [N, J, 2] between two frames from that of the keypoints.

    ``present`` [N, J]: seen in both frames. BOA's code leaves this mask out, with ground-truth points that are all seen.
    """
    return squared_2d(now - past, target_now - target_past, present)


def weighted(terms: dict[str, Tensor], weights: dict[str, float]) -> Tensor:
    """The weighted sum of the terms."""
    return sum((weights[name] * value for name, value in terms.items()), start=next(iter(terms.values())).new_zeros(()))
