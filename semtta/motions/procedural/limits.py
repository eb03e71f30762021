"""How far joints of SMPL's skeleton can turn: generous ranges of healthy adults, for what a recipe or a change may produce."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from .curves import Array
from .skeleton import ARMS, HEAD, LEGS, NECK, SPINE

#: Largest angle of joints that turn a little about any axis, degrees.
ANY_AXIS = {**dict.fromkeys(SPINE, 45), NECK: 45, HEAD: 50, 13: 35, 14: 35, 20: 95, 21: 95, 10: 60, 11: 60, 22: 60, 23: 60}


def beyond_limits(axis_angle: Array) -> Array:
    """How far each joint is beyond its range [T, 24], degrees; 0 within it.

    Knees and elbows are hinges: bent 0 to 155 degrees (elbows turn about the forearm too). The thigh is lifted by at most 140
    degrees, 42 to the back, 75 aside, 45 across. Ankles: 42 up to 72 down, 50 aside. The upper arm: at most 60 back, 50 across
    the chest.

    Args:
        axis_angle: parent-relative rotations [T, 24, 3], radians.
    """
    beyond = np.zeros(axis_angle.shape[:2])

    def outside(joint: int, value: Array, low: float, high: float) -> None:
        beyond[:, joint] = np.maximum(beyond[:, joint], np.maximum(value - high, low - value).clip(0))

    for joint, most in ANY_AXIS.items():
        outside(joint, np.degrees(np.linalg.norm(axis_angle[:, joint], axis=-1)), 0, most)
    for side, (hip, knee, ankle, _) in enumerate(LEGS):
        thigh = Rotation.from_rotvec(axis_angle[:, hip]).apply((0, -1, 0))
        lifted = np.degrees(np.arccos(np.clip(-thigh[:, 1], -1, 1)))
        outside(hip, lifted, 0, 140)
        outside(hip, np.where(thigh[:, 2] < 0, np.degrees(np.arctan2(-thigh[:, 2], -thigh[:, 1])), 0), 0, 42)
        outside(hip, np.degrees(np.arcsin(np.clip(thigh[:, 0] * (1 - 2 * side), -1, 1))), -45, 75)
        bend = np.degrees(axis_angle[:, knee])
        outside(knee, bend[:, 0], -2, 157)
        outside(knee, np.abs(bend[:, 1:]).max(-1), 0, 8)
        turn = np.degrees(axis_angle[:, ankle])
        outside(ankle, turn[:, 0], -42, 72)
        outside(ankle, np.abs(turn[:, 1:]).max(-1), 0, 50)
    for side, (collar, shoulder, elbow, _) in enumerate(ARMS):
        sign = 1 - 2 * side
        upper = Rotation.from_rotvec(axis_angle[:, collar]) * Rotation.from_rotvec(axis_angle[:, shoulder])
        arm = upper.apply((sign, 0, 0))
        outside(shoulder, np.degrees(np.arcsin(np.clip(arm[:, 2], -1, 1))), -60, 90)
        outside(shoulder, np.degrees(np.arcsin(np.clip(arm[:, 0] * sign, -1, 1))), -50, 90)
        forearm = Rotation.from_rotvec(axis_angle[:, elbow]).apply((sign, 0, 0))
        outside(elbow, np.degrees(np.arctan2(forearm[:, 2], forearm[:, 0] * sign)), -2, 160)
        outside(elbow, np.degrees(np.abs(np.arcsin(np.clip(forearm[:, 1], -1, 1)))), 0, 15)
    return beyond
