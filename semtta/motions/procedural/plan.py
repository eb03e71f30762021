"""What a procedural motion is planned as: the pelvis, spine, feet and arms of every frame, before any joint angle is known.

World frame: metres, y up, the floor at y = 0; the body faces +z at heading 0, its left is at +x. Angles are radians. Of
pairs, the left comes first. A plan's arrays are changed in place by the recipes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .curves import Array

#: Direction or point of the left side in its frame; the right side's is the mirror image.
Vector = Any  # [3] or [T, 3]


@dataclass(frozen=True)
class Angles:
    """An arm by its angles, radians, each a number or [T].

    ``azimuth`` of the upper arm: 0 to the side, pi / 2 to the front; ``elevation``: 0 hanging, pi / 2 level, pi straight up;
    ``twist`` about the upper arm: at 0 the elbow bends to the front (arm hanging or at the side), negative turns it up;
    ``elbow``: flexion; ``roll`` of the forearm; ``wrist``: flexion.
    """

    azimuth: Any
    elevation: Any
    twist: Any = 0.0
    elbow: Any = 0.2
    roll: Any = 0.0
    wrist: Any = 0.0

    @classmethod
    def of(cls, columns: Array, wrist: Any = 0.0) -> Angles:
        """From azimuth, elevation, twist and elbow as the columns of an array [T, 4]."""
        azimuth, elevation, twist, elbow = columns.T
        return cls(azimuth, elevation, twist, elbow, wrist=wrist)


@dataclass(frozen=True)
class Reach:
    """An arm by where its wrist is: ``point`` in the frame of a part of the body, or of the world.

    ``frame``: pelvis, chest, head, thigh (origin: the knee) or world. ``elbow`` is the direction, in the chest's frame, in
    which the elbow points. ``point`` and ``elbow`` are the left arm's; the right arm takes the mirror image, except that a
    point of the world is what it is. ``fingers``: world direction of the fingers of a hand that lies flat, palm down;
    0: that of the forearm.
    """

    frame: str
    point: Vector
    elbow: Vector = (0.5, -0.6, -0.6)
    roll: Any = 0.0
    wrist: Any = 0.0
    fingers: Vector | None = None


Pose = Angles | Reach


@dataclass
class Plan:
    """The plan of T frames; every pose of an arm has a weight, and later ones cover earlier ones."""

    pelvis: Array  # [T, 3] position
    turn: Array  # [T, 3] of the pelvis: heading (to the left), pitch (to the front), roll (to the right)
    spine: Array  # [T, 3] bent to the front, to the left, turned to the left
    head: Array  # [T, 3] bent to the front, to the left, turned to the left
    feet: Array  # [T, 2, 3] the point of each sole under the ankle when the foot is flat
    heading: Array  # [T, 2] of each foot, to the left
    pitch: Array  # [T, 2] of each foot, toes down: the ball stays where it is; toes up: the heel does
    ankles: Array | None = (
        None  # [T, 2, 3] positions of the ankles, instead of ``feet``, or NaN; ``pitch`` is then the ankle's own
    )
    knees: Array | None = None  # [T, 2, 3] direction in which each knee points; default: the foot's heading
    arms: tuple[list[tuple[Pose, Any]], list[tuple[Pose, Any]]] = field(default_factory=lambda: ([], []))
    share: Array | None = None  # [T] of the weight on the left foot; default: half
    balance: Any = 1.0  # number or [T]: how far the pelvis is moved to bring the centre of mass over the feet
    reaching: tuple[bool, bool] = (True, True)  # legs whose feet must be reached: the pelvis is lowered until they are
    planted: NDArray[np.bool_] | None = None  # [T, 2] feet that carry weight; default: both
    ground: Array | None = None  # [T, 2] height of what each planted foot stands on; default: 0

    def pose_arm(self, side: int, pose: Pose, weight: Any = 1.0) -> None:
        """Give one arm (0 left, 1 right) a pose, with a weight [T] or number of 0 to 1 over what it had."""
        self.arms[side].append((pose, weight))

    def pose_arms(self, pose: Pose, weight: Any = 1.0) -> None:
        """The same for both arms."""
        for side in (0, 1):
            self.pose_arm(side, pose, weight)
