"""Body poses for training images: frames of motion capture, mixed and perturbed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ..constants import SMPL24, mirrored
from .mocap import MotionClip

Array = NDArray[np.floating]

_UPPER_PARTS = ("Spine", "Neck", "Collar", "Head", "Shoulder", "Elbow", "Wrist", "Hand")
_UPPER = np.array([name.split("_")[-1].rstrip("123") in _UPPER_PARTS for name in SMPL24])
#: Standard deviation of the noise on each joint, radians: large where mocap varies, small along the spine.
_SPREAD = {
    "Pelvis": 0.06, "Hip": 0.14, "Knee": 0.12, "Ankle": 0.1, "Foot": 0.05, "Spine": 0.06, "Neck": 0.12, "Head": 0.15,
    "Collar": 0.05, "Shoulder": 0.22, "Elbow": 0.16, "Wrist": 0.2, "Hand": 0.05,
}  # fmt: skip
_NOISE = np.array([_SPREAD[name.split("_")[-1].rstrip("123")] for name in SMPL24], np.float32)


@dataclass(frozen=True)
class Augmentation:
    """Probability of each change to a pose."""

    mirror: float = 0.5
    mix: float = 0.3  # upper body from another frame
    noise: float = 0.5
    bend: float = 0.12  # deep bend of hips and knees: squats, lunges, steps, sitting
    reach: float = 0.12  # arms anywhere
    lean: float = 0.1  # the whole body tilted


#: No change at all.
NO_AUGMENTATION = Augmentation(mirror=0, mix=0, noise=0, bend=0, reach=0, lean=0)


def mirror_pose(axis_angle: Array) -> Array:
    """Left-right mirror image of poses [..., 24, 3] (axis-angle, y up or camera frame alike)."""
    return axis_angle[..., mirrored("smpl24"), :] * np.array((1, -1, -1), np.float32)


def rotate(axis_angle: Array, rotation: Array) -> Array:
    """Rotation vectors [N, 3], each followed by (left-multiplied with) another rotation [N, 3], as rotation vectors."""
    return (Rotation.from_rotvec(rotation) * Rotation.from_rotvec(axis_angle)).as_rotvec().astype(np.float32)


class PoseSampler:
    """Draws poses from motion clips; each content counts by the square root of its length."""

    def __init__(self, clips: Sequence[MotionClip], augmentation: Augmentation | None = None):
        self.poses = np.concatenate([clip.axis_angle for clip in clips]).reshape(-1, 24, 3)
        self.augmentation = augmentation or Augmentation()
        names, group = np.unique([f"{clip.source} {clip.content}" for clip in clips], return_inverse=True)
        groups = np.repeat(group, [len(clip) for clip in clips])
        weight = np.bincount(groups, minlength=len(names)) ** -0.5
        self._cumulative = np.cumsum(weight[groups])

    def sample_indices(self, rng: np.random.Generator, count: int) -> NDArray[np.int64]:
        """Indices [count] into ``poses``."""
        return np.searchsorted(self._cumulative, rng.random(count) * self._cumulative[-1])

    def sample(self, rng: np.random.Generator, count: int) -> tuple[Array, NDArray[np.int64]]:
        """Poses [count, 24, 3] (axis-angle, y up, heading along +z) and the indices [count] of their frames."""
        chance = self.augmentation
        index = self.sample_indices(rng, count)
        poses = self.poses[index].copy()
        poses[:, 0] = _without_heading(poses[:, 0])
        mix = rng.random(count) < chance.mix
        other = self.poses[self.sample_indices(rng, count)]
        poses = np.where(mix[:, None, None] & _UPPER[:, None], other, poses)
        mirror = rng.random(count) < chance.mirror
        poses[mirror] = mirror_pose(poses[mirror])
        _bend(rng, poses, rng.random(count) < chance.bend)
        _reach(rng, poses, rng.random(count) < chance.reach)
        scale = (rng.random(count) < chance.noise) * rng.uniform(0.2, 1.3, count)
        noise = rng.normal(size=poses.shape) * _NOISE[:, None] * scale[:, None, None]
        lean = (rng.random(count) < chance.lean) * rng.uniform(0, 0.6, count)
        direction = rng.normal(size=(count, 2))
        direction *= (lean / np.linalg.norm(direction, axis=1))[:, None]
        noise[:, 0, [0, 2]] += direction
        return rotate(poses.reshape(-1, 3), noise.reshape(-1, 3)).reshape(poses.shape), index


def _without_heading(pelvis: Array) -> Array:
    """Remove the heading from pelvis rotations [N, 3], so that the body faces +z."""
    rotation = Rotation.from_rotvec(pelvis)
    forward = rotation.apply((0, 0, 1))
    heading = np.arctan2(forward[:, 0], forward[:, 2])
    return (Rotation.from_euler("y", -heading[:, None]) * rotation).as_rotvec().astype(np.float32)


def _bend(rng: np.random.Generator, poses: Array, which: NDArray[np.bool_]) -> None:
    """Bend hips and knees of some poses: both legs alike (squat, seat) or one more than the other (lunge, step)."""
    count = int(which.sum())
    depth = rng.uniform(0.2, 2.0, (count, 1)) * np.where(rng.random((count, 1)) < 0.5, 1, rng.uniform(0, 1, (count, 2)))
    hip, knee = rng.uniform(0.7, 1.15, (count, 2)), rng.uniform(0.4, 1.3, (count, 2))
    straddle = rng.uniform(-0.05, 0.45, (count, 1))
    for side, (h, k, sign) in enumerate(((1, 4, 1), (2, 5, -1))):
        flexion = np.zeros((count, 3), np.float32)
        flexion[:, 0], flexion[:, 2] = -depth[:, side] * hip[:, side], sign * straddle[:, 0]
        poses[which, h] = rotate(0.3 * poses[which, h], flexion)
        poses[which, k] = 0.3 * poses[which, k] + np.outer(depth[:, side] * knee[:, side], (1, 0, 0))
    poses[which, 0, 0] += 0.3 * rng.uniform(0, 1, count) * depth.mean(1)


def _reach(rng: np.random.Generator, poses: Array, which: NDArray[np.bool_]) -> None:
    """Move the arms of some poses anywhere to the front, up or to the side, with the elbows bent at random."""
    count = int(which.sum())
    for shoulder, elbow, sign in ((16, 18, 1), (17, 19, -1)):
        raised = Rotation.from_rotvec(np.outer(rng.uniform(-1.3, 1.2, count), (0, 0, sign)))
        forward = Rotation.from_rotvec(np.outer(rng.uniform(-1.7, 0.4, count), (0, sign, 0)))
        twist = Rotation.from_rotvec(np.outer(rng.uniform(-0.9, 0.9, count), (1, 0, 0)))
        poses[which, shoulder] = (forward * raised * twist).as_rotvec()
        poses[which, elbow] = np.outer(rng.uniform(0, 2.3, count), (0, -sign, 0))
