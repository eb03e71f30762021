"""Recipes of everyday postures: standing, sitting, kneeling, lying, and the ways between them."""

from __future__ import annotations

import numpy as np

from . import arms
from .curves import Array, Draw
from .plan import Plan, Reach
from .recipe import Recipe
from .skeleton import skeleton
from .stance import LYING, lie, lift_foot, sit, squat, stand


def standing(d: Draw) -> Plan:
    plan = stand(d)
    plan.share = 0.5 + d.drift(0.06) + d.between(0.02, 0.32) * np.tanh(3 * d.drift(1.0, pace=0.5))
    plan.turn[:, 2] += 0.12 * (plan.share - 0.5)
    plan.spine[:, 1] += 0.15 * (plan.share - 0.5)
    arms.vary(d, plan, arms.STANDING)
    return plan


def one_leg(d: Draw, wobble: float) -> Plan:
    """On one leg: the other foot beside the knee, behind, or in front."""
    plan, side = stand(d, (0.1, 0.2)), d.side()
    sign = 1 - 2 * side
    offset = np.array(
        d.one_of(
            (-sign * d.between(0, 0.04), d.between(0.1, 0.35), d.between(0.0, 0.15)),
            (0, d.between(0.15, 0.45), -d.between(0.15, 0.35)),
            (0, d.between(0.2, 0.45), d.between(0.15, 0.4)),
            (sign * d.between(0.15, 0.4), d.between(0.1, 0.25), 0),
        )
    )
    up = np.ones(d.frames) if d.chance(0.6) else d.once(d.between(0.6, 1.1))
    lift_foot(plan, d, side, offset + d.drift(*3 * [0.02 * wobble]), up)
    if offset[2] < 0:
        plan.pitch[:, side] += d.degrees(20, 60) * up
    elif offset[2] > 0.1:
        plan.pitch[:, side] += d.degrees(-10, 40) * up
    spread = d.degrees(-10, 60) if abs(offset[2]) < 0.15 else 0.0
    plan.knees = np.stack((np.sin(plan.heading), 0 * plan.heading, np.cos(plan.heading)), -1)
    plan.knees[:, side, 0] += sign * np.tan(spread) * 0.6 * up
    plan.turn += d.drift(0.03, 0.03, 0.05) * wobble
    plan.spine += d.drift(0.03, 0.06, 0.04) * wobble
    return plan


def standing_on_one_leg(d: Draw) -> Plan:
    plan = one_leg(d, 0.5)
    arms.vary(d, plan, ("hanging", "hanging", "hip", "crossed", "side", "front", "bent"))
    return plan


def balancing(d: Draw) -> Plan:
    plan = one_leg(d, 1.2)
    arms.vary(d, plan, ("side", "side", "side", "forward", "overhead", "bent"), 0.4)
    return plan


def sitting(d: Draw) -> Plan:
    plan = sit(d)
    kind = d.rng.random()
    if kind < 0.2:  # ankles crossed
        plan.feet[:, :, 0] *= -0.35
        plan.feet[..., 2] -= 0.04
        plan.feet[:, d.side(), 2] += 0.08
        plan.planted = np.zeros((d.frames, 2), bool)
        plan.feet[..., 1] += 0.02
        plan.knees = np.broadcast_to(((0.25, 0, 1.0), (-0.25, 0, 1.0)), (d.frames, 2, 3)).copy()
    elif kind < 0.35:  # leaning on the knees
        plan.turn[:, 1] += d.degrees(20, 45)
        plan.spine[:, 0] += d.degrees(5, 20)
    else:
        shift = d.moves(0.6, d.between(0.5, 3), 0.6, d.between(1, 5), 0.4)
        plan.turn[:, 1] += d.degrees(-10, 25) * shift.amount
        plan.spine[:, 1:] += np.stack((shift.each(-0.2, 0.2), shift.each(-0.4, 0.4)), -1) * shift.amount[:, None]
    arms.vary(d, plan, arms.SEATED)
    return plan


