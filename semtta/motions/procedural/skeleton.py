"""From a plan to joint angles, on the ``open`` body's skeleton of mean shape: limbs by inverse kinematics.

Knees and elbows are hinges. Feet that are planned on the floor stay there exactly: the pelvis is lowered where a leg would be
too short, shifted until the centre of mass is over the feet, and heels are lifted where an ankle would bend too far.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from ...body import load
from ...constants import SMPL_PARENTS
from ..mocap import FPS
from .curves import Array
from .plan import Angles, Plan, Reach

#: Joints of the legs and arms, left and right: hip, knee, ankle, toes; collar, shoulder, elbow, wrist.
LEGS, ARMS = ((1, 4, 7, 10), (2, 5, 8, 11)), ((13, 16, 18, 20), (14, 17, 19, 21))
SPINE, NECK, HEAD, CHEST = (3, 6, 9), 12, 15, 9
#: Fractions of the body's mass and the two joints whose middle each has (after de Leva 1996, rounded).
MASSES = (
    (0.22, 0, 3), (0.23, 9, 12), (0.07, 15, 15),
    *((0.14, *leg[:2]) for leg in LEGS), *((0.043, *leg[1:3]) for leg in LEGS), *((0.014, *leg[2:]) for leg in LEGS),
    *((0.027, *arm[1:3]) for arm in ARMS), *((0.022, *arm[2:]) for arm in ARMS),
)  # fmt: skip
#: Ankles bend this far up with the heel on the floor; toes bend back this far.
DORSIFLEXION, TOES = np.deg2rad(32), np.deg2rad(55)
PASSES = 3
#: The body does not follow its feet at once: standard deviation of the smoothing over time of where its weight is, seconds.
SWAY = 0.17
#: The tip of the foot below and ahead of the ankle, metres; how high wrists stay above the floor, hands flat on it or not.
TIP = (-0.055, 0.2)
FLAT_HAND, HAND = 0.055, 0.1
MIRROR = np.array((-1.0, 1, 1))


@dataclass(frozen=True)
class Skeleton:
    """Rest pose of the skeleton and its soles, metres."""

    rest: Array  # [24, 3]
    sole: float  # height of the ankle above the floor
    heel: float  # where the heel's and the ball's contact with the floor are, before the ankle
    ball: float

    @property
    def standing(self) -> float:
        """Height of the pelvis when the legs are straight and vertical."""
        leg = self.rest[1] - self.rest[7]
        return float(self.sole + np.linalg.norm(leg) - self.rest[1, 1] + self.rest[0, 1])

    def bone(self, joint: int) -> Array:
        """Offset [3] of a joint from its parent at rest."""
        return self.rest[joint] - self.rest[SMPL_PARENTS[joint]]

    def length(self, joint: int) -> float:
        return float(np.linalg.norm(self.bone(joint)))


@lru_cache(maxsize=1)
def skeleton() -> Skeleton:
    """The skeleton of the included body's mean shape."""
    body = load("open")
    rest = body.rest_joints(torch.zeros(10)).double().numpy()
    foot = body.v_template[(body.v_template[:, 0] > 0) & (body.v_template[:, 1] < body.v_template[:, 1].min() + 0.013)].double()
    floor = float(foot[:, 1].min())
    return Skeleton(rest, rest[7, 1] - floor, float(foot[:, 2].min()) + 0.015 - rest[7, 2], rest[10, 2] + 0.015 - rest[7, 2])


def turned(axis: str, angle: Array) -> Rotation:
    """Rotations by angles [T] about x, y or z."""
    vector = np.zeros((len(angle), 3))
    vector[:, "xyz".index(axis)] = angle
    return Rotation.from_rotvec(vector)


def unit(vector: Array) -> Array:
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-9)


def _basis(first: Array, second: Array) -> Array:
    """Orthonormal columns [..., 3, 3] whose first two span two vectors [..., 3]."""
    first = unit(first)
    second = unit(second - (second * first).sum(-1, keepdims=True) * first)
    return np.stack((first, second, np.cross(first, second)), -1)


