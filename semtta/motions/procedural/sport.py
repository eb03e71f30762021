"""Recipes of sports and dance: kicking, stepping sideways, tennis strokes, dancing."""

from __future__ import annotations

import numpy as np

from . import arms
from .curves import Array, Draw, wave
from .plan import Angles, Plan
from .recipe import Recipe
from .skeleton import skeleton
from .stance import planted, squat, stand, walk


def kicking(d: Draw) -> Plan:
    plan, side = stand(d, (0.14, 0.3), (0, 15), 0.1), d.side()
    sign = 1 - 2 * side
    height, ahead, across = d.between(0.25, 0.95), d.between(0.5, 0.8), d.between(-0.15, 0.25)
    # The foot: sideways, up, ahead, toes down; the trunk: pitch, turn; the weight on the other foot; the arms' swing.
    rest = [0, 0, 0, 0, 0, 0, 0, 0]
    back = [0.02, d.between(0.25, 0.45), -d.between(0.45, 0.62), d.between(40, 70), d.between(0, 15), -15, 1, -1]
    low = [0, d.between(0.05, 0.15), 0.05, d.between(5, 30), d.between(-5, 8), 0, 1, 0]
    along = np.rad2deg(np.arctan2(ahead, skeleton().standing - 0.13 - height))  # of the leg, from the vertical
    front = [-across, height, ahead, d.between(0, 40) - along, -d.between(0, 15), 20, 1, 1]
    down = [0, 0.12, 0.12, 10, 0, 5, 1, 0.2]
    durations = (
        d.between(0.45, 0.8),
        d.between(0.15, 0.25),
        d.between(0.15, 0.25),
        d.between(0.4, 0.6),
        d.between(0.3, 0.5),
        d.between(0.2, 0.8),
    )
    keys = d.cycle(durations, [rest, back, low, front, down, rest], 0.03)
    up = keys[:, 6].clip(0, 1)
    keys[:, :6] *= np.minimum(6 * up, 1)[:, None] ** 2  # the errors of the keys do not move a foot that stands
    plan.feet[:, side] += keys[:, :3] * (sign, 1, 1) * (up > 0)[:, None]
    plan.feet[:, side, 1] = plan.feet[:, side, 1].clip(0)
    plan.pitch[:, side] += np.deg2rad(keys[:, 3])
    plan.turn[:, 1] += np.deg2rad(keys[:, 4])
    plan.turn[:, 0] += sign * np.deg2rad(keys[:, 5]) * 0.5
    plan.spine[:, 2] -= sign * np.deg2rad(keys[:, 5])
    assert plan.share is not None
    plan.share += up * (side - plan.share)
    planted(plan)[:, side] &= up < 1e-3
    plan.reaching = (side == 1, side == 0)
    plan.pelvis[:, 1] -= 0.03 * up
    if d.chance(0.7):
        arms.swing(d, plan, -sign * keys[:, 7], d.degrees(15, 60))
    else:
        arms.vary(d, plan, ("side", "bent", "hanging", "front", "hip"), 0.1)
    return plan


def stepping_sideways(d: Draw) -> Plan:
    """A few steps to one side and back; each second step brings the feet together."""
    plan = stand(d, (0.14, 0.3), (-2, 12), 0.03)
    length, side, count = d.between(0.25, 0.55), d.side(), d.one_of(1, 2, 3, 4)
    spots = plan.feet[0].copy()
    falls: list[tuple[int, Array]] = []
    while len(falls) < 2 * d.time[-1] + 4:
        for _ in range(count):
            for foot in (side, 1 - side):
                spots[foot] += ((1 - 2 * side) * length + d.rng.normal(0, 0.015), 0, d.rng.normal(0, 0.012))
                falls.append((foot, spots[foot].copy()))
        side = 1 - side
    walk(plan, d, falls, d.between(0.32, 0.6), d.between(0.08, 0.3), d.between(0.03, 0.12), d.between(-0.5, 0.2))
    squat(plan, d, np.full(d.frames, d.between(0.0, 0.14)) + d.drift(0.008), 0.6, 0.1)
    plan.balance = 0.9
    arms.vary(d, plan, ("hanging", "hanging", "bent", "front", "hip", "side", "forward"), 0.1)
    return plan


