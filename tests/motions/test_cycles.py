"""A repeated cycle goes on where it ended."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from semtta.motions.cycles import repeat_cycle
from semtta.motions.mocap import MotionClip


def _cycle(turn_deg: float = 0.0, drift: float = 0.0) -> MotionClip:
    """21 frames: 1 m along the way it faces, the left hip swings once; the body turns, the hip ends ``drift`` off."""
    t = np.linspace(0, 1, 21)
    poses = np.zeros((21, 24, 3), np.float32)
    poses[:, 0, 1] = np.deg2rad(turn_deg) * t
    poses[:, 1, 0] = 0.4 * np.sin(2 * np.pi * t) + drift * t
    trans = np.stack((0 * t, 0.9 + 0.02 * t, t), -1).astype(np.float32)
    return MotionClip("c", "s", "walking", "normal", "", poses.reshape(21, 72), trans)


def test_the_way_adds_up_and_the_height_does_not() -> None:
    repeated = repeat_cycle(_cycle(drift=0.1), 61)
    assert len(repeated) == 61
    np.testing.assert_allclose(repeated.trans[[20, 40], 2], [1, 2], atol=1e-6)
    np.testing.assert_allclose(repeated.trans[:, 1], 0.9, atol=1e-6)
    hip = repeated.axis_angle.reshape(-1, 24, 3)[:, 1, 0]
    np.testing.assert_allclose(hip[5:20], hip[25:40], atol=1e-5)  # away from the ends all cycles are the same
    assert np.abs(np.diff(hip)).max() < 0.13  # no jump at the seam: 0.4 rad x 2 pi / 20


def test_the_turning_adds_up() -> None:
    repeated = repeat_cycle(_cycle(turn_deg=90), 41)
    facing = Rotation.from_rotvec(repeated.axis_angle[:, :3]).apply((0, 0, 1))
    np.testing.assert_allclose(facing[20], (1, 0, 0), atol=0.01)  # a quarter to the left, y up
    np.testing.assert_allclose(repeated.trans[20, [0, 2]], (0, 1), atol=0.02)
    np.testing.assert_allclose(repeated.trans[39, [0, 2]], (0.95, 1), atol=0.01)  # the second metre goes to the left
