"""Recipes of exercises: squats, lunges, push-ups, sit-ups, jumping jacks, bends, marching and stepping up."""

from __future__ import annotations

import numpy as np

from . import arms
from .curves import Draw, minimum_jerk, wave
from .plan import Angles, Plan, Reach
from .recipe import Recipe
from .skeleton import skeleton
from .stance import LYING, lift_foot, planted, squat, stand, walk


def squatting(d: Draw) -> Plan:
    plan = stand(d, (0.24, 0.6), (0, 30), 0.03)
    moves = d.moves(d.between(0.7, 1.4), d.between(0, 0.8), d.between(0.7, 1.2), d.between(0.1, 0.8))
    depth = d.between(0.22, 0.55) * moves.each(0.85, 1) * moves.amount
    squat(plan, d, depth, d.between(0.5, 1.1), d.between(0.1, 0.6))
    kind = d.rng.random()
    arms.hold(d, plan, d.one_of(*arms.EXERCISE))
    if kind < 0.5:
        arms.hold(d, plan, d.one_of("forward", "forward", "front", "thigh", "overhead"), moves.amount)
    return plan


def lunging(d: Draw) -> Plan:
    """To the front or back and home again, or down and up with the feet apart."""
    plan = stand(d, (0.12, 0.26), (-2, 10), 0.02)
    stays = d.chance(0.3)
    moves = d.moves(d.between(1.0, 1.7), d.between(0, 0.6), d.between(0.9, 1.5), d.between(0.1, 0.6))
    side = np.full(d.frames, d.side()) if stays else moves.alternating()
    out = np.ones(d.frames) if stays else minimum_jerk(moves.amount / 0.6)
    down = moves.amount if stays else minimum_jerk((moves.amount - 0.3) / 0.7)
    backwards, length = d.chance(0.25) and not stays, d.between(0.55, 0.85) * (1 if stays else moves.each(0.93, 1))
    assert plan.share is not None
    swing = 4 * out * (1 - out)
    carry = planted(plan)
    for foot in (0, 1):
        mine = side == foot
        plan.feet[:, foot, 2] += mine * out * length * (-1 if backwards else 1)
        plan.feet[:, foot, 1] += mine * swing * d.between(0.06, 0.14)
        carry[:, foot] &= ~mine | (swing < 1e-6)
        behind = mine if backwards else ~mine
        plan.pitch[:, foot] += behind * down * d.degrees(35, 60)
    plan.share += swing * np.where(side == 0, -0.4, 0.4) + (0.12 * down) * np.where((side == 0) != backwards, 1, -1)
    plan.pelvis[:, 1] -= 0.05 * out + d.between(0.18, 0.33) * moves.each(0.85, 1) * down
    plan.turn[:, 1] += d.degrees(-3, 14) * down
    arms.hold(d, plan, d.one_of(*arms.EXERCISE))
    if d.chance(0.3):
        arms.hold(d, plan, d.one_of("thigh", "front", "hip", "side"), down)
    return plan