def two_bones(
    first: Array, second: Array, hinge: Array, target: Array, axis: Array, soft: float = 0.0
) -> tuple[Rotation, Array]:  # fmt: skip
    """Rotation of a chain's first joint and bend [T] of its hinge, so that its end is at ``target``.

    Args:
        first, second: bones [3] at rest. hinge: unit axis [3] at rest, of positive bends.
        target: end [T, 3], relative to the first joint, in its parent's frame; one too far or near is only pointed at.
        axis: direction [T, 3] that the hinge takes, as far as the target allows.
        soft: metres before full length within which the end begins to lag, so that a limb does not snap straight.
    """
    if soft:
        reach, away = float(np.linalg.norm(first + second)), np.linalg.norm(target, axis=-1, keepdims=True)
        target = target * (reach - soft * np.logaddexp(0, (reach - away) / soft)) / np.maximum(away, 1e-6)
    along, across = (first @ hinge) * (second @ hinge), second - (second @ hinge) * hinge
    cosine, sine = first @ across, first @ np.cross(hinge, across)
    straight = np.arctan2(sine, cosine)
    want = (np.square(target).sum(-1) - first @ first - second @ second) / 2 - along
    bend = straight + np.arccos(np.clip(want / np.hypot(sine, cosine), -0.9, np.cos(straight)))
    end = first + Rotation.from_rotvec(bend[:, None] * hinge).apply(second)
    rest = _basis(end, np.broadcast_to(hinge, target.shape))
    return Rotation.from_matrix(_basis(target, axis) @ np.swapaxes(rest, -1, -2)), bend


@dataclass
class Solved:
    """Joint angles and joints of a plan."""

    axis_angle: Array  # [T, 24, 3] radians
    joints: Array  # [T, 24, 3] metres, world
    world: Array  # [T, 24, 3, 3] global rotations
    soles: Array  # [T, 2, 2, 3] heel's and ball's contact with the floor
    missed: Array  # [T, 2] metres from each ankle to where it was to be: a leg too short or folded too far


def solve(plan: Plan, bones: Skeleton) -> Solved:
    """Joint angles of a plan; see the module."""
    pelvis, pitch, frames = plan.pelvis.copy(), plan.pitch.copy(), len(plan.pelvis)
    turn = Rotation.from_euler("YXZ", plan.turn)
    share = np.full(frames, 0.5) if plan.share is None else plan.share
    local: list[Rotation] = [Rotation.identity(frames)] * 24
    local[0] = turn
    for joint, weight in zip(SPINE, (0.35, 0.35, 0.3), strict=True):
        local[joint] = _bent(plan.spine * weight)
    local[NECK], local[HEAD] = _bent(plan.head * 0.45), _bent(plan.head * 0.55)
    ahead = 0.05 * np.stack((np.sin(plan.heading), 0 * plan.heading, np.cos(plan.heading)), -1)
    feet = plan.feet + ahead
    support = gaussian_filter1d(share[:, None] * feet[:, 0] + (1 - share)[:, None] * feet[:, 1], SWAY * FPS, 0, mode="nearest")
    shifted = np.reshape(plan.balance, (-1, 1)) * (1, 0, 1)
    pelvis += (support - pelvis) * shifted
    for step in range(PASSES):
        pelvis[:, 1] = plan.pelvis[:, 1]
        ankles = ankle_positions(plan, pitch, bones)
        ankles = ankles if plan.ankles is None else np.where(np.isnan(plan.ankles), ankles, plan.ankles)
        hips = turn.apply(bones.rest[1] - bones.rest[0]), turn.apply(bones.rest[2] - bones.rest[0])
        pelvis[:, 1] = _lowered(pelvis, hips, ankles, plan, bones)
        for side in (0, 1):
            bend = _leg(plan, local, side, turn, ankles[:, side] - pelvis - hips[side], pitch[:, side], bones)
            if step < PASSES - 1:
                pitch[:, side] += np.where(pitch[:, side] > -0.05, np.maximum(bend - DORSIFLEXION, 0), 0)
        if step == 0 or step == PASSES - 1:
            _arms(plan, local, pelvis, bones)
        world, joints = positions(local, pelvis, bones)
        if step < PASSES - 1:
            mass = sum(m * (joints[:, a] + joints[:, b]) / 2 for m, a, b in MASSES) / sum(m for m, _, _ in MASSES)
            pelvis += (support - mass) * shifted
    axis_angle = np.stack([rotation.as_rotvec() for rotation in local], 1)
    missed = np.linalg.norm(joints[:, [7, 8]] - ankles, axis=-1)
    return Solved(axis_angle, joints, world, _soles(world, joints, bones), missed)