def sitting_on_the_floor(d: Draw) -> Plan:
    plan = stand(d)
    plan.pelvis[:, 1] += LYING + 0.005 - plan.pelvis[0, 1]
    plan.turn[:, 1] = d.degrees(-35, -12) + d.drift(0.015)
    plan.spine[:, 0] = d.degrees(15, 45) + d.drift(0.03)
    plan.balance, plan.reaching, plan.planted = 0.0, (False, False), np.zeros((d.frames, 2), bool)
    kind = d.one_of("straight", "crossed", "up", "up")
    if kind == "straight":
        plan.ankles = np.zeros((d.frames, 2, 3))
        plan.ankles[:] = np.array(((1, 0, 0), (-1, 0, 0))) * d.between(0.05, 0.3) + (0, 0.08, d.between(0.78, 0.81))
        plan.knees = np.broadcast_to((0.0, 1, 0), (d.frames, 2, 3))
        plan.pitch[:] = d.degrees(10, 40)
    elif kind == "crossed":
        plan.ankles = np.zeros((d.frames, 2, 3))
        plan.ankles[:] = np.array(((-0.14, 0.07, 0.24), (0.14, 0.07, 0.32)))
        plan.knees = np.broadcast_to(((1.0, 0.2, 0.25), (-1.0, 0.2, 0.25)), (d.frames, 2, 3))
        plan.pitch[:] = d.degrees(10, 35)
    else:
        plan.feet[..., 2] = d.between(0.42, 0.64)
        plan.knees = np.broadcast_to(((d.between(0, 0.3), 1, 0.3), (-d.between(0, 0.3), 1, 0.3)), (d.frames, 2, 3))
        plan.planted = None
    names = {"straight": ("lap", "bent", "thigh"), "crossed": ("knee out", "knee out", "lap", "crossed", "bent", "chin")}
    arms.vary(d, plan, names.get(kind, ("knee", "knee", "shin", "shin", "shin", "bent", "chin")))
    return plan


def _onto_seat(d: Draw, seated: Array) -> Plan:
    """From standing (0) to a seat (1) by ``seated`` [T], the feet where they are."""
    plan, seat, up = sit(d, (-22, 2)), sit(d, (-22, 2)), stand(d)
    w = seated[:, None]
    plan.pelvis = up.pelvis + w * (seat.pelvis - up.pelvis)
    ahead = plan.feet[..., 2].mean() - 0.03
    plan.pelvis[:, 2] = ahead * (1 - seated) + d.drift(0.003)
    crouch = np.sin(np.pi * seated)
    plan.turn = up.turn + w * (seat.turn - up.turn)
    plan.turn[:, 1] += d.degrees(25, 45) * crouch
    plan.spine = up.spine + w * (seat.spine - up.spine)
    plan.spine[:, 0] += d.degrees(0, 25) * crouch
    plan.head[:, 0] -= d.degrees(5, 25) * crouch
    plan.balance = 1 - np.clip(seated * 1.25 - 0.25, 0, 1) ** 2
    plan.reaching = (True, True)
    arms.hold(d, plan, d.one_of("hanging", "hanging", "front", "crossed", "hip", "bent"))
    middle = np.clip(1.6 * crouch, 0, 1)
    arms.hold(d, plan, d.one_of("thigh", "thigh", "forward", "hanging"), middle)
    arms.hold(d, plan, d.one_of(*arms.SEATED[:-2]), np.clip(2 * seated - 1, 0, 1) ** 2 * (3 - 2 * np.clip(2 * seated - 1, 0, 1)))
    return plan


def sitting_down(d: Draw) -> Plan:
    return _onto_seat(d, d.once(d.between(1.1, 2.2)))


def standing_up(d: Draw) -> Plan:
    return _onto_seat(d, 1 - d.once(d.between(1.0, 2.0)))


def crouching(d: Draw) -> Plan:
    plan = stand(d, (0.2, 0.45), (5, 30), 0.35)
    depth = d.between(0.28, 0.53) + d.drift(0.012)
    squat(plan, d, depth, d.between(0.4, 0.8), d.between(0.1, 0.7))
    arms.vary(d, plan, ("thigh", "thigh", "thigh", "forward", "bent", "front", "anywhere"))
    return plan