def tennis(d: Draw) -> Plan:
    """Ready, then forehands, backhands or serves of a racket arm."""
    side = d.side()
    sign = 1 - 2 * side
    plan = stand(d, (0.4, 0.75), (0, 25), 0.15)
    stroke = d.one_of("forehand", "forehand", "backhand", "backhand", "serve")
    # Azimuth, elevation, twist, elbow of the racket arm, then of the other; turn of the trunk away from the racket arm, its
    # bend; the weight on the racket arm's side; how deep the knees are bent.
    ready = [55, 28, -20, 95, 55, 28, -20, 95, 0, 14, 0.5, 0.12]
    keys = {
        "forehand": [
            ready,
            [-20, 68, -20, 45, 75, 65, -20, 35, -50, 10, 0.75, 0.12],
            [55, 58, -25, 25, 45, 45, -20, 70, 5, 12, 0.4, 0.09],
            [115, 100, -30, 95, 20, 30, -10, 90, 48, 10, 0.25, 0.06],
        ],
        "backhand": [
            ready,
            [112, 55, -10, 60, 65, 50, -10, 70, 50, 12, 0.3, 0.12],
            [45, 55, -10, 20, 20, 40, 0, 50, 5, 12, 0.6, 0.09],
            [-10, 95, -30, 25, -10, 40, 10, 40, -30, 6, 0.7, 0.06],
        ],
        "serve": [
            ready,
            [10, 70, -60, 90, 60, 150, -20, 10, -35, -10, 0.65, 0.1],
            [-5, 100, -95, 115, 50, 130, -20, 30, -30, -12, 0.5, 0.14],
            [40, 160, -60, 12, 40, 60, -10, 80, 10, 5, 0.4, -0.01],
            [105, 50, -20, 30, 20, 30, -10, 80, 40, 30, 0.25, 0.05],
        ],
    }[stroke]
    swing = (d.between(0.5, 0.9), d.between(0.25, 0.4), d.between(0.25, 0.4))
    durations = (*swing, d.between(0.7, 1.3)) if stroke != "serve" else (0.9, 0.4, 0.22, 0.25, d.between(0.8, 1.3))
    way = d.cycle(durations, keys, 0.05)
    angles = np.deg2rad(way[:, :10])
    plan.pose_arm(side, Angles.of(angles[:, :4], d.degrees(-30, 0)))
    plan.pose_arm(1 - side, Angles.of(angles[:, 4:8]))
    turn = sign * angles[:, 8]
    plan.turn[:, 0] += 0.45 * turn
    plan.spine[:, 2] += 0.55 * turn
    plan.head[:, 2] = 0.3 * plan.head[:, 2] - 0.7 * turn
    plan.spine[:, 0] += angles[:, 9]
    on_side = way[:, 10].clip(0.1, 0.9)
    plan.share = on_side if side == 0 else 1 - on_side
    squat(plan, d, way[:, 11].clip(-0.02), 0.5, 0.15)
    return plan


def dancing(d: Draw) -> Plan:
    """Hips, knees, trunk and arms in one rhythm, with or without steps in place."""
    plan = stand(d, (0.16, 0.5), (0, 25), 0.05)
    beat = d.beat(d.between(0.45, 0.7), 0.04)  # one cycle a beat; most of the body moves every two
    half, deep = np.sin(np.pi * beat), d.between(0.015, 0.07)
    if d.chance(0.6):  # touch steps: out, back, and the other foot
        number, part = np.floor(beat / 2).astype(int), (beat / 2) % 1
        out = np.sin(np.pi * part) ** 2 * ((part > 0.0) & (part < 1.0))
        way = np.array((d.between(0.0, 0.3), 0, d.between(-0.25, 0.25)))
        for side, sign in ((0, 1), (1, -1)):
            mine = (number % 2 == side) * out
            plan.feet[:, side] += mine[:, None] * way * (sign, 1, 1)
            plan.feet[:, side, 1] += mine * (1 - mine) * 4 * d.between(0.03, 0.1)
            planted(plan)[:, side] &= mine < 1e-3
            assert plan.share is not None
            plan.share += np.sqrt(mine) ** 2 * 0.8 * (side - plan.share)
    else:
        plan.share = 0.5 + d.between(0.05, 0.3) * half
        heel = np.maximum(-half, 0), np.maximum(half, 0)
        for side in (0, 1):
            plan.pitch[:, side] += heel[side] ** 1.5 * d.degrees(0, 40)
    plan.pelvis[:, 1] -= 0.02 + deep * wave(beat + d.between(0, 1))
    plan.turn += half[:, None] * np.deg2rad(d.rng.normal(0, 1, 3) * (12, 3, 7))
    plan.spine += half[:, None] * np.deg2rad(d.rng.normal(0, 1, 3) * (4, 10, 12)) + wave(beat)[:, None] * np.deg2rad((6, 0, 0))
    plan.head += wave(beat)[:, None] * (d.degrees(0, 12), 0, 0) + half[:, None] * np.deg2rad(d.rng.normal(0, 1, 3) * (2, 8, 8))
    plan.turn[:, 0] += d.drift(0.35)
    plan.balance = 0.75
    same = d.chance(0.5)
    style = [np.array((d.degrees(-10, 90), d.degrees(15, 140), d.degrees(-60, 20), d.degrees(20, 110))) for _ in (0, 1)]
    size = [np.deg2rad(d.rng.normal(0, 1, 4) * (22, 25, 15, 30)) for _ in (0, 1)]
    for side in (0, 1):
        which, phase = (0, 0.5 * side * d.one_of(0, 1)) if same else (side, d.between(0, 1))
        rhythm = np.sin(np.pi * beat * d.one_of(1, 1, 2) + 2 * np.pi * phase)[:, None] * size[which]
        angles = style[which] + rhythm + d.drift(0.12, 0.18, 0.1, 0.15)
        angles = angles.clip(np.deg2rad((-30, 5, -90, 2)), np.deg2rad((110, 170, 40, 135)))
        plan.pose_arm(side, Angles.of(angles, d.drift(0.2)))
    if d.chance(0.4):
        arms.vary(d, plan, ("hip", "overhead", "side", "bent", "head"), 0.2, (d.side(),))
    return plan


RECIPES = (
    Recipe("kicking", kicking),
    Recipe("stepping sideways", stepping_sideways, ("side steps",)),
    Recipe("playing tennis", tennis, ("tennis",)),
    Recipe("dancing", dancing),
)
