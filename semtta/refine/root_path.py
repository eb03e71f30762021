"""Where a body's root went: least squares over a whole clip, by reprojection and by how people move.

The unknowns are the root's places in the world, three numbers a frame. Every seen joint gives two equations in its frame; each
acceleration and velocity ties three and two neighbouring frames. So the normal equations are banded, and a clip of T frames
costs T times a constant.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded
from scipy.ndimage import gaussian_filter1d, minimum_filter1d

#: Nothing is nearer to the camera than this, metres.
NEAR = 0.2
#: Gauss-Newton steps, and the change of the path at which they end, metres.
STEPS, STILL = 30, 1e-4
#: A step holds a place to where it was with this precision, 1 / metres^2: it decides only what nothing else does.
HOLD = 1e-6
#: Diagonals below the main one: two frames further on, and three numbers a frame.
BANDS = 9
#: Residuals are weighed down from this many times their median on; the median counts as this, metres, at least.
TYPICAL, LEAST_M = 2.0, 0.01
#: A foot that moves more slowly than this in the picture, metres a second at its depth, over this time, seconds, stands.
STILL_M_S, STEADY_S = 0.2, 0.1
#: What is less sure than this is not held at all.
DOUBT = 0.1
#: A unit of a camera's path is a metre but for this factor, at first sight; and it is between these.
DOUBT_OF_SCALE, SCALES = 10.0, (1e-3, 1e3)
#: A person stands where both feet have stood for this long before and after, seconds: longer than a step takes.
STANDS_S = 0.4


@dataclass(frozen=True)
class Sight:
    """What is seen of T frames, and from where."""

    points: NDArray  # [T, J, 3] joints around the body's origin, metres, axes of the camera
    seen: NDArray  # [T, J, 2] where they are seen: (x / z, y / z) of the camera
    weight: NDArray  # [T, J] how much each counts; 0: not seen
    times: NDArray  # [T] seconds, rising
    rotation: NDArray  # [T, 3, 3] world to camera
    translation: NDArray  # [T, 3]
    feet: tuple[int, ...] = ()  # which of the joints may stand on the floor

    def to_camera(self, path: NDArray) -> NDArray:
        """Places in the world [T, 3], in each frame's camera."""
        return (self.rotation @ path[..., None])[..., 0] + self.translation

    def to_world(self, places: NDArray) -> NDArray:
        """The inverse."""
        return ((places - self.translation)[:, None] @ self.rotation)[:, 0]


@dataclass(frozen=True)
class Manner:
    """How far off a joint is, and how people move: standard deviations."""

    joint_m: float  # of a joint's place beside its ray
    together_s: float  # errors of a joint within this time are one error
    acceleration: float  # across the line of sight, m/s^2
    depth_acceleration: float  # along it
    velocity: float  # m/s
    foot_m_s: float  # of a foot that is still in the picture, along the line of sight
    stand_m_s: float  # of the root of a person who stands on both feet, likewise


def solve_path(sight: Sight, start: NDArray, manner: Manner) -> NDArray:
    """The root's path [T, 3] in the camera frame, metres, from a first guess ``start`` [T, 3] of it.

    Minimises, by Gauss-Newton with robust weights, ``sum w rho(|z (seen - projected)| / joint_m) + sum |a|^2 dt + sum |v|^2 dt
    + sum s u^2 dt`` over the places in the world. The residual is measured at the joint's depth, so that near and far count
    alike; a and v are in units of their deviations; s is a foot's stillness in the picture and u its speed along the line of
    sight. The root of someone who stands on both feet counts as one more foot.
    """
    if not (sight.weight > 0).any():
        return start
    smooth, pull_of_feet = _movement(sight, start, manner), np.zeros_like(start)
    if sight.feet and len(start) > 1:
        pull_of_feet = _standing(smooth, sight, start, manner)
    path = sight.to_world(start)
    for _ in range(STEPS):
        bands, right, _ = _linearised(sight, path, smooth, manner)
        moved = _solved(bands, right + pull_of_feet)
        change, path = np.abs(moved - path).max(), moved
        if change < STILL:
            break
    return sight.to_camera(path)