def push_ups(d: Draw) -> Plan:
    """Straight from the toes (or the knees) to the head; the hands stay on the floor."""
    plan, bones = stand(d, (0.08, 0.3), (-3, 3), 0.0), skeleton()
    moves = d.moves(d.between(0.6, 1.3), d.between(0, 0.4), d.between(0.5, 1.0), d.between(0, 0.5))
    top, low = d.between(0.50, 0.53), d.between(0.2, 0.32)
    shoulder = top - (top - low) * moves.each(0.85, 1) * moves.amount
    on_knees = d.chance(0.2)
    pitch = d.degrees(62, 70)
    toes = bones.sole * np.cos(pitch) + bones.ball * np.sin(pitch)
    pivot = (
        np.array((0, 0.06, 0))
        if on_knees
        else np.array((0, toes, bones.ball + bones.sole * np.sin(pitch) - bones.ball * np.cos(pitch)))
    )
    reach = bones.rest[5 if on_knees else 8] * (0, 0.998, 1)  # from the pelvis, in its frame
    rise = np.arcsin(np.clip((shoulder - pivot[1]) / (bones.rest[16, 1] - reach[1]), 0, 0.9))
    lean = np.pi / 2 - rise
    plan.turn = d.drift(0.008, 0.0, 0.008) + np.stack((0 * lean, lean, 0 * lean), -1)
    sine, cosine = np.sin(lean), np.cos(lean)

    def about(y: float, z: float) -> np.ndarray:
        """A vector of the pelvis's frame in the world [T, 3]."""
        return np.stack((0 * lean, y * cosine - z * sine, y * sine + z * cosine), -1)

    plan.pelvis = pivot - about(reach[1], reach[2])
    plan.spine = d.drift(0.01, 0.01, 0.01, about=(d.degrees(-10, 10), 0, 0))
    plan.head = d.drift(0.04, 0.02, 0.03, about=(d.degrees(-30, 8), 0, 0))
    plan.knees = np.repeat(about(0, 1)[:, None], 2, 1)
    plan.balance, plan.reaching = 0.0, (False, False)
    if on_knees:
        plan.ankles = np.zeros((d.frames, 2, 3))
        lift = d.degrees(5, 60)
        shank = bones.length(7) * np.array((0, np.sin(lift), -np.cos(lift)))
        plan.ankles[:] = np.array(((1, 0, 0), (-1, 0, 0))) * bones.rest[7, 0] * 0.9 + pivot + shank
        plan.pitch[:] = d.degrees(10, 40)
        plan.planted = np.zeros((d.frames, 2), bool)
    else:
        plan.pitch[:] = pitch
    hands = (plan.pelvis + about(bones.rest[16, 1], bones.rest[16, 2])).mean(0)
    width, ahead = d.between(0.19, 0.36), d.between(-0.08, 0.05)
    for side, sign in ((0, 1), (1, -1)):
        place = (sign * width, 0.055, hands[2] + ahead)
        turn = sign * d.degrees(-5, 25)
        elbow = (d.between(0.4, 1), -0.8, -0.6)
        plan.pose_arm(side, Reach("world", place, elbow, fingers=(-np.sin(turn), 0, np.cos(turn))))
    return plan


def sit_ups(d: Draw) -> Plan:
    plan = stand(d, (0.1, 0.32), (-2, 8), 0.0)
    moves = d.moves(d.between(0.8, 1.4), d.between(0, 0.5), d.between(0.8, 1.4), d.between(0, 0.4))
    up = moves.each(0.8, 1) * moves.amount
    crunch = d.chance(0.3)
    plan.pelvis[:, 1:] += (LYING + 0.003 - plan.pelvis[0, 1], 0)
    plan.turn[:, 1] = np.deg2rad(-88) + up * d.degrees(*((8, 15) if crunch else (45, 72)))
    plan.spine[:, 0] = d.degrees(-2, 4) + up * d.degrees(*((25, 40) if crunch else (50, 75)))
    plan.spine[:, 2] += d.one_of(0, 0, 0.5) * up * np.where(moves.number % 2, 1, -1)
    plan.head[:, 0] = d.degrees(-5, 10) + up * d.degrees(0, 25)
    plan.feet[..., 2] = d.between(0.38, 0.6)
    open_knees = d.between(0, 0.25)
    plan.knees = np.broadcast_to(((open_knees, 1, 0.4), (-open_knees, 1, 0.4)), (d.frames, 2, 3))
    plan.balance, plan.reaching = 0.0, (False, False)
    behind = Reach("head", (0.1, 0.05, -0.06), (1, 0.2, d.between(0.25, 0.8)))
    plan.pose_arms(behind) if d.chance(0.5) else arms.hold(d, plan, d.one_of("crossed", "crossed", "forward", "front"))
    if d.chance(0.3):
        arms.hold(d, plan, "forward", up)
    return plan


