"""Where recipes begin: standing, seated and lying plans with natural noise, and steps of the feet."""

from __future__ import annotations

import numpy as np

from .curves import Array, Draw, minimum_jerk, through
from .plan import Plan
from .skeleton import skeleton

#: Height of the pelvis above the floor when lying on the back, metres.
LYING = 0.105


def stand(
    d: Draw, width: tuple[float, float] = (0.14, 0.36), turnout: tuple[float, float] = (-2, 18), stagger: float = 0.08
) -> Plan:
    """Both feet on the floor under the body, the trunk upright with slow noise; arms are still to be planned."""
    half = d.between(*width) / 2
    feet = np.zeros((d.frames, 2, 3))
    feet[:, 0, 0], feet[:, 1, 0] = half, -half
    feet[:, 0, 2] = d.rng.normal(0, stagger / 2)
    feet[:, 1, 2] = -feet[:, 0, 2]
    out = np.deg2rad(d.rng.uniform(*turnout, 2)) * (1, -1)
    pelvis = d.drift(0.004, 0.002, 0.004)
    pelvis[:, 1] += skeleton().standing - d.between(-0.012, 0.012)
    lean = d.degrees(-4, 6)
    return Plan(
        pelvis=pelvis,
        turn=d.drift(0.025, 0.012, 0.012, about=(d.rng.normal(0, 0.06), lean, 0)),
        spine=d.drift(0.025, 0.02, 0.03, about=(d.degrees(-4, 14), d.rng.normal(0, 0.03), d.rng.normal(0, 0.05))),
        head=looking(d) - np.array((0.8 * lean + 0.1, 0, 0)),
        feet=feet,
        heading=np.broadcast_to(out, (d.frames, 2)).copy(),
        pitch=np.zeros((d.frames, 2)),
        share=0.5 + d.rng.normal(0, 0.08) + d.drift(0.05),
    )


def looking(d: Draw, turn: float = 0.35) -> Array:
    """Where the head looks [T, 3]: a direction, now and then another, and noise."""
    changes = d.moves(d.between(0.4, 0.9), d.between(0.5, 3), d.between(0.4, 0.9), d.between(0.5, 4), 0.4)
    side = changes.each(-1, 1) * turn * 1.6 * changes.amount + d.rng.normal(0, turn * 0.4)
    nod = changes.each(-0.2, 0.3) * changes.amount + d.degrees(-8, 18)
    return np.stack((nod, d.rng.normal(0, 0.04) + 0 * nod, side.clip(-1, 1)), -1) + d.drift(0.03, 0.03, 0.05)


def sit(d: Draw, tucked: tuple[float, float] = (-20, 18)) -> Plan:
    """Seated on something knee-high: feet on the floor, hips about as high as the knees."""
    plan = stand(d, (0.14, 0.42), (-5, 22), 0.0)
    bones = skeleton()
    thigh, shank = bones.length(4), bones.length(7)
    ahead = np.deg2rad(d.rng.uniform(*tucked)) + d.rng.normal(0, 0.06, 2) * (0, 1)
    rise = d.degrees(-4, 5)
    knee = bones.sole + shank * np.cos(ahead).mean()
    plan.pelvis[:, 0] = d.drift(0.002)
    plan.pelvis[:, 1] = knee - thigh * np.sin(rise) + (bones.rest[0, 1] - bones.rest[1, 1]) + d.drift(0.001)
    plan.pelvis[:, 2] = d.drift(0.002)
    for side in (0, 1):
        plan.feet[:, side, 2] = thigh * np.cos(rise) + shank * np.sin(ahead[side])
    plan.turn[:, 1] = d.degrees(-22, 8) + d.drift(0.015)
    plan.spine[:, 0] = d.degrees(0, 32) + d.drift(0.03)
    plan.head[:, 0] -= 0.6 * (plan.turn[:, 1] + plan.spine[:, 0]).clip(0)
    plan.balance, plan.reaching = 0.0, (False, False)
    return plan