def ankle_positions(plan: Plan, pitch: Array, bones: Skeleton) -> Array:
    """Ankles [T, 2, 3] of planned feet: a raised heel turns about the ball, raised toes about the heel."""
    pivot = np.where(pitch > 0, bones.ball, bones.heel)
    sine, cosine = np.sin(pitch), np.cos(pitch)
    up = bones.sole * cosine + pivot * sine
    ahead = pivot + bones.sole * sine - pivot * cosine
    return plan.feet + np.stack((ahead * np.sin(plan.heading), up, ahead * np.cos(plan.heading)), -1)


def positions(local: list[Rotation], pelvis: Array, bones: Skeleton) -> tuple[Array, Array]:
    """Global rotations [T, 24, 3, 3] and joints [T, 24, 3] by forward kinematics."""
    world, joints = [local[0].as_matrix()], [pelvis]
    for joint in range(1, 24):
        above = SMPL_PARENTS[joint]
        joints.append(joints[above] + world[above] @ bones.bone(joint))
        world.append(world[above] @ local[joint].as_matrix())
    return np.stack(world, 1), np.stack(joints, 1)


def _bent(angles: Array) -> Rotation:
    """Rotations bent to the front, to the left, and turned to the left by angles [T, 3]."""
    return Rotation.from_euler("YXZ", angles[:, [2, 0, 1]] * (1, 1, -1))


def _lowered(pelvis: Array, hips: tuple[Array, Array], ankles: Array, plan: Plan, bones: Skeleton) -> Array:
    """Height [T] of the pelvis, smoothly limited to where straight legs reach their feet."""
    height, longest = pelvis[:, 1], 0.9995 * float(np.linalg.norm(bones.rest[1] - bones.rest[7]))
    for side in (0, 1):
        if plan.reaching[side]:
            away = np.square(pelvis + hips[side] - ankles[:, side])[:, [0, 2]].sum(-1)
            limit = ankles[:, side, 1] + np.sqrt(np.maximum(longest**2 - away, 0.01)) - hips[side][:, 1]
            height = limit - 0.002 * np.logaddexp(0, (limit - height) / 0.002)
    return height


def _leg(plan: Plan, local: list[Rotation], side: int, turn: Rotation, target: Array, pitch: Array, bones: Skeleton) -> Array:
    """Set one leg's rotations for an ankle at ``target`` from its hip; returns how far the ankle bends up [T]."""
    hip, knee, ankle, toes = LEGS[side]
    heading, back = plan.heading[:, side], turn.inv()
    if plan.knees is None:
        axis = np.stack((np.cos(heading), 0 * pitch, -np.sin(heading)), -1)
    else:
        axis = np.cross(plan.knees[:, side], target)
    hinge, soft = np.array((1.0, 0, 0)), 0.0 if plan.reaching[side] else 0.015
    local[hip], bend = two_bones(bones.bone(knee), bones.bone(ankle), hinge, back.apply(target), back.apply(axis), soft)
    local[knee] = turned("x", bend)
    if plan.ankles is not None and not np.isnan(plan.ankles[0, side, 0]):
        up = (turn * local[hip] * local[knee]).inv().apply((0, 1, 0))
        local[ankle] = turned("x", _off_floor(pitch, up, plan.ankles[:, side, 1]))
        return 0 * pitch
    foot = Rotation.from_euler("YX", np.stack((heading, pitch), -1))
    local[ankle] = (turn * local[hip] * local[knee]).inv() * foot
    local[toes] = turned("x", -np.clip(pitch, 0, TOES))
    return -local[ankle].as_rotvec()[:, 0]


def _off_floor(pitch: Array, up: Array, height: Array) -> Array:
    """Pitch [T] of feet, limited to where their tips are above the floor; ``up`` [T, 3] in the shank's frame, ``height`` [T]."""
    down, ahead = TIP
    cosine, sine = up[:, 1] * down + up[:, 2] * ahead, up[:, 2] * down - up[:, 1] * ahead
    best, most = np.arctan2(sine, cosine), np.arccos(np.clip((0.01 - height) / np.hypot(sine, cosine), -1, 1))
    return best + np.clip((pitch - best + np.pi) % (2 * np.pi) - np.pi, -most, most)


def _arms(plan: Plan, local: list[Rotation], pelvis: Array, bones: Skeleton) -> None:
    """Set collars, shoulders, elbows and wrists: each arm's poses, blended by their weights."""
    world, joints = positions(local, pelvis, bones)
    for side in (0, 1):
        joint = ARMS[side]
        for pose, weight in plan.arms[side]:
            solved = (
                _by_angles(pose, side, len(pelvis)) if isinstance(pose, Angles) else _by_reach(pose, side, world, joints, bones)
            )
            share = np.broadcast_to(np.asarray(weight, float), (len(pelvis),))[:, None]
            for j, new in zip(joint, solved, strict=True):
                local[j] = local[j] * Rotation.from_rotvec(share * (local[j].inv() * new).as_rotvec())