def jumping_jacks(d: Draw) -> Plan:
    plan = stand(d, (0.08, 0.16), (0, 12), 0.0)
    beat = 2 * d.beat(d.between(0.9, 1.3))  # one jump a beat
    number, part = np.floor(beat).astype(int), beat % 1
    air = d.between(0.38, 0.5)
    flight = np.clip((part - (1 - air) / 2) / air, 0, 1)
    apart = np.where(number % 2, 1 - minimum_jerk(flight), minimum_jerk(flight))
    arc, width = 4 * flight * (1 - flight), d.between(0.18, 0.34)
    plan.feet[..., 0] += apart[:, None] * (width, -width)
    plan.feet[..., 1] += arc[:, None] * d.between(0.03, 0.1)
    plan.pitch += arc[:, None] * d.degrees(20, 45)
    dip = d.between(0.03, 0.08)
    plan.pelvis[:, 1] += arc * d.between(0.05, 0.12) - dip * wave(beat + 0.5)
    plan.balance, plan.share = 0.7, 0.5 + d.drift(0.02)
    plan.planted = np.repeat((arc <= 0)[:, None], 2, 1)
    low, high = d.degrees(8, 20), d.degrees(120, 170)
    up = wave((beat - d.between(0.0, 0.06)) / 2)
    for side in (0, 1):
        lift = low + up * (high - low) + d.drift(0.04)
        pose = Angles(d.degrees(0, 25), lift, d.degrees(-40, 10) * up, d.degrees(5, 45) + d.drift(0.05), d.degrees(-15, 15))
        plan.pose_arm(side, pose)
    return plan


def toe_touches(d: Draw) -> Plan:
    """Hands towards the toes, both at once or crosswise with the other arm raised."""
    crosswise = d.chance(0.35)
    plan = stand(d, (0.45, 0.85) if crosswise else (0.08, 0.4), (0, 20), 0.02)
    moves = d.moves(d.between(0.8, 1.6), d.between(0.2, 1.5), d.between(0.8, 1.5), d.between(0.1, 0.8))
    bend = moves.each(0.85, 1) * moves.amount
    plan.turn[:, 1] += bend * d.degrees(60, 85)
    plan.spine[:, 0] += bend * d.degrees(40, 60)
    plan.pelvis[:, 1] -= bend * d.between(0.0, 0.06)
    plan.head[:, 0] += bend * d.degrees(-20, 20)
    height = d.between(0.08, 0.3)
    side = (moves.number + d.side()) % 2
    arms.hold(d, plan, d.one_of("hanging", "hanging", "overhead", "side", "hip"))
    if crosswise:
        plan.spine[:, 2] += bend * d.degrees(25, 40) * np.where(side == 0, -1, 1)
        plan.turn[:, 0] += bend * d.degrees(5, 15) * np.where(side == 0, -1, 1)
    for arm, sign in ((0, 1), (1, -1)):
        foot = plan.feet[:, 1 - arm if crosswise else arm]
        place = foot + np.array((0.02 * sign, height, 0.16))
        mine = side == arm if crosswise else np.ones(d.frames)
        plan.pose_arm(arm, Reach("world", place, (1, 0, -0.4)), moves.amount * mine)
        plan.pose_arm(arm, arms.to_the_side(d), moves.amount * (1 - mine))
    return plan


def side_bends(d: Draw) -> Plan:
    plan = stand(d, (0.2, 0.7), (0, 20), 0.02)
    moves = d.moves(d.between(0.7, 1.4), d.between(0.1, 1.2), d.between(0.7, 1.3), d.between(0, 0.4))
    side = moves.alternating()
    sign = 1 - 2 * side
    bend = moves.each(0.75, 1) * moves.amount
    plan.spine[:, 1] += sign * bend * d.degrees(28, 48)
    plan.turn[:, 2] -= sign * bend * d.degrees(2, 10)
    plan.head[:, 1] += sign * bend * d.degrees(0, 15)
    arms.hold(d, plan, d.one_of("hanging", "hip", "hip", "overhead", "head", "side"))
    if d.chance(0.6):  # the arm of the other side comes over
        for arm in (0, 1):
            over = Angles(d.degrees(5, 25), d.degrees(160, 185), d.degrees(-30, 0), d.degrees(10, 50))
            plan.pose_arm(arm, over, moves.amount * (side != arm))
    return plan


