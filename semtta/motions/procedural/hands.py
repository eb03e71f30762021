"""Recipes of what hands do: reaching, picking up, drinking, phoning, clapping, throwing, climbing."""

from __future__ import annotations

import numpy as np

from . import arms
from .curves import Draw, minimum_jerk, wave
from .plan import Angles, Plan, Reach
from .recipe import Recipe
from .stance import planted, raise_heels, sit, squat, stand


def on_feet_or_seat(d: Draw, seated: float) -> Plan:
    """Standing, or with this probability sitting."""
    return sit(d) if d.chance(seated) else stand(d)


def reaching_up(d: Draw) -> Plan:
    plan = stand(d, (0.12, 0.4))
    moves = d.moves(d.between(0.6, 1.2), d.between(0.2, 2), d.between(0.6, 1.1), d.between(0.1, 1))
    up, sides = moves.amount, d.one_of((0,), (1,), (0, 1))
    if d.chance(0.6):
        raise_heels(plan, d.degrees(8, 38) * up)
    lean = d.degrees(2, 12) * (0 if len(sides) == 2 else 1 if sides == (0,) else -1)
    plan.spine[:, 1] -= lean * up
    plan.spine[:, 0] -= d.degrees(0, 18) * up
    plan.head[:, 0] -= d.degrees(5, 35) * up
    arms.vary(d, plan, [name for name in arms.STANDING if name != "back"], 0.1)
    for side in sides:
        ahead, height = d.between(0.02, 0.32), d.between(0.5, 0.66)
        place = np.stack([d.between(0.02, 0.3) + moves.each(-0.08, 0.08), height + 0 * up, ahead + moves.each(-0.06, 0.06)], -1)
        plan.pose_arm(side, Reach("chest", place, (1, -0.2, 0.1), d.degrees(-30, 30), d.degrees(-30, 5)), up)
    return plan


def picking_up(d: Draw) -> Plan:
    """Down to the floor for something and up with it, then down to put it back."""
    plan = stand(d, (0.14, 0.5), (0, 20), 0.3)
    moves = d.moves(d.between(0.8, 1.4), d.between(0.1, 0.5), d.between(0.8, 1.4), d.between(0.2, 1.0))
    down, squats = moves.amount, d.between(0, 1)
    depth = d.between(0.08, 0.2) + 0.32 * squats
    squat(plan, d, depth * down, 0.3, d.between(0.1, 0.5))
    plan.turn[:, 1] += down * np.deg2rad(62 - 40 * squats + d.rng.normal(0, 4))
    plan.spine[:, 0] += down * np.deg2rad(38 - 8 * squats + d.rng.normal(0, 5))
    plan.head[:, 0] += down * d.degrees(-20, 12)
    aside = d.between(-0.18, 0.18)
    plan.spine[:, 2] += down * aside * 1.2
    both = d.chance(0.5)
    side = d.side()
    holding = ((moves.number + moves.late + d.side()) % 2).astype(bool)
    names = ("front", "bent", "bent", "chin") if not both else ("front", "front", "bent")
    arms.hold(d, plan, d.one_of("hanging", "hanging", "hanging", "hip", "bent"))
    for arm, sign in ((0, 1), (1, -1)):
        if both or arm == side:
            # What is held changes while the hand is at the floor, where its weight hides the change.
            plan.pose_arm(arm, arms.SINGLE[d.one_of(*names)](d), holding.astype(float))
            place = np.array((aside + sign * d.between(0.04, 0.16), d.between(0.11, 0.25), d.between(0.22, 0.42)))
            plan.pose_arm(arm, Reach("world", place, (1, 0.2, -0.5), d.degrees(-20, 20), d.degrees(-15, 10)), down)
        elif d.chance(0.5):
            plan.pose_arm(arm, arms.on_knee(d), down)
    return plan


