"""A person's surroundings: backgrounds, occluders, light, and how a camera degrades the image.

Images are float32 [H, W, 3], 0-255. All randomness comes from the generator that a function is given.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache

import numba
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ..rendering.rasterizer import Light
from .domains import Domain

Array = NDArray[np.floating]

# Columns of a shape: kind (0 box, 1 ellipse), centre x y, half size x y, cos, sin, colour 3, second colour 3, texture
# (0 plain, 1 stripes, 2 checks, 3 gradient, 4 rings), period, softness of the edge in pixels.
_SHAPE = 16


@numba.njit(cache=True, nogil=True)
def _paint(image, cover, shapes):  # pragma: no cover - compiled
    height, width = cover.shape
    for i in range(len(shapes)):
        s = shapes[i]
        cx, cy, hx, hy, cos, sin, soft = s[1], s[2], s[3], s[4], s[5], s[6], s[15]
        grown = 1.0 + 0.5 * soft / min(hx, hy)  # of an ellipse; a box grows by half the softness on each side
        ex, ey = (hx + soft, hy + soft) if s[0] == 0 else (hx * grown, hy * grown)
        reach_x = abs(cos) * ex + abs(sin) * ey
        reach_y = abs(sin) * ex + abs(cos) * ey
        for row in range(max(0, int(cy - reach_y)), min(height, int(cy + reach_y) + 2)):
            for column in range(max(0, int(cx - reach_x)), min(width, int(cx + reach_x) + 2)):
                dx, dy = column + 0.5 - cx, row + 0.5 - cy
                u, v = cos * dx + sin * dy, cos * dy - sin * dx
                if s[0] == 0:
                    outside = max(abs(u) - hx, abs(v) - hy)
                else:
                    radius = np.sqrt((u / hx) ** 2 + (v / hy) ** 2)
                    outside = (radius - 1) * min(hx, hy)
                alpha = min(1.0, max(0.0, 0.5 - outside / soft))
                if alpha == 0:
                    continue
                mix = 0.0
                if s[13] == 1:
                    mix = 1.0 if np.sin(6.2832 * u / s[14]) > 0 else 0.0
                elif s[13] == 2:
                    mix = 1.0 if np.sin(6.2832 * u / s[14]) * np.sin(6.2832 * v / s[14]) > 0 else 0.0
                elif s[13] == 3:
                    mix = min(1.0, max(0.0, 0.5 + 0.5 * v / hy))
                elif s[13] == 4:
                    mix = 1.0 if np.sin(6.2832 * np.sqrt(u * u + v * v) / s[14]) > 0 else 0.0
                for k in range(3):
                    color = s[7 + k] + mix * (s[10 + k] - s[7 + k])
                    image[row, column, k] += alpha * (color - image[row, column, k])
                cover[row, column] += alpha * (1 - cover[row, column])


@numba.njit(cache=True, nogil=True)
def _add_lattice(image, lattice, cells):  # pragma: no cover - compiled
    height, width, channels = image.shape
    step = cells / max(height, width)
    for row in range(height):
        y = row * step
        y0 = int(y)
        fy = y - y0
        fy = fy * fy * (3 - 2 * fy)
        for column in range(width):
            x = column * step
            x0 = int(x)
            fx = x - x0
            fx = fx * fx * (3 - 2 * fx)
            for k in range(channels):
                upper = lattice[y0, x0, k] + fx * (lattice[y0, x0 + 1, k] - lattice[y0, x0, k])
                lower = lattice[y0 + 1, x0, k] + fx * (lattice[y0 + 1, x0 + 1, k] - lattice[y0 + 1, x0, k])
                image[row, column, k] += upper + fy * (lower - upper)


def add_clouds(rng: np.random.Generator, image: Array, strength: float, finest: int = 48) -> None:
    """Add smooth noise of several scales to an image in place; the coarsest has the amplitude ``strength`` (0-255)."""
    cells = int(rng.integers(2, 6))
    while cells <= finest:
        grey = rng.normal(size=(cells + 2, cells + 2, 1))
        color = rng.normal(size=(cells + 2, cells + 2, 3))
        _add_lattice(image, (strength * (0.8 * grey + 0.4 * color)).astype(np.float32), float(cells))
        strength *= rng.uniform(0.5, 0.8)
        cells *= 2


def random_shapes(
    rng: np.random.Generator, count: int, size: tuple[int, int], extent: tuple[float, float], vivid: float = 1.0
) -> Array:
    """Random boxes, bars and ellipses [count, 16] in an image of (height, width); ``extent``: half sizes / longer side."""
    height, width = size
    side = max(size)
    shapes = np.zeros((count, _SHAPE), np.float32)
    shapes[:, 0] = rng.random(count) < 0.35
    shapes[:, 1:3] = rng.random((count, 2)) * (width, height)
    shapes[:, 3:5] = side * np.exp(rng.uniform(np.log(extent[0]), np.log(extent[1]), (count, 2)))
    bars = rng.random(count) < 0.25
    shapes[bars, 3] = np.maximum(0.7, 0.12 * shapes[bars, 3])
    angle = np.where(rng.random(count) < 0.6, 0, rng.uniform(-1.6, 1.6, count))
    shapes[:, 5], shapes[:, 6] = np.cos(angle), np.sin(angle)
    grey = rng.uniform(15, 245, (count, 1))
    for column in (7, 10):
        color = grey + vivid * rng.uniform(-110, 110, (count, 3)) * rng.random((count, 1)) ** 1.5
        shapes[:, column : column + 3] = color.clip(0, 255)
        grey = (grey + rng.normal(0, 45, (count, 1))).clip(5, 250)
    shapes[:, 13] = rng.choice(5, count, p=(0.45, 0.17, 0.08, 0.22, 0.08))
    shapes[:, 14] = side * rng.uniform(0.02, 0.15, count)
    shapes[:, 15] = np.where(rng.random(count) < 0.8, 1, side * rng.uniform(0.005, 0.05, count)).clip(1)
    return shapes


def paint(image: Array, shapes: Array) -> Array:
    """Paint shapes into an image in place, in order; returns the coverage of each pixel, [H, W] in [0, 1]."""
    cover = np.zeros(image.shape[:2], np.float32)
    _paint(image, cover, np.ascontiguousarray(shapes, np.float32))
    return cover


@lru_cache(maxsize=64)
def _fixed_background(domain: Domain, index: int, size: tuple[int, int]) -> Array:
    big = (int(size[0] * 1.4), int(size[1] * 1.4))
    return new_background(np.random.default_rng((20240, index)), big, domain)


def background(rng: np.random.Generator, size: tuple[int, int], domain: Domain) -> Array:
    """A background [H, W, 3] for an image of (height, width): a crop of one of the domain's fixed ones, or a new one."""
    if not domain.backgrounds:
        return new_background(rng, size, domain)
    whole = _fixed_background(domain, int(rng.integers(domain.backgrounds)), size)
    row, column = (int(rng.integers(have - want + 1)) for have, want in zip(whole.shape, size, strict=False))
    return whole[row : row + size[0], column : column + size[1]].copy()