def marching(d: Draw) -> Plan:
    plan = stand(d, (0.14, 0.28), (-2, 10), 0.0)
    beat = d.beat(d.between(0.85, 1.5))
    height, ahead, power = d.between(0.12, 0.42), d.between(-0.05, 0.22), d.between(1.1, 2)
    for side, sign in ((0, 1), (1, -1)):
        lift = np.maximum(sign * np.sin(2 * np.pi * beat), 0) ** power
        lift_foot(plan, d, side, np.array((0, height * d.between(0.9, 1.1), ahead)), lift)
        plan.pitch[:, side] += lift * d.degrees(5, 40)
    plan.balance = d.between(0.5, 0.8)
    plan.pelvis[:, 1] -= d.between(0, 0.015) * wave(2 * beat)
    front = np.sin(2 * np.pi * (beat - d.between(0, 0.05)))
    plan.spine[:, 2] += d.degrees(0, 8) * front
    if d.chance(0.75):
        arms.swing(d, plan, -front, d.degrees(10, 60))
    else:
        arms.vary(d, plan, ("hip", "front", "bent", "hanging", "overhead"), 0.15)
    return plan


def stepping_up(d: Draw) -> Plan:
    """Onto a step and down again, one foot after the other."""
    plan = stand(d, (0.14, 0.3), (-2, 10), 0.0)
    height, ahead, lead = d.between(0.12, 0.36), d.between(0.28, 0.4), d.side()
    home = plan.feet[0].copy()
    falls, up = [], True
    swing, pause, start = d.between(0.55, 0.8), d.between(0.15, 0.35), d.between(-0.3, 0.3)
    for _ in range(int(d.time[-1] / (2 * (swing + pause))) + 2):
        offset = np.array((0, height, ahead)) if up else np.zeros(3)
        for side in (lead, 1 - lead):
            falls.append((side, home[side] + offset + d.rng.normal(0, 0.012, 3) * (1, 0, 1)))
        up = not up
        lead = 1 - lead if d.chance(0.3) else lead
    walk(plan, d, falls, swing, pause, d.between(0.06, 0.14), start)
    plan.ground = plan.feet[..., 1].copy()
    assert plan.share is not None
    share = plan.share[:, None]
    plan.pelvis[:, 1] += np.minimum(plan.feet[..., 1], height).clip(0) @ np.ones(2) / 2 * 0.4
    plan.pelvis[:, 1] += 0.6 * (plan.feet[:, :1, 1] * share + plan.feet[:, 1:, 1] * (1 - share))[:, 0].clip(0, height)
    plan.turn[:, 1] += d.degrees(2, 14)
    plan.balance = 0.9
    arms.vary(d, plan, ("hanging", "hanging", "hanging", "hip", "bent", "bent", "front"), 0.15)
    return plan


RECIPES = (
    Recipe("squatting", squatting, ("squats",)),
    Recipe("lunging", lunging, ("lunges",)),
    Recipe("doing push-ups", push_ups, ("push-ups",), lying=True),
    Recipe("doing sit-ups", sit_ups, ("sit-ups",)),
    Recipe("doing jumping jacks", jumping_jacks, ("jumping jacks",)),
    Recipe("touching the toes", toe_touches, ("toe touches",)),
    Recipe("bending to the side", side_bends, ("side bends",)),
    Recipe("marching in place", marching, ("marching",)),
    Recipe("stepping up", stepping_up),
)