def drinking(d: Draw) -> Plan:
    plan, side = on_feet_or_seat(d, 0.45), d.side()
    moves = d.moves(d.between(0.7, 1.2), d.between(0.8, 2.5), d.between(0.7, 1.2), d.between(0.3, 2.0))
    sip = moves.amount
    arms.vary(d, plan, arms.SEATED if not plan.reaching[0] else arms.STANDING, 0.15)
    low = np.array((d.between(0.05, 0.25), d.between(0.16, 0.32), d.between(0.22, 0.38))) + d.drift(0.01, 0.01, 0.01)
    plan.pose_arm(side, Reach("pelvis", low, (0.6, -0.8, -0.6), d.degrees(-20, 30)))
    tilt = sip**3 * d.degrees(5, 35)
    mouth = np.array((0.07, -0.13, 0.175)) + d.rng.normal(0, 0.01, 3) + np.stack((0 * sip, 0.06 * sip**3, 0 * sip), -1)
    plan.pose_arm(side, Reach("head", mouth, (0.8, d.between(-1.2, -0.3), 0.3), d.degrees(0, 40), d.degrees(-10, 10)), sip)
    if d.chance(0.15):
        plan.pose_arm(1 - side, Reach("head", mouth, (0.8, -0.6, 0.3)), sip)
    plan.head[:, 0] -= tilt + 0.1 * sip
    plan.head[:, 2] *= 1 - 0.8 * sip
    plan.spine[:, 0] -= 0.3 * tilt
    return plan


def phoning(d: Draw) -> Plan:
    plan, side = on_feet_or_seat(d, 0.4), d.side()
    sign = 1 - 2 * side
    arms.vary(d, plan, arms.SEATED if not plan.reaching[0] else arms.STANDING, 0.4, (1 - side,))
    ear = np.array((0.12, -0.04, 0.075)) + d.rng.normal(0, 0.008, 3) + d.drift(0.004, 0.006, 0.004)
    ready = np.ones(d.frames) if d.chance(0.8) else d.once(d.between(0.8, 1.3))
    arms.vary(d, plan, ("hanging", "bent", "front"), 0, (side,))
    elbow = (d.between(0.3, 1), -1, d.between(-0.1, 0.5))
    plan.pose_arm(side, Reach("head", ear, elbow, d.degrees(0, 50), d.degrees(5, 25)), ready)
    plan.head[:, 1] += sign * d.degrees(0, 14) * ready
    plan.turn[:, 0] += d.drift(0.2) * plan.reaching[0]
    return plan


def clapping(d: Draw) -> Plan:
    plan = on_feet_or_seat(d, 0.25)
    beat = d.beat(d.between(0.25, 0.55))
    gap = 0.035 + d.between(0.05, 0.16) * wave(beat)
    height, ahead = d.between(-0.22, 0.12), d.between(0.28, 0.36)
    frame = "chest"
    if d.chance(0.15):
        frame, height, ahead = "head", d.between(0.2, 0.35), d.between(0.1, 0.25)
    place = np.stack((gap, height + d.drift(0.02), ahead + d.drift(0.01)), -1)
    plan.pose_arms(Reach(frame, place, (1, -1, 0.0), d.degrees(-20, 40), d.degrees(-10, 10) - 0.3 * wave(beat + 0.1)))
    plan.pelvis[:, 1] -= d.between(0, 0.012) * wave(beat)
    plan.head[:, 0] += d.degrees(0, 4) * wave(beat)
    return plan


def throwing(d: Draw) -> Plan:
    """Overhand or underhand: back, forward, and through."""
    side = d.side()
    sign = 1 - 2 * side
    plan = stand(d, (0.2, 0.4), (0, 15), 0.0)
    stride = d.between(0.2, 0.55)
    plan.feet[:, 1 - side, 2] += stride / 2
    plan.feet[:, side, 2] -= stride / 2
    plan.heading[:, side] += sign * d.degrees(5, 35)
    squat(plan, d, np.full(d.frames, d.between(0.03, 0.1)), 0.3, 0.1)
    # Azimuth, elevation, twist, elbow of the throwing arm, then of the other; turn of the trunk, its bend, weight in front.
    overhand = [
        [60, 30, -20, 105, 45, 25, -10, 80, 0, 5, 0.5],
        [-15, 92, -85, 95, 70, 75, -30, 40, -40, -5, 0.15],
        [55, 112, -70, 30, 40, 40, -10, 90, 12, 12, 0.75],
        [100, 50, -20, 30, 10, 25, 0, 70, 35, 30, 0.85],
    ]
    underhand = [
        [60, 30, -20, 80, 45, 25, -10, 70, 0, 8, 0.5],
        [-70, 45, 70, 10, 60, 40, -10, 40, -25, 15, 0.2],
        [80, 40, -70, 10, 20, 25, 0, 50, 10, 15, 0.75],
        [90, 100, -80, 25, 10, 20, 0, 40, 20, 5, 0.85],
    ]
    durations = (d.between(0.5, 0.9), d.between(0.22, 0.4), d.between(0.18, 0.3), d.between(0.6, 1.2))
    keys = d.cycle(durations, overhand if d.chance(0.75) else underhand)
    angles = np.deg2rad(keys[:, :10])
    plan.pose_arm(side, Angles.of(angles[:, :4]))
    plan.pose_arm(1 - side, Angles.of(angles[:, 4:8]))
    plan.turn[:, 0] += sign * 0.4 * angles[:, 8]
    plan.spine[:, 2] += sign * 0.6 * angles[:, 8]
    plan.spine[:, 0] += angles[:, 9]
    plan.head[:, 2] = plan.head[:, 2] * 0.3 - sign * 0.8 * angles[:, 8]
    front = keys[:, 10]
    plan.share = front if side == 1 else 1 - front
    plan.pitch[:, side] += np.maximum(front - 0.45, 0) * d.degrees(40, 90)
    plan.pitch[:, side] = plan.pitch[:, side].clip(0)
    return plan


