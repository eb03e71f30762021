"""Which way is up: from people's poses, and from how cameras are held."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

#: Degrees off level beyond which a camera is so rare that the person more likely lies.
LEVEL = 30.0
#: Standard deviations, degrees: of a camera's pitch and roll, and of a person's mean direction whatever the number of frames.
CAMERA_PITCH, CAMERA_ROLL, PERSON = 12.0, 4.0, 4.0


def up_of_pitch(degrees: float) -> Tensor:
    """Up [3] in the frame of a camera (x right, y down, z forward) that looks down by so many degrees, without roll.

    >>> up_of_pitch(90.0).round().int().tolist()  # straight down: up is against the line of sight
    [0, 0, -1]
    """
    angle = math.radians(degrees)
    return torch.tensor([0.0, -math.cos(angle) + 0.0, -math.sin(angle)])


def pitch_and_roll(up: Tensor) -> Tensor:
    """The inverse for unit vectors [..., 3]: pitch and roll [..., 2], radians."""
    return torch.stack((torch.atan2(-up[..., 2], -up[..., 1]), torch.asin(up[..., 0].clamp(-1, 1))), -1)


def up_of(angles: Tensor) -> Tensor:
    """Unit vectors [..., 3] from pitch and roll [..., 2], radians."""
    pitch, roll = angles.unbind(-1)
    return torch.stack((roll.sin(), -roll.cos() * pitch.cos(), -roll.cos() * pitch.sin()), -1)


def robust_mean(directions: Tensor, spread: Tensor, rounds: int = 10) -> tuple[Tensor, float]:
    """The direction that most of T unit vectors [T, 3] agree on, and how far off it may be, radians.

    Iteratively reweighted: a vector that lies ``a`` off counts by ``1 / (s^2 + a^2)``, with its own ``spread`` s [T], radians.
    The neighbours of a frame err as it does, so the uncertainty does not fall with the number of frames.
    """
    spread = spread.clamp(min=math.radians(1))
    weight = spread.square().reciprocal()
    for _ in range(rounds):
        mean = normalize((weight[:, None] * directions).sum(0), dim=-1)
        off = torch.acos((directions @ mean).clamp(-1, 1))
        weight = (spread.square() + off.square()).reciprocal()
    return mean, float((weight * (spread.square() + off.square())).sum().div(weight.sum()).sqrt())


def estimate_up(people: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Up [3] in the camera's frame: each person's mean direction and the camera's likely pitch and roll, by their variances.

    ``x = sum_i x_i / v_i / sum_i 1 / v_i`` for pitch and roll, the camera's own with x = 0. So one person that leans tilts the
    world less than many would, and nobody tilts it when all that is seen of them is vague. One who lies straight looks like one
    who stands before a camera on its side: what is beyond LEVEL adds twice itself to the standard deviation.

    Args:
        people: directions [T, 3] (unit vectors) and their spread [T] (radians) of each person.
    """
    total = torch.zeros(2)
    weights = torch.tensor([CAMERA_PITCH, CAMERA_ROLL]).deg2rad().square().reciprocal()
    for directions, spread in people:
        if not len(directions):
            continue
        mean, off = robust_mean(directions.float(), spread.float())
        beyond = max(0.0, math.acos(max(-1.0, min(1.0, -float(mean[1])))) - math.radians(LEVEL))
        weight = 1 / (math.radians(PERSON) ** 2 + off**2 + (2 * beyond) ** 2)
        total, weights = total + weight * pitch_and_roll(mean), weights + weight
    return up_of(total / weights)