def camera_scale(sight: Sight, start: NDArray, manner: Manner) -> float:
    """Metres in a unit of the camera's path: with it the root moves most evenly in the world.

    What one camera alone reconstructs has no metres, but where the camera shakes or turns back, the person does not. So it is
    one more unknown of ``solve_path``, without the feet: a place in the world is ``y + s c`` with the camera's c and the root's
    as seen from there, y. Where the camera's movement tells nothing it is 1.
    """
    middle = sight.to_world(np.zeros_like(start))  # where the camera is
    smooth, scale = _movement(sight, start, manner), 1.0
    path = sight.to_world(start)
    for _ in range(STEPS if (sight.weight > 0).any() else 0):
        scaled = replace(sight, translation=scale * sight.translation)
        bands, right, blocks = _linearised(scaled, path, smooth, manner)
        lever = _times(blocks, middle)
        pull = right - scale * lever
        alone, along = _solved(bands, pull), _solved(bands, lever)
        stiff = float((middle * (lever - _times(blocks, along))).sum()) + DOUBT_OF_SCALE**-2
        slack = float((middle * (_times(blocks, alone) - pull)).sum()) + DOUBT_OF_SCALE**-2
        before, scale = scale, float(np.clip(slack / stiff, *SCALES))
        path = alone + scale * along
        if abs(scale / before - 1) < STILL:
            break
    return scale


def _linearised(sight: Sight, path: NDArray, smooth: NDArray, manner: Manner) -> tuple[NDArray, NDArray, NDArray]:
    """At a path: the whole's bands, its right side [T, 3], and what the pictures alone give to the bands, [T, 3, 3]."""
    here = sight.to_camera(path)
    here[:, 2] = np.maximum(here[:, 2], NEAR)
    blocks, pull = _reprojection(sight, here, _independent(sight.times, manner.together_s) / manner.joint_m**2)
    blocks = blocks + HOLD * np.eye(3)
    bands = smooth.copy()
    _add(bands, np.arange(len(path)), 0, blocks)
    return bands, _times(blocks, sight.to_world(here)) + pull, blocks


def _times(blocks: NDArray, places: NDArray) -> NDArray:
    return (blocks @ places[..., None])[..., 0]


def _solved(bands: NDArray, right: NDArray) -> NDArray:
    return solveh_banded(bands, right.reshape(-1), lower=True, check_finite=False).reshape(-1, 3)


def _independent(times: NDArray, together_s: float) -> NDArray:
    """The share of an independent observation that each frame is [T]: errors of neighbouring frames are alike."""
    gaps = np.diff(times)
    room = (np.append(gaps, np.inf).clip(max=together_s) + np.insert(gaps, 0, np.inf).clip(max=together_s)) / 2
    return room / together_s


def _reprojection(sight: Sight, here: NDArray, precision: NDArray) -> tuple[NDArray, NDArray]:
    """The normal equations of the seen joints, in the world: blocks [T, 3, 3] and pull [T, 3], at places ``here``."""
    joints = sight.points + here[:, None]
    depth = np.maximum(joints[..., 2], NEAR)
    projected = joints[..., :2] / depth[..., None]
    residual = (sight.seen - projected) * depth[..., None]
    size = np.linalg.norm(residual, axis=-1)
    typical = max(LEAST_M, float(np.median(size[sight.weight > 0])))
    robust = 1 / (1 + (size / (TYPICAL * typical)) ** 2)
    weight = sight.weight * robust * precision[:, None]
    rows = np.zeros((*size.shape, 2, 3))
    rows[..., 0, 0] = rows[..., 1, 1] = 1
    rows[..., 2] = -projected
    rows = rows @ sight.rotation[:, None]
    weighted = rows * weight[..., None, None]
    return np.einsum("tjkm,tjkn->tmn", weighted, rows), np.einsum("tjkm,tjk->tm", weighted, residual)


def _movement(sight: Sight, start: NDArray, manner: Manner) -> NDArray:
    """The bands of the penalties on acceleration and velocity [BANDS, 3 T]."""
    count = len(start)
    bands = np.zeros((BANDS, 3 * count))
    ray = _rays(sight, start)
    across, along = manner.acceleration**-2, manner.depth_acceleration**-2
    metric = across * np.eye(3) + (along - across) * ray[:, :, None] * ray[:, None]
    gaps = np.diff(sight.times)
    if count > 1:
        steady = (manner.velocity**-2 / gaps)[:, None, None] * np.eye(3)
        first = np.arange(count - 1)
        for a, b, sign in ((0, 0, 1), (1, 0, -1), (1, 1, 1)):
            _add(bands, first + b, a - b, sign * steady)
    if count > 2:
        before, after = gaps[:-1], gaps[1:]
        whole = before + after
        factors = 2 / (before * whole), -2 / (before * after), 2 / (after * whole)
        first = np.arange(count - 2)
        for a in range(3):
            for b in range(a + 1):
                share = factors[a] * factors[b] * whole / 2
                _add(bands, first + b, a - b, share[:, None, None] * metric[1:-1])
    return bands


