"""Skin, hair and clothes as colours and thickness per vertex of a body model.

Garments are regions of the rest pose: a sleeve ends somewhere between shoulder (0), elbow (1) and wrist (2), a trouser
leg between hip (0), knee (1) and ankle (2). Patterns are functions of the rest position, so they move with the body.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..constants import SMPL24
from .domains import Domain

Array = NDArray[np.floating]

#: Skin from light to dark, sRGB in [0, 1].
SKIN = np.array(((0.96, 0.82, 0.73), (0.90, 0.72, 0.58), (0.78, 0.57, 0.42), (0.58, 0.39, 0.27), (0.37, 0.24, 0.17)), np.float32)
HAIR = np.array(((0.08, 0.07, 0.06), (0.18, 0.12, 0.08), (0.36, 0.22, 0.12), (0.68, 0.52, 0.30), (0.55, 0.55, 0.54)), np.float32)

_ARM = ("Shoulder", "Elbow", "Wrist", "Hand")
_LEG = ("Hip", "Knee", "Ankle", "Foot")
_FEET = ("Ankle", "Foot")


@dataclass(frozen=True)
class Anatomy:
    """Where on the body each vertex [V] of the rest pose lies."""

    part: NDArray[np.int64]  # SMPL joint that moves it most
    position: Array  # [V, 3] rest position, metres
    arm: Array  # 0 shoulder, 1 elbow, 2 wrist and beyond; -1 elsewhere
    leg: Array  # 0 hip, 1 knee, 2 ankle and beyond; -1 elsewhere
    face: Array  # [V, 3] relative to the nose, metres; a large value elsewhere
    eye_m: Array  # distance to the nearer eye
    joints: Array  # [24, 3]


@dataclass(frozen=True)
class Appearance:
    """The colours and clothes of one person."""

    colors: Array  # [V, 3] in [0, 1]
    thickness: Array  # [V] metres of cloth or hair over the skin


def anatomy(vertices: Array, weights: Array, joints: Array, nose: Array, eyes: Array) -> Anatomy:
    """The anatomy of a rest pose: vertices [V, 3], skinning weights [V, 24], joints [24, 3], nose [3], eyes [2, 3]; metres."""
    part = weights.argmax(1)
    name = np.array([n.split("_")[-1] for n in SMPL24])[part]

    def along(coordinate: Array, names: tuple[str, ...], ends: Array) -> Array:
        return np.where(np.isin(name, names), np.interp(coordinate, ends, (0, 1, 2)), -1).astype(np.float32)

    arm = along(np.abs(vertices[:, 0]), _ARM, joints[[16, 18, 20], 0])
    leg = along(-vertices[:, 1], _LEG, -joints[[1, 4, 7], 1])
    head = (part == SMPL24.index("Head"))[:, None]
    face = np.where(head, vertices - nose, 9).astype(np.float32)
    eye_m = np.linalg.norm(vertices[:, None] - eyes, axis=-1).min(1).astype(np.float32)
    return Anatomy(part, vertices.astype(np.float32), arm, leg, face, eye_m, joints)


def sample_appearance(rng: np.random.Generator, body: Anatomy, domain: Domain) -> Appearance:
    """Random skin, hair and clothes for a body, in the style of a domain."""
    name = np.array(SMPL24)[body.part]
    height = body.position[:, 1]
    colors = np.empty_like(body.position)
    thickness = np.zeros(len(height), np.float32)

    def paint(where: NDArray[np.bool_], color: Array, thickness_m: float = 0.0) -> None:
        colors[where] = color[where] if color.ndim == 2 else color
        thickness[where] = thickness_m

    skin = _blend(rng, SKIN)
    paint(np.ones(len(height), bool), skin)
    _draw_face(rng, body, skin, paint)

    pelvis, neck = body.joints[0, 1], body.joints[12, 1]
    waist = pelvis + rng.uniform(-0.02, 0.12)
    torso = np.isin(name, ("Pelvis", "Spine1", "Spine2", "Spine3", "L_Collar", "R_Collar"))
    collar = neck + rng.uniform(-0.06, 0.03)
    torso |= (name == "Neck") & (height < collar)

    trouser = rng.choice((rng.uniform(1.7, 2.0), rng.uniform(0.5, 1.1), rng.uniform(1.1, 1.7)), p=(0.62, 0.28, 0.1))
    cut = rng.uniform(0.004, 0.022)
    paint(torso & (height < waist) | (body.leg >= 0) & (body.leg < trouser), garment(rng, body.position, domain), cut)

    sleeve = rng.choice((rng.uniform(1.6, 2.0), rng.uniform(0.25, 0.9), 0.05), p=(0.45, 0.43, 0.12))
    hem = waist if rng.random() < 0.6 else waist - rng.uniform(0.05, 0.2)
    top = (torso & (height >= min(hem, waist))) | ((body.arm >= 0) & (body.arm < sleeve))
    if hem < waist:
        top |= (body.leg >= 0) & (height > hem)
    if rng.random() < 0.08:  # a dress: the top extends over the thighs
        top |= torso | (body.leg >= 0) & (body.leg < rng.uniform(0.4, 1.2))
    cloth = garment(rng, body.position, domain)
    paint(top, cloth, rng.uniform(0.004, 0.02))
    if rng.random() < 0.2:  # an open jacket or vest on top
        paint(top & (np.abs(body.position[:, 0]) > rng.uniform(0.03, 0.09)), garment(rng, body.position, domain), 0.02)
    if rng.random() < domain.patterned * 0.4:
        _print_on_chest(rng, body, top, paint)

    feet = np.isin(name, [f"{side}_{n}" for side in "LR" for n in _FEET])
    if rng.random() < 0.92:
        shoe = feet & (height < body.joints[7, 1] + rng.uniform(-0.03, 0.06))
        paint(shoe, _shoe_color(rng, domain), rng.uniform(0.004, 0.012))
        paint(
            shoe & (height < body.joints[10, 1] - rng.uniform(0.0, 0.02)),
            np.full(3, rng.uniform(0.05, 0.95)),
            0.01,
        )
    return Appearance(colors, thickness)


def _draw_face(rng: np.random.Generator, body: Anatomy, skin: Array, paint) -> None:
    x, y, z = body.face.T
    head = x < 5
    lips = head & (np.abs(x) < 0.025) & (np.abs(y + 0.055) < 0.012) & (z > -0.05)
    paint(lips, skin * np.array((0.85, 0.6, 0.6)))
    paint(head & (body.eye_m < 0.016), skin * rng.uniform(0.25, 0.6))
    hair = _blend(rng, HAIR) if rng.random() < 0.93 else rng.random(3)
    paint(head & (np.abs(y - 0.055) < 0.007) & (np.abs(np.abs(x) - 0.035) < 0.02) & (z > -0.06), 0.5 * (skin + hair))
    if rng.random() < 0.2:  # beard
        paint(head & (y < -0.03) & (z > -0.09) & ~lips, hair, 0.004)
    if rng.random() > 0.05:  # else bald
        line, back = rng.uniform(0.075, 0.1), rng.uniform(-0.13, -0.09)
        length = rng.choice((-0.03, -0.08, -0.3), p=(0.5, 0.3, 0.2))
        crown = head & ((y > line + 0.15 * np.minimum(0, z + 0.06)) | (z < back) & (y > max(length, -0.12)))
        paint(crown, hair * rng.uniform(0.85, 1.15, (len(x), 1)).astype(np.float32), rng.uniform(0.004, 0.03))
        if length < -0.2:  # hair over neck and shoulders
            nape = body.position - (body.joints[15] + np.array((0, 0, -0.03)))
            paint((nape[:, 2] < 0) & (np.abs(nape[:, 0]) < 0.1) & (nape[:, 1] < 0.1) & (nape[:, 1] > length), hair, 0.015)


def _print_on_chest(rng: np.random.Generator, body: Anatomy, top: NDArray[np.bool_], paint) -> None:
    offset = body.position - body.joints[9] - np.array((0, rng.uniform(-0.15, 0.08), 0))
    radius = rng.uniform(0.04, 0.12, 2)
    inside = (offset[:, 0] / radius[0]) ** 2 + (offset[:, 1] / radius[1]) ** 2 < 1
    front = offset[:, 2] > 0 if rng.random() < 0.7 else offset[:, 2] < 0
    paint(top & inside & front, rng.random(3), 0.01)


def _blend(rng: np.random.Generator, palette: Array) -> Array:
    position = rng.uniform(0, len(palette) - 1)
    low = min(int(position), len(palette) - 2)
    color = palette[low] + (position - low) * (palette[low + 1] - palette[low])
    return np.clip(color * rng.uniform(0.92, 1.08, 3), 0, 1).astype(np.float32)


def cloth_color(rng: np.random.Generator, domain: Domain) -> Array:
    """A random cloth colour [3] in [0, 1]: any hue; about a third are greys."""
    saturation = rng.uniform(*domain.saturation) * (rng.random() > 0.3)
    return np.array(colorsys.hsv_to_rgb(rng.random(), saturation, rng.uniform(0.08, 0.95)))


def _shoe_color(rng: np.random.Generator, domain: Domain) -> Array:
    return np.full(3, rng.choice((0.08, 0.25, 0.9))) if rng.random() < 0.6 else cloth_color(rng, domain)


def garment(rng: np.random.Generator, position: Array, domain: Domain) -> Array:
    """Colours [V, 3] of one fabric at rest positions [V, 3]: plain, striped, checked, tartan or blotched."""
    first = cloth_color(rng, domain)
    if rng.random() > domain.patterned:
        return np.broadcast_to(first, position.shape)
    second = cloth_color(rng, domain)
    period = rng.uniform(0.05, 0.2)
    wave = np.sin(2 * np.pi * position / period + rng.uniform(0, 6, 3))
    kind = rng.integers(4)
    if kind == 0:  # stripes across or along
        mix = 1.0 * (wave[:, rng.integers(2)] > rng.uniform(-0.5, 0.5))
    elif kind == 1:  # checks
        mix = 1.0 * (wave[:, 0] * wave[:, 1] > 0)
    elif kind == 2:  # tartan: two soft gratings
        mix = 0.25 * (wave[:, 0] + wave[:, 1]) + 0.5
    else:  # blotches
        directions = rng.normal(size=(3, 5)) / period * 3
        mix = 1.0 * (np.sin(position @ directions + rng.uniform(0, 6, 5)).sum(1) > rng.uniform(-1, 1))
    return first + mix[:, None] * (second - first)
