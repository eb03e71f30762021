"""Drawing into RGB images: a lit mesh, its side view, keypoints and captions."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..geometry import project_to_image
from ..types import BodyParams

Image = NDArray[np.uint8]
Color = tuple[int, int, int]

#: One colour for each motion, everywhere: overlay, report, viewer.
BEFORE: Color = (226, 112, 124)
AFTER: Color = (86, 156, 230)
DETECTED: Color = (255, 255, 255)
FILLED_IN: Color = (255, 150, 20)
CHARCOAL: Color = (28, 32, 38)


def resized(image: Image, width: int, height: int) -> Image:
    """The image [H, W, 3] resized, antialiased."""
    from PIL import Image as Pillow

    if image.shape[:2] == (height, width):
        return image
    return np.asarray(Pillow.fromarray(image).resize((width, height), Pillow.Resampling.BILINEAR, reducing_gap=2.0))


def posed_vertices(body: Any, params: BodyParams, start: int, stop: int) -> NDArray[np.float32]:
    """Vertices [n, V, 3] of frames ``start`` to ``stop``: metres, camera frame; at the origin if there is no translation."""
    span = params[start:stop].to(body.v_template)
    with torch.no_grad():
        vertices = body.vertices(span.rotations, span.betas)
        if span.translation is not None:
            vertices = vertices + span.translation[:, None]
    return vertices.float().cpu().numpy()


def draw_mesh(
    image: Image,
    vertices: NDArray,
    faces: NDArray,
    focal_px: float,
    center_px: tuple[float, float],
    color: Color,
    alpha: float = 0.8,
) -> None:
    """Blend a mesh [V, 3] (metres, camera frame) into ``image`` in place; the camera is in pixels of the image."""
    points = project_to_image(torch.from_numpy(vertices), focal_px, center_px).numpy()
    _paint(image, points, vertices[:, 2], vertices, faces, color, alpha)


def draw_side_view(image: Image, vertices: NDArray, root: NDArray, faces: NDArray, color: Color, pixels_per_metre: float) -> None:
    """Draw a side view of the mesh [V, 3] (metres, camera frame): parallel projection, ``root`` [3] in the middle.

    The camera looks to the left in it, so a person who leans towards the camera leans to the right.
    """
    relative = vertices - root
    rotated = np.stack((-relative[:, 2], relative[:, 1], relative[:, 0]), -1)
    height, width = image.shape[:2]
    points = rotated[:, :2] * pixels_per_metre + (width / 2, height / 2)
    _paint(image, points, rotated[:, 2] + 100, rotated, faces, color, 1.0)


def _paint(image: Image, points: NDArray, depth: NDArray, vertices: NDArray, faces: NDArray, color: Color, alpha: float) -> None:
    """Rasterise, shade and blend, only within the mesh's bounding box."""
    from .rasterizer import Light, rasterize, shade, vertex_normals

    x, y = points[:, 0], points[:, 1]
    height, width = image.shape[:2]
    bounds = np.array((x.min(), y.min(), x.max(), y.max(), depth.min()))
    if not np.isfinite(bounds).all() or bounds[4] < 0.1:
        return
    left, top = max(0, math.floor(bounds[0])), max(0, math.floor(bounds[1]))
    right, bottom = min(width, math.ceil(bounds[2])), min(height, math.ceil(bounds[3]))
    if right <= left or bottom <= top:
        return
    raster = rasterize(points - np.array((left, top), np.float32), depth, faces, (bottom - top, right - left))
    ambient, direction = np.full(3, 0.35, np.float32), np.array((-0.35, -0.6, -0.72), np.float32)
    light = Light(direction, diffuse=2 * ambient, ambient=ambient)
    base = np.empty(vertices.shape, np.float32)
    base[:] = np.array(color) / 255
    lit = shade(base, vertex_normals(vertices, faces), light) * 255
    _blend()(image[top:bottom, left:right], raster.face, raster.weights, faces, lit, alpha)


@lru_cache(maxsize=1)
def _blend() -> Callable[..., None]:
    """``blend(image, face, weights, faces, colors [V, 3] 0 to 255, alpha)``, compiled on first use."""
    import numba

    @numba.njit(cache=True, nogil=True)
    def blend(image, face, weights, faces, colors, alpha):  # pragma: no cover - compiled
        for row in range(face.shape[0]):
            for column in range(face.shape[1]):
                f = face[row, column]
                if f >= 0:
                    for k in range(3):
                        value = 0.0
                        for corner in range(3):
                            value += weights[row, column, corner] * colors[faces[f, corner], k]
                        image[row, column, k] = np.uint8(image[row, column, k] * (1 - alpha) + value * alpha)

    return blend


def draw_points(image: Image, points: NDArray, color: Color, radius: int) -> None:
    """Draw discs with a dark rim at points [N, 2] (pixels); points outside the image or not finite are skipped."""
    height, width = image.shape[:2]
    disc, rim = _discs(radius)
    size = radius + 1
    for x, y in points:
        if not (np.isfinite(x) and np.isfinite(y) and -size <= x < width + size and -size <= y < height + size):
            continue
        left, top = int(x) - size, int(y) - size
        rows, columns = slice(max(top, 0), top + 2 * size + 1), slice(max(left, 0), left + 2 * size + 1)
        region = image[rows, columns]
        cut = np.s_[rows.start - top :, columns.start - left :]
        part = disc[cut][: region.shape[0], : region.shape[1]]
        region[rim[cut][: region.shape[0], : region.shape[1]]] = CHARCOAL
        region[part] = color


@lru_cache(maxsize=8)
def _discs(radius: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    axis = np.arange(-radius - 1, radius + 2)
    distance = np.hypot(axis[:, None], axis[None])
    return distance <= radius - 0.2, distance <= radius + 1


def draw_caption(image: Image, text: str, x: int, y: int, size: int = 15, color: Color = CHARCOAL) -> None:
    """Draw white text on a box (by default dark) whose top left corner is at (x, y), clipped at the image's edges."""
    box = _text_box(text, size, color)
    region = image[y : y + box.shape[0], x : x + box.shape[1]]
    region[:] = box[: region.shape[0], : region.shape[1]]


@lru_cache(maxsize=64)
def _text_box(text: str, size: int, color: Color) -> Image:
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    font = ImageFont.load_default(size)
    left, _, right, _ = font.getbbox(text)
    pad = size // 2
    canvas = Pillow.new("RGB", (int(right - left) + 2 * pad, int(size * 1.2) + pad), color)
    ImageDraw.Draw(canvas).text((pad - left, pad / 2), text, font=font, fill=(255, 255, 255))
    return np.asarray(canvas)
