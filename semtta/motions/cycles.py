"""One cycle of a motion, repeated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from .mocap import MotionClip

_SEAM = 1.0  # frames, sigma of the Gaussian that smooths the seam between cycles


def repeat_cycle(motion: MotionClip, frames: int) -> MotionClip:
    """One cycle of a motion (the last frame is the first one again), repeated to ``frames`` frames.

    The heading and the displacement on the floor accumulate from cycle to cycle; any other difference between the last and
    the first pose is spread evenly over the cycle.
    """
    count = len(motion) - 1
    rotations = Rotation.from_rotvec(motion.axis_angle.reshape(-1, 3).astype(np.float64))
    matrices = rotations.as_matrix().reshape(count + 1, 24, 3, 3)
    root = Rotation.from_matrix(matrices[:, 0])
    forward = (root[-1] * root[0].inv()).apply((0, 0, 1))
    heading = Rotation.from_euler("y", np.arctan2(forward[0], forward[2]))
    position = motion.trans.astype(np.float64)
    displacement = (position[-1] - heading.apply(position[0])) * (1, 0, 1)
    fraction = np.linspace(0, 1, count + 1)[:, None]
    position = position - fraction * (0, position[-1, 1] - position[0, 1], 0)

    closed = np.empty_like(matrices)
    for j in range(24):
        joint = Rotation.from_matrix(matrices[:, j])
        target = heading * joint[0] if j == 0 else joint[0]
        closed[:, j] = (joint * Rotation.from_rotvec(fraction * (joint[-1].inv() * target).as_rotvec())).as_matrix()

    cycle, phase = np.divmod(np.arange(frames), count)
    headings, offsets = [Rotation.identity()], [np.zeros(3)]
    for _ in range(int(cycle.max())):
        offsets.append(heading.apply(offsets[-1]) + displacement)
        headings.append(heading * headings[-1])
    start = Rotation.concatenate(headings)[cycle]
    repeated = closed[phase]
    repeated[:, 0] = start.as_matrix() @ repeated[:, 0]
    trans = start.apply(position[phase]) + np.stack(offsets)[cycle]
    return replace(motion, axis_angle=_rotvecs(_smooth_rotations(repeated)), trans=_smooth_over_time(trans).astype(np.float32))


def _smooth_over_time(values: np.ndarray) -> np.ndarray:
    return gaussian_filter1d(values, _SEAM, axis=0, mode="nearest")


def _smooth_rotations(matrices: np.ndarray) -> np.ndarray:
    """Rotations [T, 24, 3, 3] averaged over neighbouring frames (chordal mean)."""
    left, _, right = np.linalg.svd(_smooth_over_time(matrices))
    return left @ right


def _rotvecs(matrices: np.ndarray) -> np.ndarray:
    vectors = Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_rotvec()
    return vectors.reshape(len(matrices), -1).astype(np.float32)
