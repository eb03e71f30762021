"""One cycle of a motion, repeated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from .mocap import MotionClip

_SEAM = 1.0  # frames, sigma of the smoothing that takes the kink out of the seam


def repeat_cycle(motion: MotionClip, frames: int) -> MotionClip:
    """A motion whose last frame is its first one again, ``frames`` long; its way and its turning add up.

    What the last pose differs from the first, but for the turn about the vertical and the way on the floor, is spread
    evenly over the cycle.
    """
    count = len(motion) - 1
    rotations = Rotation.from_rotvec(motion.axis_angle.reshape(-1, 3).astype(np.float64))
    matrices = rotations.as_matrix().reshape(count + 1, 24, 3, 3)
    root = Rotation.from_matrix(matrices[:, 0])
    forward = (root[-1] * root[0].inv()).apply((0, 0, 1))
    turn = Rotation.from_euler("y", np.arctan2(forward[0], forward[2]))
    place = motion.trans.astype(np.float64)
    way = (place[-1] - turn.apply(place[0])) * (1, 0, 1)
    share = np.linspace(0, 1, count + 1)[:, None]
    place = place - share * (0, place[-1, 1] - place[0, 1], 0)

    closed = np.empty_like(matrices)
    for j in range(24):
        joint = Rotation.from_matrix(matrices[:, j])
        target = turn * joint[0] if j == 0 else joint[0]
        closed[:, j] = (joint * Rotation.from_rotvec(share * (joint[-1].inv() * target).as_rotvec())).as_matrix()

    cycle, phase = np.divmod(np.arange(frames), count)
    turns, shifts = [Rotation.identity()], [np.zeros(3)]
    for _ in range(int(cycle.max())):
        shifts.append(turn.apply(shifts[-1]) + way)
        turns.append(turn * turns[-1])
    before = Rotation.concatenate(turns)[cycle]
    repeated = closed[phase]
    repeated[:, 0] = before.as_matrix() @ repeated[:, 0]
    trans = before.apply(place[phase]) + np.stack(shifts)[cycle]
    return replace(motion, axis_angle=_rotvecs(_smooth(repeated)), trans=_even(trans).astype(np.float32))


def _even(values: np.ndarray) -> np.ndarray:
    return gaussian_filter1d(values, _SEAM, axis=0, mode="nearest")


def _smooth(matrices: np.ndarray) -> np.ndarray:
    """Rotations [T, 24, 3, 3] averaged over neighbouring frames (chordal mean)."""
    left, _, right = np.linalg.svd(_even(matrices))
    return left @ right


def _rotvecs(matrices: np.ndarray) -> np.ndarray:
    vectors = Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_rotvec()
    return vectors.reshape(len(matrices), -1).astype(np.float32)
