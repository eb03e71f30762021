"""A z-buffer rasteriser for triangle meshes, compiled with numba: about 1 ms for 12,000 faces at 224 x 224.

Points are in pixels, x right, y down; the pixel in row r, column c is sampled at its centre (c + 0.5, r + 0.5).
Depth is in metres along the viewing direction; surfaces nearer than ``NEAR_M`` are not drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numba
import numpy as np
from numpy.typing import NDArray

from ..constants import SMPL24, SMPL_PARENTS
from ..constants import joint_set as names_of

Array = NDArray[np.floating]

NEAR_M = 0.05


@dataclass(frozen=True)
class Raster:
    """What each pixel of an image [H, W] shows."""

    face: NDArray[np.int32]  # [H, W] index of the nearest face, -1 = none
    depth: Array  # [H, W] metres, inf = none
    weights: Array  # [H, W, 3] perspective-correct barycentric weights of the face's corners, 0 = none

    @property
    def mask(self) -> NDArray[np.bool_]:
        """[H, W], True where a face is visible."""
        return self.face >= 0


@dataclass(frozen=True)
class Light:
    """One directional light plus ambient light. Colours are factors per RGB channel."""

    direction: Array  # [3] unit vector from the scene to the light, camera frame (x right, y down, z forward)
    diffuse: Array  # [3]
    ambient: Array  # [3]
    sky: float = 0.2  # how strongly the ambient light comes from above


@numba.njit(cache=True, nogil=True)
def _draw(points, inverse_depth, faces, face, nearest, weights):  # pragma: no cover - compiled
    height, width = face.shape
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ia, ib, ic = inverse_depth[a], inverse_depth[b], inverse_depth[c]
        if ia <= 0 or ib <= 0 or ic <= 0:
            continue
        ax, ay, bx, by, cx, cy = points[a, 0], points[a, 1], points[b, 0], points[b, 1], points[c, 0], points[c, 1]
        left = max(0, int(np.ceil(min(ax, bx, cx) - 0.5)))
        right = min(width - 1, int(np.floor(max(ax, bx, cx) - 0.5)))
        top = max(0, int(np.ceil(min(ay, by, cy) - 0.5)))
        bottom = min(height - 1, int(np.floor(max(ay, by, cy) - 0.5)))
        if left > right or top > bottom:
            continue
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0:
            continue
        scale = 1.0 / area
        step_b, step_c = (cy - ay) * scale, -(by - ay) * scale
        for row in range(top, bottom + 1):
            px, py = left + 0.5 - ax, row + 0.5 - ay
            wb = (px * (cy - ay) - py * (cx - ax)) * scale
            wc = (py * (bx - ax) - px * (by - ay)) * scale
            for column in range(left, right + 1):
                wa = 1.0 - wb - wc
                if wa >= 0 and wb >= 0 and wc >= 0:
                    inverse = wa * ia + wb * ib + wc * ic
                    if inverse > nearest[row, column]:
                        nearest[row, column] = inverse
                        face[row, column] = f
                        weights[row, column, 0] = wa * ia / inverse
                        weights[row, column, 1] = wb * ib / inverse
                        weights[row, column, 2] = wc * ic / inverse
                wb += step_b
                wc += step_c


def rasterize(points: Array, depth: Array, faces: NDArray[np.integer], size: tuple[int, int]) -> Raster:
    """Rasterise a mesh into an image of (height, width): points [V, 2] (pixels), ``depth`` [V] (metres), faces [F, 3]."""
    points = np.ascontiguousarray(points, np.float32)
    depth = np.asarray(depth, np.float32)
    visible = (depth > NEAR_M) & np.isfinite(points).all(-1)
    inverse_depth = np.where(visible, 1 / np.where(visible, depth, 1), 0).astype(np.float32)
    face = np.full(size, -1, np.int32)
    nearest = np.zeros(size, np.float32)
    weights = np.zeros((*size, 3), np.float32)
    _draw(points, inverse_depth, np.ascontiguousarray(faces), face, nearest, weights)
    with np.errstate(divide="ignore"):
        return Raster(face, 1 / nearest, weights)


@numba.njit(cache=True, nogil=True)
def _interpolate(face, weights, faces, values, out):  # pragma: no cover - compiled
    height, width = face.shape
    for row in range(height):
        for column in range(width):
            f = face[row, column]
            if f >= 0:
                for k in range(values.shape[1]):
                    out[row, column, k] = (
                        weights[row, column, 0] * values[faces[f, 0], k]
                        + weights[row, column, 1] * values[faces[f, 1], k]
                        + weights[row, column, 2] * values[faces[f, 2], k]
                    )


def interpolate(raster: Raster, faces: NDArray[np.integer], values: Array) -> Array:
    """Per-vertex values [V, C] -> image [H, W, C], 0 where no face is visible."""
    out = np.zeros((*raster.face.shape, values.shape[1]), np.float32)
    _interpolate(raster.face, raster.weights, np.ascontiguousarray(faces), np.ascontiguousarray(values, np.float32), out)
    return out


@numba.njit(cache=True, nogil=True)
def _resolve(face, weights, faces, colors, factor, out):  # pragma: no cover - compiled
    height, width, _ = out.shape
    share = 1.0 / (factor * factor)
    for row in range(height * factor):
        for column in range(width * factor):
            f = face[row, column]
            if f >= 0:
                r, c = row // factor, column // factor
                for k in range(3):
                    out[r, c, k] += share * (
                        weights[row, column, 0] * colors[faces[f, 0], k]
                        + weights[row, column, 1] * colors[faces[f, 1], k]
                        + weights[row, column, 2] * colors[faces[f, 2], k]
                    )
                out[r, c, 3] += share


def average_samples(raster: Raster, faces: NDArray[np.integer], colors: Array, factor: int = 2) -> Array:
    """Colours [V, 3] averaged over ``factor`` x ``factor`` samples per pixel: [H / factor, W / factor, 4].

    The last channel is the coverage in [0, 1] and the others are premultiplied by it, so ``image * (1 - coverage) + colour``
    composites the mesh over an image.
    """
    height, width = raster.face.shape
    out = np.zeros((height // factor, width // factor, 4), np.float32)
    _resolve(raster.face, raster.weights, faces, np.ascontiguousarray(colors, np.float32), factor, out)
    return out


@numba.njit(cache=True, nogil=True)
def _normals(vertices, faces, out):  # pragma: no cover - compiled
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = vertices[b, 0] - vertices[a, 0], vertices[b, 1] - vertices[a, 1], vertices[b, 2] - vertices[a, 2]
        vx, vy, vz = vertices[c, 0] - vertices[a, 0], vertices[c, 1] - vertices[a, 1], vertices[c, 2] - vertices[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in (a, b, c):
            out[corner, 0] += nx
            out[corner, 1] += ny
            out[corner, 2] += nz
    for v in range(len(out)):
        norm = np.sqrt(out[v, 0] ** 2 + out[v, 1] ** 2 + out[v, 2] ** 2) + 1e-12
        for k in range(3):
            out[v, k] /= norm


def vertex_normals(vertices: Array, faces: NDArray[np.integer]) -> Array:
    """Area-weighted unit normals [V, 3] of vertices [V, 3]; outward if faces are counter-clockwise from outside."""
    out = np.zeros((len(vertices), 3), np.float32)
    _normals(np.ascontiguousarray(vertices, np.float32), np.ascontiguousarray(faces), out)
    return out


def shade(colors: Array, normals: Array, light: Light) -> Array:
    """Lambert shading per vertex: colours [V, 3] in [0, 1] and normals [V, 3] (camera frame) -> lit colours [V, 3]."""
    diffuse = np.maximum(normals @ light.direction, 0)[:, None] * light.diffuse
    ambient = (1 - light.sky * normals[:, 1:2]) * light.ambient
    return np.clip(colors * (diffuse + ambient), 0, 1).astype(np.float32)


@lru_cache
def joint_neighbourhood(joint_set: str = "smpl29") -> NDArray[np.bool_]:
    """[J, 24] bool: the body parts (by SMPL joint) that may cover a joint while it still counts as visible.

    For a skeleton joint these are itself, its parent and its children; for toes and heels the neighbours of the ankle; for
    points of the face none.
    """
    near = np.eye(24, dtype=bool)
    for child, parent in enumerate(SMPL_PARENTS[1:], 1):
        near[child, parent] = near[parent, child] = True
    rows = []
    for name in names_of(joint_set):
        if name.endswith(("Toe", "Heel")):
            name = f"{name[0]}_Ankle"
        rows.append(near[SMPL24.index(name)] if name in SMPL24 else np.zeros(24, bool))
    return np.stack(rows)


def rendered_visibility(
    points: Array, depth: Array, raster: Raster, face_part: NDArray[np.integer],
    covered: NDArray[np.bool_] | None = None, joint_set: str = "smpl29", margin_m: float = 0.04,
) -> NDArray[np.bool_]:  # fmt: skip
    """Which joints are visible: inside the image, not covered, and with no surface in front except their neighbours'.

    Args:
        points, depth: the joints [J, 2] (pixels of the raster) and [J] (metres).
        raster: the body alone.
        face_part: [F] the SMPL joint that moves each face most.
        covered: [H, W] True where something else hides the body.
        margin_m: how far a joint may lie behind the surface of another body part.
    Returns: [J] bool.
    """
    inside, (row, column) = pixels_of(points, raster.face.shape)
    face = raster.face[row, column]
    neighbour = joint_neighbourhood(joint_set)[np.arange(len(points)), face_part[face]] & (face >= 0)
    visible = inside & (neighbour | (raster.depth[row, column] > depth - margin_m))
    return visible if covered is None else visible & ~covered[row, column]


def pixels_of(points: Array, size: tuple[int, ...]) -> tuple[NDArray[np.bool_], tuple[NDArray, NDArray]]:
    """Points [J, 2] -> whether they lie inside an image of (height, width), and (row, column) of its nearest pixel."""
    column, row = np.floor(points).astype(int).T
    inside = (column >= 0) & (column < size[1]) & (row >= 0) & (row < size[0])
    return inside, (row.clip(0, size[0] - 1), column.clip(0, size[1] - 1))
