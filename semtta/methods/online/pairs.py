"""DAPA's rendered pairs: the person's predicted body in other poses, in the colours of the frame, on the frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ...rendering.rasterizer import Raster, average_samples, pixels_of, rasterize

Array = NDArray[np.floating]

_SUPERSAMPLING = 2
#: How much front and back count beside height and side when an unseen vertex looks for a seen one that is like it.
_DEPTH_SHARE = 0.3


def textures(image: NDArray[np.uint8], points: Array, depth: Array, faces: NDArray[np.int32], rest: Array) -> Array:
    """Colours of a body's vertices from the picture it is predicted in.

    Vertices on faces that are seen take the colour of their pixel. The others take that of the seen vertex which is
    nearest on the body at rest, where left and right count as the same, and front and back nearly so. (DAPA has a
    network for it, which is trained with the pose network on many images.)

    Args:
        image: [S, S, 3].
        points, depth: [V, 2] pixels of the image and [V] metres of the vertices.
        faces: [F, 3].
        rest: [V, 3] vertices at rest, metres, left-right symmetric about x = 0.
    Returns: [V, 3] in [0, 255]; the picture's mean where no vertex is seen.
    """
    size = image.shape[:2]
    raster = rasterize(points, depth, faces, size)
    inside, (row, column) = pixels_of(points, size)
    seen = np.zeros(len(points), bool)
    seen[faces[raster.face[raster.mask]].ravel()] = True
    seen &= inside
    if not seen.any():
        return np.broadcast_to(image.mean((0, 1)), (len(points), 3)).astype(np.float32)
    place = np.stack((np.abs(rest[:, 0]), rest[:, 1], _DEPTH_SHARE * rest[:, 2]), -1)
    nearest = cKDTree(place[seen]).query(place[~seen])[1]
    colors = np.empty((len(points), 3), np.float32)
    colors[seen] = image[row[seen], column[seen]]
    colors[~seen] = colors[seen][nearest]
    return colors


def render_onto(
    image: NDArray[np.uint8], points: Array, depth: Array, faces: NDArray[np.int32], colors: Array
) -> NDArray[np.uint8]:
    """The picture [S, S, 3] with a body of these colours [V, 3] before it; arguments as in ``textures``."""
    size = (image.shape[0] * _SUPERSAMPLING, image.shape[1] * _SUPERSAMPLING)
    raster: Raster = rasterize(points * _SUPERSAMPLING, depth, faces, size)
    person = average_samples(raster, faces, colors, _SUPERSAMPLING)
    return (image * (1 - person[..., 3:]) + person[..., :3]).round().clip(0, 255).astype(np.uint8)
