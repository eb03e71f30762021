"""Legs that reach for a place: two bones, in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import roma
import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..constants import SMPL24
from ..geometry import global_rotations

#: A leg stretches at most to this share of thigh and shank, softly.
STRETCH = 0.999
#: How much the thigh's own axis counts beside the plane that the knee is bent in: as much as the sine of a bend.
HINGE = 0.1


@dataclass(frozen=True)
class Leg:
    """The joints of one leg."""

    hip: int
    knee: int
    ankle: int

    @classmethod
    def of(cls, side: str) -> Leg:
        """ "L" or "R"."""
        return cls(*(SMPL24.index(f"{side}_{name}") for name in ("Hip", "Knee", "Ankle")))


def reach(rotations: Tensor, joints: Tensor, leg: Leg, ankle: Tensor, foot: Tensor | None = None) -> Tensor:
    """Rotations of a body whose ankle is elsewhere; hip and foot stay as they are.

    The knee opens or closes about the axis that it is bent about, by the law of cosines, and the hip turns the whole leg by the
    smallest rotation. A leg that is asked to stretch further than it can comes near its full length without a jump: of what is
    left, it takes ``1 - exp(-wanted / left)``. A leg that is asked for what it does already stays exactly as it is.

    Args:
        rotations: parent-relative rotations [T, 24, 3, 3].
        joints: where they put the joints [T, 24, 3].
        leg: the leg.
        ankle: where the ankle shall be [T, 3].
        foot: a rotation [T, 3, 3] by which the foot shall be turned, in the frame of the joints; None: it keeps its own.
    Returns:
        Rotations [T, 24, 3, 3].
    """
    hip, knee, now = (joints[:, joint] for joint in (leg.hip, leg.knee, leg.ankle))
    chain = global_rotations(rotations)
    thigh, shank = (knee - hip).norm(dim=-1), (now - knee).norm(dim=-1)
    long = (now - hip).norm(dim=-1)
    wanted = (ankle - hip).norm(dim=-1)
    left = (STRETCH * (thigh + shank) - long).clamp(min=1e-6)
    wanted = torch.where(wanted > long, long + left * (1 - torch.exp(-(wanted - long) / left)), wanted)
    wanted = torch.maximum(wanted, 1.05 * (thigh - shank).abs() + 1e-3)

    back, down = hip - knee, now - knee
    # About the normal of the plane it is bent in; the straighter, the more about the thigh's own axis: noise of a straight leg
    # must not decide where its knee goes.
    hinge = -chain[:, leg.hip, :, 0]
    axis = normalize(torch.linalg.cross(back, down) + HINGE * (thigh * shank)[:, None] * hinge, dim=-1)
    bend = roma.rotvec_to_rotmat(_opening(back, down, axis, wanted)[:, None] * axis)
    moved = knee + (bend @ down[..., None])[..., 0]
    turn = _shortest(moved - hip, ankle - hip)

    new = chain.clone()
    new[:, leg.hip] = turn @ chain[:, leg.hip]
    new[:, leg.knee] = turn @ bend @ chain[:, leg.knee]
    if foot is not None:
        new[:, leg.ankle] = foot @ chain[:, leg.ankle]
    out = rotations.clone()
    out[:, leg.hip] = chain[:, 0].mT @ new[:, leg.hip]
    out[:, leg.knee] = new[:, leg.hip].mT @ new[:, leg.knee]
    out[:, leg.ankle] = new[:, leg.knee].mT @ new[:, leg.ankle]
    return out


def _opening(back: Tensor, down: Tensor, axis: Tensor, wanted: Tensor) -> Tensor:
    """The turn of the shank about an axis after which the ankle is ``wanted`` from the hip, with the knee to the front.

    With b = back and d = down, the vectors from the knee to hip and ankle, ``|b - R d|^2 = b^2 + d^2 - 2 b . R d`` and
    ``b . R d = p cos x + q sin x + r`` (Rodrigues), of which ``x = atan2(q, p) + acos(k / sqrt(p^2 + q^2))`` is the solution.
    """
    r = (back * axis).sum(-1) * (down * axis).sum(-1)
    p = (back * down).sum(-1) - r
    q = (back * torch.linalg.cross(axis, down)).sum(-1)
    k = (back.square().sum(-1) + down.square().sum(-1) - wanted.square()) / 2 - r
    x = torch.atan2(q, p) + torch.acos((k / torch.hypot(p, q)).clamp(-1, 1))
    return torch.remainder(x + torch.pi, 2 * torch.pi) - torch.pi


def _shortest(start: Tensor, end: Tensor) -> Tensor:
    """The smallest rotation [T, 3, 3] that turns vectors [T, 3] towards others; none for vectors that are opposite."""
    start, end = normalize(start, dim=-1), normalize(end, dim=-1)
    axis = torch.linalg.cross(start, end)
    sine, cosine = axis.norm(dim=-1, keepdim=True), (start * end).sum(-1, keepdim=True)
    return roma.rotvec_to_rotmat(torch.atan2(sine, cosine) * axis / sine.clamp(min=1e-9))