def new_background(rng: np.random.Generator, size: tuple[int, int], domain: Domain, line: int | None = None) -> Array:
    """A new background [H, W, 3] in the style of a domain; ``line`` is the row where the wall or sky meets the ground."""
    height, width = size
    vivid = 0.25 if domain.backgrounds else rng.uniform(0.2, 0.8)
    image = np.empty((height, width, 3), np.float32)
    line = int(height * rng.uniform(0.3, 0.9)) if line is None else min(max(line, 1), height - 1)
    far, near = (rng.uniform(40, 235) + vivid * rng.uniform(-70, 70, 3) for _ in range(2))
    slope = np.linspace(-1, 1, height)[:, None] * rng.uniform(-30, 30)
    image[:line], image[line:] = (far + slope[:line])[:, None], (near + slope[line:])[:, None]
    count = int(rng.integers(domain.clutter[0], domain.clutter[1] + 1))
    if domain.backgrounds:
        shapes = random_shapes(rng, count, size, (0.08, 0.3), vivid)
        shapes[:, 2] = line * rng.uniform(0.2, 0.8, count)  # panels, cupboards and windows on the wall
        paint(image, shapes)
        add_clouds(rng, image, 4, 24)
    else:
        clouds_first = rng.random() < 0.5
        strength = rng.uniform(3, 32)
        if clouds_first:
            add_clouds(rng, image, strength)
        paint(image, random_shapes(rng, count, size, (0.01, rng.uniform(0.1, 0.35)), vivid))
        if not clouds_first:
            add_clouds(rng, image, 0.4 * strength, 64)
    return image.clip(0, 255)


def occlude(rng: np.random.Generator, image: Array, box: tuple[float, float, float, float], domain: Domain) -> Array:
    """Paint random occluders over the person in ``box`` (left, top, right, bottom), in place; returns the coverage [H, W]."""
    left, top, right, bottom = box
    count = int(rng.integers(1, domain.occluders + 1))
    shapes = random_shapes(rng, count, image.shape[:2], (0.05, 0.2), 0.6)
    shapes[:, 1] = rng.uniform(left, right, count)
    shapes[:, 2] = rng.uniform(top, bottom, count)
    if rng.random() < 0.5:  # a table, wall or car: wide, hides everything below some height
        edge = top + (bottom - top) * rng.uniform(0.4, 0.95)
        half = 0.5 * (bottom - top) * rng.uniform(0.3, 1.0)
        shapes[0, 0] = 0
        shapes[0, 2:5] = edge + half, image.shape[1] * rng.uniform(0.1, 0.8), half
        shapes[0, 5:7] = 1, 0
    return paint(image, shapes)