def _by_angles(pose: Angles, side: int, frames: int) -> tuple[Rotation, ...]:
    """Collar, shoulder, elbow and wrist of an arm given by its angles."""
    sign = 1 - 2 * side
    angles = (np.broadcast_to(np.asarray(v, float), (frames,)) for v in vars(pose).values())
    azimuth, elevation, twist, elbow, roll, wrist = angles
    collar = turned("z", sign * _shrug(elevation))
    shoulder = Rotation.from_euler("YZX", np.stack((-sign * azimuth, sign * (elevation - np.pi / 2), twist), -1))
    return collar, collar.inv() * shoulder, *_forearm(elbow, roll, wrist, sign)


def _shrug(elevation: Array) -> Array:
    """How far the collar is lifted for an arm's elevation, radians."""
    return 0.25 * np.maximum(elevation - np.deg2rad(40), 0) ** 2 / (1 + np.maximum(elevation - np.deg2rad(40), 0))


def _forearm(elbow: Array, roll: Array, wrist: Array, sign: int) -> tuple[Rotation, Rotation]:
    return turned("y", -sign * elbow) * turned("x", roll), turned("z", -sign * wrist)


def _by_reach(pose: Reach, side: int, world: Array, joints: Array, bones: Skeleton) -> tuple[Rotation, ...]:
    """The same of an arm whose wrist is to be at a point."""
    collar, shoulder, elbow, wrist = ARMS[side]
    sign, frames = 1 - 2 * side, len(world)
    point = np.array(np.broadcast_to(np.asarray(pose.point, float), (frames, 3)))
    if pose.frame != "world":
        turn = {"pelvis": 0, "chest": CHEST, "head": HEAD, "thigh": LEGS[side][0]}[pose.frame]
        origin = LEGS[side][1] if pose.frame == "thigh" else turn
        mirror = MIRROR if side else 1
        point = joints[:, origin] + (world[:, turn] @ (point * mirror)[..., None])[..., 0]
    lowest = HAND if pose.fingers is None else FLAT_HAND
    point[:, 1] = lowest + 0.01 * np.logaddexp(0, (point[:, 1] - lowest) / 0.01)
    chest = Rotation.from_matrix(world[:, CHEST])
    target = chest.inv().apply(point - joints[:, collar])
    sideways = target - bones.bone(shoulder)
    lift = _shrug(np.arccos(np.clip(-unit(sideways)[:, 1], -1, 1)))
    raised = turned("z", sign * lift)
    pole = np.array(np.broadcast_to(np.asarray(pose.elbow, float) * (MIRROR if side else 1), (frames, 3)))
    aim = raised.inv().apply(target) - bones.bone(shoulder)
    axis = np.cross(raised.inv().apply(pole), aim)
    upper, bend = two_bones(bones.bone(elbow), bones.bone(wrist), np.array((0.0, -sign, 0)), aim, axis, soft=0.012)
    zero = np.zeros(frames)
    lower, hand = _forearm(bend, zero + pose.roll, zero + pose.wrist, sign)
    if pose.fingers is not None:
        along = (chest * raised * upper * lower).apply((sign, 0, 0)) * (1, 0, 1)
        fingers = np.asarray(pose.fingers, float) if np.any(pose.fingers) else along
        flat = _basis(sign * np.broadcast_to(fingers, (frames, 3)), np.broadcast_to((0.0, 1, 0), (frames, 3)))
        hand = (chest * raised * upper * lower).inv() * Rotation.from_matrix(flat)
        x, _, _, w = hand.as_quat().T  # the forearm turns the hand about itself; the rest is the wrist's
        roll = turned("x", 2 * np.arctan(x / np.where(np.abs(w) < 1e-6, 1e-6, w)))
        lower, hand = lower * roll, roll.inv() * hand
    return raised, upper, lower, hand


def _soles(world: Array, joints: Array, bones: Skeleton) -> Array:
    """Heel's and ball's contact points [T, 2, 2, 3]; the ball's stays on the floor when the toes bend."""
    ankle, turn = joints[:, [7, 8]], world[:, [7, 8]]
    points = np.array(((0, -bones.sole, bones.heel), (0, -bones.sole, bones.ball)))
    return ankle[:, :, None] + np.einsum("tsij,pj->tspi", turn, points)