def climbing(d: Draw) -> Plan:
    """Up (or down) a ladder or wall: a hand and the opposite foot move on in turn; the others hold."""
    plan = stand(d, (0.2, 0.36), (0, 25), 0.0)
    rise, direction = d.between(0.16, 0.26), 1 if d.chance(0.75) else -1
    climbed = d.beat(d.between(1.5, 2.6), 0.05)
    climbed = (climbed - climbed[0]) * direction + d.between(0, 1) + (0 if direction > 0 else np.ceil(np.ptp(climbed)))
    swing = d.between(0.3, 0.42)
    carry = planted(plan)

    def limb(phase: float) -> tuple[np.ndarray, np.ndarray]:
        """Height in units of ``2 rise`` [T] and how far it is off its hold [T]."""
        whole = np.floor(climbed + phase)
        progress = (climbed + phase - whole) / swing
        done = minimum_jerk(progress)
        return whole + done - phase, 4 * done * (1 - done)

    reach_y, grip, out = d.between(1.58, 1.76), d.between(0.14, 0.3), d.between(0.2, 0.3)
    wall = 0.10
    for side, sign, phase in ((0, 1, 0.0), (1, -1, 0.5)):
        height, off = limb(phase)
        plan.feet[:, side, 1] = 2 * rise * height
        plan.feet[:, side, 2] = -0.06 * off
        carry[:, side] &= off <= 0
        plan.pitch[:, side] = off * d.degrees(5, 25)
        height, off = limb(0.5 - phase)
        place = np.stack((0 * off + sign * grip, 2 * rise * height + reach_y, wall - 0.08 * off), -1)
        plan.pose_arm(side, Reach("world", place, (d.between(0.3, 1), -1, -0.2), d.degrees(-20, 20), d.degrees(0, 25)))
    plan.ground = plan.feet[..., 1].copy()
    lean = d.degrees(-4, 12)
    plan.pelvis[:, 1] = 2 * rise * (climbed + (1 - swing) / 2) + d.between(0.76, 0.86) + d.drift(0.01)
    plan.pelvis[:, 2] = -out + 0.05 * wave(2 * climbed) + d.drift(0.01)
    plan.pelvis[:, 0] = 0.03 * np.sin(2 * np.pi * climbed)
    plan.turn[:, 1] = lean + d.drift(0.02)
    plan.turn[:, 2] += d.degrees(0, 6) * np.sin(2 * np.pi * climbed)
    plan.spine[:, 2] += d.degrees(0, 10) * np.sin(2 * np.pi * climbed)
    plan.head[:, 0] = d.degrees(-35, -5) * direction + d.drift(0.06)
    splay = d.between(0.1, 0.6)
    plan.knees = np.broadcast_to(((splay, 0.3, 1), (-splay, 0.3, 1)), (d.frames, 2, 3))
    plan.balance = 0.0
    return plan


RECIPES = (
    Recipe("reaching up", reaching_up),
    Recipe("picking something up from the floor", picking_up, ("picking up",)),
    Recipe("drinking", drinking),
    Recipe("talking on the phone", phoning, ("phoning",)),
    Recipe("clapping", clapping),
    Recipe("throwing", throwing),
    Recipe("climbing", climbing),
)