def sample_light(rng: np.random.Generator, domain: Domain) -> Light:
    """A light from above: from any side, or in a studio mostly from the camera's."""
    elevation = np.deg2rad(rng.uniform(*domain.lamp_elevation_deg))
    azimuth = rng.normal(0, 1.0) if domain.backgrounds else rng.uniform(-np.pi, np.pi)
    direction = (np.cos(elevation) * np.sin(azimuth), -np.sin(elevation), -np.cos(elevation) * np.cos(azimuth))
    tint = 1 + rng.uniform(-domain.tint, domain.tint, (2, 3))
    strength = np.array((rng.uniform(*domain.diffuse), rng.uniform(*domain.ambient)))[:, None] * tint
    return Light(np.array(direction), strength[0], strength[1], rng.uniform(0.05, 0.35))


@numba.njit(cache=True, nogil=True)
def _smear(image, dx, dy, taps, out):  # pragma: no cover - compiled
    height, width, _ = image.shape
    for row in range(height):
        for column in range(width):
            for k in range(3):
                total = 0.0
                for t in range(taps):
                    place = t / (taps - 1) - 0.5
                    r = min(height - 1, max(0, int(row + place * dy + 0.5)))
                    c = min(width - 1, max(0, int(column + place * dx + 0.5)))
                    total += image[r, c, k]
                out[row, column, k] = total / taps


def smear(image: Array, dx: float, dy: float) -> Array:
    """Motion blur of an image [H, W, 3] along a straight path of (dx, dy) pixels."""
    out = np.empty_like(image)
    _smear(image, dx, dy, max(2, int(np.ceil(np.hypot(dx, dy))) + 1), out)
    return out


@dataclass(frozen=True)
class Film:
    """How lens, sensor and file format degrade an image; lengths are fractions of its longer side."""

    smear: tuple[float, float]  # motion blur along x and y
    gain: float
    brightness: float  # 0-255
    defocus: float  # sigma
    resolution: float  # 1 = full
    grain: float  # standard deviation, 0-255
    jpeg_quality: int | None  # None = not compressed


def sample_film(rng: np.random.Generator, domain: Domain) -> Film:
    """The film of a random camera of a domain."""
    length, angle = rng.uniform(*domain.motion_length) * (rng.random() < domain.motion_blur), rng.uniform(0, np.pi)
    return Film(
        smear=(length * np.cos(angle), length * np.sin(angle)),
        gain=rng.uniform(*domain.gain),
        brightness=rng.uniform(*domain.brightness),
        defocus=rng.uniform(*domain.defocus),
        resolution=rng.uniform(0.35, 0.9) if rng.random() < domain.low_resolution else 1.0,
        grain=rng.uniform(*domain.noise),
        jpeg_quality=int(rng.integers(domain.jpeg_quality[0], domain.jpeg_quality[1] + 1)),
    )


def photograph(rng: np.random.Generator, image: Array, film: Film) -> NDArray[np.uint8]:
    """Apply motion blur, exposure, defocus, low resolution, grain and JPEG to an image [H, W, 3]: uint8 [H, W, 3]."""
    side = max(image.shape[:2])
    dx, dy = (side * share for share in film.smear)
    if np.hypot(dx, dy) > 0.5:
        image = smear(image, dx, dy)
    image = image * film.gain + film.brightness
    picture = Image.fromarray(image.clip(0, 255).astype(np.uint8))
    if side * film.defocus > 0.3:
        picture = picture.filter(ImageFilter.GaussianBlur(side * film.defocus))
    if film.resolution < 1:
        width, height = picture.size
        small = (max(1, int(width * film.resolution)), max(1, int(height * film.resolution)))
        picture = picture.resize(small, Image.Resampling.BILINEAR).resize((width, height), Image.Resampling.BILINEAR)
    if film.grain > 0.5:
        grain = rng.standard_normal(image.shape, np.float32) * film.grain
        picture = Image.fromarray((np.asarray(picture) + grain).clip(0, 255).astype(np.uint8))
    if film.jpeg_quality is not None:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=film.jpeg_quality)
        picture = Image.open(buffer)
    return np.asarray(picture)
