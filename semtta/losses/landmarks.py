"""3D landmarks as evidence: the limbs lie where the detector's landmarks are, relative to the hips."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from ..constants import LIMBS12, SMPL29, joint_set, table
from .base import StepContext, TermSettings, register

Scale = Literal["bones", "body", "landmarks"]

_BONES = (("Hip", "Knee"), ("Knee", "Ankle"), ("Shoulder", "Elbow"), ("Elbow", "Wrist"))
#: A ratio of lengths beyond this says that the landmarks are wrong, not that the body is.
_RATIO = (0.6, 1.6)
#: A length counts in frames that see its joints at least so well.
_SEEN = 0.5


class LandmarkSettings(TermSettings):
    """Of ``landmarks``."""

    weight: float = Field(0.0, ge=0, le=1e6, description="of the 3D landmarks, per metre; 0: the loss does not look at them")
    scale: Scale = Field(
        "bones", description="size of the landmarks: each kind of bone as long as the body's, all as large as the body, or as "
        "they are; one ratio for the clip, never one a frame"
    )  # fmt: skip


def landmark_loss(joints: Tensor, target: Tensor, confidence: Tensor) -> Tensor:
    """Mean L1 distance per frame [N], metres, of joints [N, 12, 3] from landmarks [N, 12, 3], times confidence [N, 12].

    Both from the middle of the hips. L1, so that a limb that the landmarks place wrongly pulls no harder than a right one.
    """
    return ((joints - target).abs().mean(-1) * confidence).mean(-1)


def fitted_landmarks(points: Tensor, confidence: Tensor, joints: Tensor, scale: Scale) -> Tensor:
    """Landmarks [T, 12, 3] of a clip in the size of the body with ``joints`` [N, 12, 3], from the middle of the hips.

    Lengths of the body are means over its N frames; of the landmarks, medians over those that see the joints of a length, left
    and right together. ``confidence`` [T, 12].
    """
    if scale == "landmarks":
        return points
    lengths = table(_lengths(), points.device, points.dtype)
    kinds = table(_kinds(), points.device)
    theirs = lengths @ points  # [T, 11, 3]
    size, mine = theirs.norm(dim=-1), (lengths @ joints).norm(dim=-1)
    seen = confidence[:, None].where(lengths != 0, 1).amin(-1) >= _SEEN
    ratios = points.new_ones(len(lengths))
    for kind in range(max(_kinds()) + 1):
        of_kind = kinds == kind
        known = size[:, of_kind][seen[:, of_kind]]
        if len(known):
            ratios[of_kind] = (mine[:, of_kind].mean() / known.median().clamp(min=1e-6)).clamp(*_RATIO)
    if scale == "body":
        return points * ratios[3:].mean()  # of the limbs: joints of the trunk are other points of a body than landmarks
    return table(_paths(), points.device, points.dtype) @ (theirs * ratios[:, None])


@register("landmarks", settings=LandmarkSettings)
def landmarks(context: StepContext, settings: LandmarkSettings) -> Tensor | None:
    """Distance of the twelve limb joints from the detector's 3D landmarks, metres from the middle of the hips.

    Of each frame [N]; None where there are no landmarks. Their size gives the body's shape no gradient.
    """
    seen = context.landmarks
    if seen is None:
        return None
    names = joint_set(seen.joint_set)
    source = [names.index(name) for name in LIMBS12]
    joints = context.joints[:, [SMPL29.index(name) for name in LIMBS12]]
    joints = joints - joints[:, [LIMBS12.index("L_Hip"), LIMBS12.index("R_Hip")]].mean(1, keepdim=True)
    confidence = seen.confidence[:, source].to(joints)
    points = seen.xyz[:, source].to(joints).where(confidence[..., None] > 0, 0)
    points = fitted_landmarks(points, confidence, joints.detach(), settings.scale)
    return landmark_loss(joints, points[context.frames], confidence[context.frames])


def _row(**weights: float) -> tuple[float, ...]:
    return tuple(weights.get(name, 0.0) for name in LIMBS12)


@lru_cache(maxsize=1)
def _lengths() -> tuple[tuple[float, ...], ...]:
    """Weights [11, 12] of the limb joints in half the hips, the trunk, half the shoulders, and the bones of both sides."""
    return (
        _row(L_Hip=0.5, R_Hip=-0.5),
        _row(L_Shoulder=0.5, R_Shoulder=0.5, L_Hip=-0.5, R_Hip=-0.5),
        _row(L_Shoulder=0.5, R_Shoulder=-0.5),
        *(_row(**{f"{side}_{end}": 1.0, f"{side}_{start}": -1.0}) for start, end in _BONES for side in "LR"),
    )


def _kinds() -> tuple[int, ...]:
    """Which of the eleven lengths are one: those of left and right."""
    return (0, 1, 2, *(3 + bone for bone in range(len(_BONES)) for _ in "LR"))


@lru_cache(maxsize=1)
def _paths() -> tuple[tuple[float, ...], ...]:
    """Weights [12, 11] of those lengths in the limb joints, from the middle of the hips."""
    whole = torch.tensor([*_lengths(), _row(L_Hip=0.5, R_Hip=0.5)], dtype=torch.float64)
    return tuple(map(tuple, torch.linalg.inv(whole)[:, :-1].tolist()))
