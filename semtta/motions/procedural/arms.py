"""Postures of the arms: at rest, on the body, crossed, raised; and sequences of them with smooth changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .curves import Array, Draw, through
from .plan import Angles, Plan, Pose, Reach


def hanging(d: Draw) -> Pose:
    """An arm at the side, more or less bent."""
    return Angles(
        d.degrees(0, 35) + d.drift(0.04), d.degrees(5, 20) + d.drift(0.03), d.degrees(-20, 15) + d.drift(0.04),
        d.degrees(5, 40) + d.drift(0.06), d.degrees(-25, 35), d.degrees(-25, 8) + d.drift(0.04),
    )  # fmt: skip


def _near(
    d: Draw, frame: str, point: Sequence[float], spread: float, elbow: Sequence[float], roll: float = 0.0, wrist: float = 0.0
) -> Pose:  # fmt: skip
    """A reach to about a point: offset by ``spread`` metres, with slow drift."""
    place = np.array(point) + d.rng.normal(0, spread, 3) + d.drift(0.006, 0.006, 0.006)
    aside = np.array(elbow) + d.rng.normal(0, 0.12, 3)
    return Reach(frame, place, aside, roll + d.degrees(-20, 20), wrist + d.degrees(-15, 8))


def on_hip(d: Draw) -> Pose:
    return _near(d, "pelvis", (0.21, 0.10, 0.02), 0.015, (1, -0.1, -0.55), wrist=0.5)


def behind_back(d: Draw) -> Pose:
    return _near(d, "pelvis", (0.05, 0.10, -0.15), 0.015, (0.7, 0.1, -1))


def in_front(d: Draw) -> Pose:
    """Hand in front of the belly, as when both are clasped."""
    return _near(d, "pelvis", (0.07, d.between(0.02, 0.22), 0.23), 0.015, (1, -0.5, -0.4))


def forward(d: Draw) -> Pose:
    return Angles(d.degrees(70, 100), d.degrees(70, 100) + d.drift(0.03), d.degrees(-60, 0), d.degrees(0, 35) + d.drift(0.05))


def to_the_side(d: Draw) -> Pose:
    return Angles(d.degrees(-5, 35), d.degrees(60, 105) + d.drift(0.04), d.degrees(-60, 20), d.degrees(0, 40) + d.drift(0.05))


def overhead(d: Draw) -> Pose:
    return Angles(d.degrees(0, 45), d.degrees(145, 172) + d.drift(0.03), d.degrees(-60, 0), d.degrees(0, 50) + d.drift(0.05))


def behind_head(d: Draw) -> Pose:
    return _near(d, "head", (0.11, 0.06, -0.10), 0.01, (1, 0.35, d.between(-0.4, 0.4)))


def at_chin(d: Draw) -> Pose:
    return _near(d, "head", (0.05, -0.11, 0.16), 0.012, (0.6, -1, 0.1), roll=0.5)


def bent(d: Draw) -> Pose:
    """Forearm level or raised, as when talking or holding something."""
    return Angles(
        d.degrees(10, 70) + d.drift(0.08), d.degrees(8, 40) + d.drift(0.06), d.degrees(-40, 30) + d.drift(0.15),
        d.degrees(50, 125) + d.drift(0.15), d.degrees(-40, 50), d.degrees(-15, 15) + d.drift(0.06),
    )  # fmt: skip


def anywhere(d: Draw) -> Pose:
    """A hand somewhere in front or beside, in reach."""
    place = np.array((d.between(0.0, 0.55), d.between(-0.3, 0.55), d.between(0.2, 0.5))) + d.drift(0.03, 0.03, 0.03)
    return Reach("chest", place, (d.between(0.3, 1), d.between(-1, 0.2), -0.4), d.degrees(-40, 40), d.degrees(-15, 15))


def pocket(d: Draw) -> Pose:
    return _near(d, "pelvis", (0.22, -0.04, 0.07), 0.012, (0.8, -0.1, -0.8))


def crossed(d: Draw) -> tuple[Pose, Pose]:
    """Both arms, crossed on the chest."""
    upper, height = d.side(), d.between(-0.06, 0.02)
    left = Reach("chest", np.array((-0.06, height + 0.035 * (1 - upper), 0.23)) + d.drift(0.004, 0.004, 0.004), (1, -0.75, 0.25))
    right = Reach("chest", np.array((-0.06, height + 0.035 * upper, 0.23)) + d.drift(0.004, 0.004, 0.004), (1, -0.75, 0.25))
    return left, right


def on_thigh(d: Draw) -> Pose:
    """Hand on the thigh or the knee, of a seated or crouching body."""
    return _near(d, "thigh", (d.between(-0.02, 0.01), d.between(0.03, 0.22), 0.10), 0.008, (0.8, -0.5, -0.5), wrist=0.15)


def on_knee(d: Draw) -> Pose:
    return _near(d, "thigh", (0.0, d.between(-0.01, 0.06), 0.10), 0.006, (1, -0.5, -0.3), wrist=0.2)


def on_shin(d: Draw) -> Pose:
    """Hand on the front of the shin of a bent leg, as when the knees are hugged."""
    return _near(d, "thigh", (-0.03, 0.0, 0.17), 0.008, (1, -0.4, -0.2))


def knee_out(d: Draw) -> Pose:
    """Hand on the knee of crossed legs."""
    return _near(d, "pelvis", (0.27, 0.17, 0.24), 0.01, (0.8, -0.5, -0.5))


def in_lap(d: Draw) -> Pose:
    return _near(d, "pelvis", (0.06, 0.06, 0.24), 0.015, (0.9, -0.7, -0.3))


SINGLE: dict[str, Callable[[Draw], Pose]] = {
    "hanging": hanging, "hip": on_hip, "back": behind_back, "front": in_front, "forward": forward, "side": to_the_side,
    "overhead": overhead, "head": behind_head, "chin": at_chin, "bent": bent, "anywhere": anywhere, "pocket": pocket,
    "thigh": on_thigh, "lap": in_lap, "knee": on_knee, "shin": on_shin, "knee out": knee_out,
}  # fmt: skip

STANDING = ("hanging",) * 7 + ("hip", "hip", "crossed", "back", "front", "bent", "bent", "anywhere", "pocket", "chin")
EXERCISE = ("hanging", "hanging", "hip", "hip", "forward", "forward", "crossed", "front", "head", "side", "overhead", "bent")
SEATED = ("thigh",) * 4 + ("knee",) + ("lap", "lap", "lap", "crossed", "bent", "bent", "anywhere", "chin", "hanging", "head")


def pair(d: Draw, name: str) -> tuple[Pose, Pose]:
    """The same posture of both arms; nearly, not exactly, symmetrical."""
    return crossed(d) if name == "crossed" else (SINGLE[name](d), SINGLE[name](d))


def hold(d: Draw, plan: Plan, name: str, weight: Array | float = 1.0) -> None:
    """Give both arms a named posture."""
    for side, pose in enumerate(pair(d, name)):
        plan.pose_arm(side, pose, weight)


def vary(d: Draw, plan: Plan, names: Sequence[str], changes: float = 0.25, sides: Sequence[int] = (0, 1)) -> None:
    """A random posture and now and then (``changes`` per second) another; mostly of both arms, else of one alone."""
    single = [name for name in names if name != "crossed"]

    def put(weight: Array | float, which: Sequence[int], name: str) -> None:
        poses = pair(d, name)
        for side in which:
            plan.pose_arm(side, poses[side], weight)

    both = len(sides) == 2
    if both and d.chance(0.7):
        put(1.0, sides, d.one_of(*names))
    else:
        for side in sides:
            put(1.0, (side,), d.one_of(*single))
    last = -1.0
    for start in np.sort(d.rng.uniform(0, d.time[-1], d.rng.poisson(changes * d.time[-1]))):
        if start > last:
            duration = d.between(0.6, 1.3)
            weight = through(d.time, (start, start + duration), (0, 1))
            weight = np.where(d.time < start, 0, np.where(d.time > start + duration, 1, weight))
            if both and d.chance(0.5):
                put(weight, sides, d.one_of(*names))
            else:
                put(weight, (d.one_of(*sides),), d.one_of(*single))
            last = start + duration


def swing(d: Draw, plan: Plan, left: Array, amplitude: float) -> None:
    """Arms that swing as in walking: ``left`` [T] from -1 (back) to 1 (front) for the left arm, the opposite for the right."""
    for side, sign in ((0, 1), (1, -1)):
        front = sign * left * amplitude
        front = np.where(front < 0, 0.7 * front, front)
        lift = np.hypot(front, d.degrees(6, 12))
        azimuth = np.arctan2(front, d.degrees(6, 12))
        elbow = d.degrees(15, 60) + 0.4 * np.maximum(front, 0) + d.drift(0.04)
        plan.pose_arm(side, Angles(azimuth, lift, d.degrees(-10, 10) - azimuth, elbow, d.degrees(-10, 20)))