def lie(d: Draw, face_down: bool = False) -> Plan:
    """Stretched out on the back (head towards -z) or the front (head towards +z), feet apart, arms still to be planned."""
    plan = stand(d)
    bones, sign = skeleton(), 1 if face_down else -1
    plan.turn = d.drift(0.01, 0.004, 0.02, about=(0, sign * np.pi / 2, 0))
    plan.spine, plan.head = (
        d.drift(0.01, 0.02, 0.03, about=(0, d.rng.normal(0, 0.06), 0)),
        d.drift(0.02, 0.02, 0.06, about=(-0.3 * face_down, 0, d.between(-0.6, 0.6))),
    )
    plan.pelvis[:] = d.drift(0.001, 0.001, 0.001, about=(0, LYING + 0.1 * face_down, 0))
    leg, spread = bones.standing - bones.sole, d.rng.uniform(0.05, 0.3, 2) * (1, -1)
    plan.ankles = np.zeros((d.frames, 2, 3))
    plan.ankles[..., 0], plan.ankles[..., 1] = spread, 0.075 + 0.025 * face_down
    plan.ankles[..., 2] = -sign * np.sqrt((leg - d.between(0.002, 0.03)) ** 2 - spread**2)
    plan.heading = np.broadcast_to(np.deg2rad(d.rng.uniform(5, 40, 2)) * (1, -1), (d.frames, 2)).copy()
    plan.pitch[:] = d.degrees(40, 55) if face_down else d.degrees(15, 40)
    plan.knees = np.broadcast_to((0.0, -sign, 0), (d.frames, 2, 3)) + np.stack(
        (np.sin(plan.heading), *2 * [0 * plan.heading]), -1
    )
    plan.balance, plan.reaching = 0.0, (False, False)
    plan.planted = np.zeros((d.frames, 2), bool)
    return plan


def step(
    plan: Plan, d: Draw, side: int, start: float, seconds: float, to: Array, lift: float, heading: float | None = None
) -> Array:
    """Move one foot to a point ``to`` [3] of its sole, in an arc ``lift`` metres high; returns its progress [T].

    It is off the floor, and so not planted, in between.
    """
    progress = minimum_jerk((d.time - start) / seconds)
    here = plan.feet[-1, side].copy()
    arc = 4 * progress * (1 - progress) * lift
    plan.feet[:, side] += progress[:, None] * (to - here)
    plan.feet[:, side, 1] += arc
    if heading is not None:
        plan.heading[:, side] += progress * (heading - plan.heading[-1, side])
    planted(plan)[:, side] &= (progress <= 0) | (progress >= 1)
    return progress


def planted(plan: Plan) -> np.ndarray:
    """The plan's ``planted``, made if there is none yet."""
    if plan.planted is None:
        plan.planted = np.ones((len(plan.pelvis), 2), bool)
    return plan.planted


def lift_foot(plan: Plan, d: Draw, side: int, offset: Array, amount: Array) -> None:
    """Take one foot off the floor by ``offset`` [3] or [T, 3] times ``amount`` [T]; the weight goes to the other one."""
    plan.feet[:, side] += np.asarray(offset) * amount[:, None]
    planted(plan)[:, side] &= amount < 1e-3
    assert plan.share is not None
    onto = minimum_jerk(2.5 * amount)
    plan.share += onto * (side - plan.share)


def squat(plan: Plan, d: Draw, depth: Array, lean: float = 0.9, knees: float = 0.35) -> None:
    """Lower the pelvis by ``depth`` [T] metres, the trunk leaning forward; ``knees``: how far they go apart."""
    plan.pelvis[:, 1] -= depth
    plan.turn[:, 1] += lean * depth * 1.3
    plan.spine[:, 0] += lean * depth * 0.35
    plan.head[:, 0] -= lean * depth * 0.9
    out = np.clip(depth * knees * 2, 0, 0.6)[:, None] * (1, -1) + plan.heading
    plan.knees = np.stack((np.sin(out), 0 * out, np.cos(out)), -1)


def walk(
    plan: Plan, d: Draw, falls: list[tuple[int, Array]], swing: float, pause: float, lift: float, start: float = 0.2
) -> None:
    """Step after step: (side, where its sole goes [3]); the weight is on the other foot during each."""
    assert plan.share is not None
    clock, keys, values = start, [-1.0], [float(plan.share.mean())]
    for side, to in falls:
        seconds = swing * d.tempo * d.between(0.85, 1.15)
        step(plan, d, side, clock, seconds, to, lift)
        keys += [clock, clock + seconds]
        values += [float(side), float(side)]
        clock += seconds + pause * d.tempo * d.between(0.7, 1.3)
    plan.share = through(d.time, [*keys, clock + 0.1], [*values, 0.5])


def raise_heels(plan: Plan, amount: Array) -> None:
    """Stand on the balls of the feet: soles pitched by ``amount`` [T] radians, the pelvis lifted as much as the ankles."""
    bones = skeleton()
    plan.pitch += amount[:, None]
    plan.pelvis[:, 1] += bones.sole * (np.cos(amount) - 1) + bones.ball * np.sin(amount)