def _standing(bands: NDArray, sight: Sight, start: NDArray, manner: Manner) -> NDArray:
    """Adds to ``bands`` what holds the depth of standing feet, and of the root above two of them; returns its pull [T, 3]."""
    here = sight.points[:, list(sight.feet)]
    feet = (here[:, :, None] @ sight.rotation[:, None])[:, :, 0]  # around the root, axes of the world
    still = stillness(sight, start)
    width = 1 + 2 * round(STANDS_S / float(np.median(np.diff(sight.times))))
    stands = minimum_filter1d(still.min(1), width, mode="nearest")
    feet = np.concatenate((feet, np.zeros_like(feet[:, :1])), 1)  # and the root over them
    still = np.concatenate((still / manner.foot_m_s**2, stands[:, None] / manner.stand_m_s**2), 1)
    ray = _rays(sight, start)[:-1]
    metric = (ray[:, :, None] * ray[:, None]) / np.diff(sight.times)[:, None, None]
    first = np.arange(len(still))
    for a, b, sign in ((0, 0, 1), (1, 0, -1), (1, 1, 1)):
        _add(bands, first + b, a - b, sign * still.sum(1)[:, None, None] * metric)
    change = (metric @ (still[..., None] * np.diff(feet, axis=0)).sum(1)[..., None])[..., 0]
    pull = np.zeros_like(start)
    pull[:-1] += change
    pull[1:] -= change
    return pull


def stillness(sight: Sight, start: NDArray) -> NDArray:
    """How sure it is, in [0, 1], that each foot stands between a frame and the next [T - 1, F]: from the picture alone.

    Its speed in the picture beyond what the camera's own movement explains, at its depth, averaged over ``STEADY_S``.
    """
    chosen, gaps = list(sight.feet), np.diff(sight.times)
    seen, weight = sight.seen[:, chosen], sight.weight[:, chosen]
    depth = np.maximum(sight.points[:, chosen, 2] + start[:, None, 2], NEAR)
    rays = np.concatenate((seen, np.ones_like(depth)[..., None]), -1) * depth[..., None]
    turn = sight.rotation[1:] @ sight.rotation[:-1].swapaxes(-1, -2)
    shift = sight.translation[1:] - (turn @ sight.translation[:-1, :, None])[..., 0]
    expected = rays[:-1] @ turn.swapaxes(-1, -2) + shift[:, None]
    moved = (seen[1:] - expected[..., :2] / np.maximum(expected[..., 2:], NEAR)) * depth[1:, :, None]
    both = np.minimum(weight[1:], weight[:-1])
    width = STEADY_S / float(np.median(gaps))
    share = gaussian_filter1d(both * gaps[:, None], width, axis=0, mode="constant")
    speed = gaussian_filter1d(both[..., None] * moved, width, axis=0, mode="constant") / share.clip(min=1e-9)[..., None]
    still = 1 / (1 + (np.linalg.norm(speed, axis=-1) / STILL_M_S) ** 4)
    return both * ((still - DOUBT) / (1 - DOUBT)).clip(min=0)


def _rays(sight: Sight, start: NDArray) -> NDArray:
    """Directions [T, 3] of the lines of sight to the root, axes of the world."""
    ray = start / np.linalg.norm(start, axis=-1, keepdims=True).clip(min=NEAR)
    return (ray[:, None] @ sight.rotation)[:, 0]


def _add(bands: NDArray, frames: NDArray, apart: int, blocks: NDArray) -> None:
    """Add blocks [N, 3, 3] of the rows ``frames + apart`` and the columns ``frames``, each once, to a lower banded matrix."""
    for row in range(3):
        for column in range(3):
            below = 3 * apart + row - column
            if below >= 0:
                bands[below, 3 * frames + column] += blocks[:, row, column]
