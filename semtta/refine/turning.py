"""A camera that turns on the spot: what stands on the floor tells how."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from ..types import Result

#: How fast standing feet must pass across the picture, metres a second over a whole contact, before the camera is said to turn.
PASSING = 0.15
#: Seconds over which the turning is smoothed, and of the shortest contact that counts.
SMOOTH_S, SHORTEST_S = 0.4, 0.15
#: Metres that the heights of standing feet may drift by (from the lowest to the highest tenth of the frames) on one floor.
DRIFT = 0.5


def azimuth_steps(feet: Tensor, contacts: Tensor) -> tuple[Tensor, Tensor]:
    """How far the bearing of standing feet changes from frame to frame, and how sure that is.

    The turn d between two frames that best brings points q of one over those of the other, both around the camera, has
    ``tan d = sum w (q x q') / sum w (q . q')``: a rotation fitted by least squares in the plane of the floor. Only bearings
    count, not depths.

    Args:
        feet: [T, K, 2] on the floor's plane, metres from the camera.
        contacts: [T, K] in [0, 1].
    Returns:
        Steps [T - 1], radians, and weights [T - 1].
    """
    weight = contacts[1:] * contacts[:-1]
    a, b = feet[:-1], feet[1:]
    cross = (weight * (a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])).sum(-1)
    dot = (weight * (a * b).sum(-1)).sum(-1)
    return torch.atan2(cross, dot), weight.sum(-1)


def azimuths(people: Sequence[tuple[Tensor, Tensor, Tensor, Tensor]]) -> tuple[Tensor, Tensor, float]:
    """The camera's turning as all people's feet together show it.

    Args:
        people: of each, feet [T, K, 2] and contacts [T, K] as above, seconds [T] and frame numbers [T].
    Returns:
        Frame numbers [F]; by how much the world has turned in them since the first, radians [F]; and how fast standing feet
        pass across the picture (metres a second; 0 if none stand).
    """
    frames = torch.unique(torch.cat([number for *_, number in people]))
    last = {int(number): index for index, number in enumerate(frames)}
    turn, weight, seconds = (np.zeros(max(0, len(frames) - 1)) for _ in range(3))
    passing: list[tuple[float, float]] = []
    for feet, contacts, times, numbers in people:
        steps, sure = azimuth_steps(feet, contacts)
        span = times.diff()
        for k in range(len(steps)):
            at = last[int(numbers[k])]
            if last[int(numbers[k + 1])] != at + 1:
                continue  # others were seen between the two
            turn[at] += float(steps[k] * sure[k])
            weight[at] += float(sure[k])
            seconds[at] = float(span[k])
        passing += _passing(feet, contacts, times)
    if not weight.any():
        return frames, torch.zeros(len(frames)), 0.0
    rate = turn / np.maximum(weight * np.maximum(seconds, 1e-6), 1e-6)
    sigma = SMOOTH_S / max(1e-6, float(np.median(seconds[weight > 0])))
    sigma = min(sigma, 30.0)
    smooth = gaussian_filter1d(rate * weight, sigma, mode="nearest") / (gaussian_filter1d(weight, sigma, mode="nearest") + 1e-6)
    total = np.concatenate(([0.0], np.cumsum(smooth * seconds)))
    return frames, torch.from_numpy(total).float(), _half(passing)


def _passing(feet: Tensor, contacts: Tensor, times: Tensor) -> list[tuple[float, float]]:
    """How fast standing feet pass across the line of sight, first to last frame of each contact (m/s), and its seconds."""
    found = []
    for k in range(feet.shape[1]):
        for start, stop in runs(contacts[:, k] > 0.5):
            long = float(times[stop - 1] - times[start])
            if long < SHORTEST_S:
                continue
            a, b = feet[start, k], feet[stop - 1, k]
            angle = torch.atan2(a[0] * b[1] - a[1] * b[0], (a * b).sum())
            found.append((abs(float(angle)) * float((a.norm() + b.norm()) / 2) / long, long))
    return found


def _half(passing: Sequence[tuple[float, float]]) -> float:
    """The speed that is exceeded in half of the seconds: a camera that turns passes by all feet, a foot that slips alone."""
    seconds = np.cumsum([long for _, long in sorted(passing)])
    return sorted(passing)[int(np.searchsorted(seconds, seconds[-1] / 2))][0] if len(passing) else 0.0


def drift(heights: Sequence[Tensor], results: Sequence[Result]) -> list[Tensor]:
    """How the place on which all people stand rises and falls over the clip, as seen from the camera, smooth in time.

    Each person's heights count from their own median: who stands on a step all the time makes no drift.

    Args:
        heights: of each person's standing points [T, K] by their distance (radians), NaN for those that do not stand.
        results: of the same people.
    Returns:
        Of each person, radians [T]; 0 if nobody stands.
    """
    indices = [result.frame_index.cpu().numpy() for result in results]
    frames = np.unique(np.concatenate(indices))
    total, weight = np.zeros(len(frames)), np.zeros(len(frames))
    for one, index in zip(heights, indices, strict=True):
        known, rows = ~one.isnan(), np.searchsorted(frames, index)
        if known.any():
            off = (one - one[known].median()).masked_fill(~known, 0.0)
            np.add.at(total, rows, off.sum(1).double().numpy())
            np.add.at(weight, rows, known.sum(1).double().numpy())
    if not weight.any():
        return [torch.zeros(len(index)) for index in indices]
    sigma = min(SMOOTH_S / 2 * results[0].fps, 30.0)
    total, weight = (gaussian_filter1d(value, sigma, mode="nearest") for value in (total, weight))
    sure = np.flatnonzero(weight > 0.1 * weight.max())
    curve = np.interp(np.arange(len(frames)), sure, total[sure] / weight[sure])
    return [torch.from_numpy(curve[np.searchsorted(frames, index)]).float() for index in indices]


def runs(mask: Tensor) -> list[tuple[int, int]]:
    """Start and stop (exclusive) of each run of True in a mask [T].

    >>> runs(torch.tensor([True, True, False, True]))
    [(0, 2), (3, 4)]
    """
    edges = torch.cat((mask.new_zeros(1), mask, mask.new_zeros(1))).int().diff()
    return list(zip((edges == 1).nonzero()[:, 0].tolist(), (edges == -1).nonzero()[:, 0].tolist(), strict=True))