def kneeling(d: Draw) -> Plan:
    plan, bones = stand(d), skeleton()
    on_floor, kind = 0.072, d.one_of("tall", "tall", "heels", "one", "one")
    low = d.moves(d.between(0.7, 1.5), d.between(0.5, 4), 1, d.between(0.5, 3)).amount * d.chance(0.5) * 0.9 + 0.05
    if kind == "heels":
        low = 1 - 0.1 * low
    elif kind == "one":
        low *= 0.2
    thigh, shank = bones.length(4), bones.length(7)
    angle = low * np.deg2rad(62)  # of the thigh from the vertical, the pelvis behind the knee
    hip = on_floor + thigh * np.cos(angle)
    plan.pelvis[:, 1] = hip + 0.045 + d.drift(0.001)
    plan.pelvis[:, 2] = -thigh * np.sin(angle)
    plan.turn[:, 1] += d.degrees(-5, 12) * (1 - low) + low * d.degrees(-5, 20)
    plan.ankles = np.zeros((d.frames, 2, 3))
    plan.ankles[..., 0] = np.array((1, -1)) * d.between(0.06, 0.14)
    plan.ankles[..., 1:] = 0.07, -np.sqrt(shank**2 - 0.005**2) * 0.995
    plan.pitch[:] = d.degrees(50, 62)
    plan.knees = np.broadcast_to(((0.1, -0.6, 1), (-0.1, -0.6, 1)), (d.frames, 2, 3)).copy()
    plan.balance, plan.reaching, plan.planted = 0.0, (False, False), np.zeros((d.frames, 2), bool)
    if kind == "one":
        side = d.side()
        sign = 1 - 2 * side
        plan.ankles[:, side] = np.nan
        plan.feet[:, side] = (sign * d.between(0.1, 0.18), 0, d.between(0.34, 0.48))
        plan.knees[:, side] = sign * d.between(0, 0.25), 0.8, 1
        plan.pitch[:, side] = 0
        plan.planted[:, side] = True
    arms.vary(d, plan, ("hanging", "thigh", "thigh", "hip", "crossed", "front", "bent", "anywhere", "overhead", "forward"))
    return plan


def lying(d: Draw) -> Plan:
    """On the back or the front; a fifth of those on the back lie down from sitting on the floor."""
    face_down = d.chance(0.25)
    plan = lie(d, face_down)
    assert plan.ankles is not None
    if not face_down and d.chance(0.6):  # one or both knees up
        bent = (
            d.moves(d.between(0.8, 1.6), d.between(1, 4), 1.2, d.between(0.5, 3)).amount if d.chance(0.5) else np.ones(d.frames)
        )
        for side in d.one_of((0,), (1,), (0, 1)):
            plan.ankles[:, side, 2] -= bent * d.between(0.15, 0.45)
            plan.ankles[:, side, 1] += bent * 0.012
            plan.pitch[:, side] += bent * d.degrees(0, 20)
    if not face_down and d.chance(0.2):
        sits = 1 - d.once(d.between(1.5, 2.6))
        plan.turn[:, 1] += sits * d.degrees(55, 72)
        plan.spine[:, 0] += sits * d.degrees(25, 45)
        plan.head[:, 0] += sits * d.degrees(5, 20)
    elbow = (1, -0.3, 0) if face_down else (1, -0.5, 0)
    for side in (0, 1):
        place = d.one_of("down", "down", "belly", "side", "head") if not face_down else d.one_of("down", "head", "head")
        low = -0.03 if not face_down else 0.15
        point, frame = {
            "down": ((d.between(0.22, 0.38), d.between(-0.02, 0.1), low), "pelvis"),
            "belly": ((d.between(-0.02, 0.1), d.between(0.12, 0.3), 0.19), "pelvis"),
            "side": ((d.between(0.45, 0.62), d.between(-0.2, 0.2), low), "chest"),
            "head": ((d.between(0.1, 0.3), d.between(0.3, 0.45), low + 0.03), "chest"),
        }[place]
        aside = (1, 0.6, 0.0) if place == "head" else elbow
        fingers = None if place == "belly" else np.zeros(3)
        spot = d.drift(0.006, 0.006, 0.002, about=point)
        plan.pose_arm(side, Reach(frame, spot, aside, d.degrees(-30, 30), fingers=fingers))
    return plan


RECIPES = (
    Recipe("standing", standing),
    Recipe("standing on one leg", standing_on_one_leg),
    Recipe("balancing on one leg", balancing, ("balancing",)),
    Recipe("sitting", sitting, seated=True),
    Recipe("sitting on the floor", sitting_on_the_floor),
    Recipe("sitting down", sitting_down, longest=3.5),
    Recipe("standing up", standing_up, longest=3.5),
    Recipe("crouching", crouching),
    Recipe("kneeling", kneeling),
    Recipe("lying down", lying, ("lying",), lying=True),
)
