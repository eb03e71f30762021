"""Triangulation of joints seen by several calibrated cameras, and their filtering over time.

Distances are measured in metres at the joint: the distance in normalised coordinates times the joint's depth.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.ndimage import median_filter
from scipy.signal import butter, sosfiltfilt

#: A view whose point lies farther than this from the joint's projection (metres at the joint) is an outlier.
TOLERANCE = 0.08
#: Smallest confidence of a point that takes part.
MIN_CONFIDENCE = 0.3


@dataclass(frozen=True)
class Triangulated:
    """Joints of one person in the world."""

    points: np.ndarray  # [T, J, 3] metres; NaN where fewer than two views agree
    used: np.ndarray  # [V, T, J] bool, views that took part
    error: np.ndarray  # [V, T, J] distance of each view's point from the projection, metres at the joint; NaN if not seen


def triangulate(
    projections: np.ndarray, points: np.ndarray, confidence: np.ndarray, tolerance: float = TOLERANCE
) -> Triangulated:
    """Robust triangulation: weighted least squares (DLT), leaving out views one by one until the rest agree.

    Each view's two equations ``(x p3 - p1) X = 0`` and ``(y p3 - p2) X = 0`` are weighted by its confidence, and in a second
    pass divided by the depth, so that errors count as angles (Hartley and Sturm, 1997, iterative linear least squares). While a
    view is off by more than ``tolerance`` and at least three remain, the one without which the others agree best is left out;
    two views that disagree give nothing.

    Args:
        projections: [V, 3, 4], world to normalised coordinates.
        points: [V, ..., 2] normalised coordinates without distortion.
        confidence: [V, ...]; below ``MIN_CONFIDENCE``: not seen.
        tolerance: metres at the joint.

    Returns:
        Triangulated, with the same leading dimensions as ``points[0]``.
    """
    shape = points.shape[1:-1]
    x = points.reshape(len(points), -1, 2)
    seen = np.isfinite(x).all(-1) & (confidence.reshape(len(points), -1) >= MIN_CONFIDENCE)
    x = np.where(seen[..., None], x, 0.0)
    weights = np.where(seen, confidence.reshape(len(points), -1), 0.0)
    used = seen.copy()
    found = solve(projections, x, weights * used)
    error = distances(projections, x, found)
    for _ in range(len(points) - 2):
        worst = np.where(used, error, 0).max(0)
        open_ = np.flatnonzero((used.sum(0) > 2) & (worst > tolerance))
        if not len(open_):
            break
        best = np.full(len(open_), np.inf)
        choice = np.zeros(len(open_), dtype=int)
        for view in range(len(points)):
            rest = used[:, open_].copy()
            rest[view] = False
            trial = solve(projections, x[:, open_], weights[:, open_] * rest)
            left = np.where(rest, distances(projections, x[:, open_], trial), 0).max(0)
            better = used[view, open_] & (left < best)
            best, choice = np.where(better, left, best), np.where(better, view, choice)
        used[choice, open_] = False
        found[open_] = solve(projections, x[:, open_], weights[:, open_] * used[:, open_])
        error[:, open_] = distances(projections, x[:, open_], found[open_])
    agreed = (used.sum(0) >= 2) & (np.where(used, error, 0).max(0) <= tolerance)
    found[~agreed] = np.nan
    return Triangulated(
        found.reshape(*shape, 3), (used & agreed).reshape(points.shape[:-1]),
        np.where(seen & agreed, error, np.nan).reshape(points.shape[:-1]),
    )  # fmt: skip


def solve(projections: np.ndarray, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Points [N, 3] from normalised coordinates x [V, N, 2] and weights [V, N]; arbitrary with fewer than two views."""
    p = projections[:, None]  # [V, 1, 3, 4]
    rows = x[..., None] * p[:, :, 2:] - p[:, :, :2]  # [V, N, 2, 4]
    depth = np.ones_like(weights)
    found = np.zeros((x.shape[1], 3))
    for _ in range(2):
        a = rows * (weights / depth)[..., None, None]
        normal = np.einsum("vnri,vnrj->nij", a, a)
        left, right = normal[:, :3, :3], -normal[:, :3, 3]
        ridge = 1e-12 * np.trace(left, axis1=1, axis2=2)[:, None, None] * np.eye(3) + 1e-30 * np.eye(3)
        found = np.linalg.solve(left + ridge, right[..., None])[..., 0]
        depth = np.abs(_depths(projections, found)).clip(min=0.1)
    return found


def _depths(projections: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Depths [V, N] of world points [N, 3]."""
    return np.einsum("vi,ni->vn", projections[:, 2, :3], points) + projections[:, 2, 3:]


def distances(projections: np.ndarray, x: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Distances [V, N] of x [V, N, 2] from the projections of points [N, 3], metres at the point; infinite behind the camera."""
    moved = np.einsum("vij,nj->vni", projections[:, :, :3], points) + projections[:, None, :, 3]
    depth = moved[..., 2:]
    error = np.linalg.norm(x * depth - moved[..., :2], axis=-1)
    return np.where(depth[..., 0] > 0, error, np.inf)


def biases(projections: np.ndarray, points: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """How far the points of each view lie from where the other views put the joints, in the median: [V, 2] metres at the joint.

    A calibration that is off shifts all points of a view; errors of detection do not. Arguments as in ``triangulate``.
    """
    out = np.zeros((len(points), 2))
    for view, projection in enumerate(projections):
        others = np.arange(len(points)) != view
        found = triangulate(projections[others], points[others], confidence[others]).points
        moved = found @ projection[:, :3].T + projection[:, 3]
        off = points[view] * moved[..., 2:] - moved[..., :2]
        off = off[np.isfinite(off).all(-1) & (confidence[view] >= MIN_CONFIDENCE)]
        out[view] = np.median(off, 0) if len(off) else 0.0
    return out


def without_jumps(points: np.ndarray, fps: float, window_s: float = 0.25, tolerance: float = 0.1) -> np.ndarray:
    """Points [T, J, 3] with NaN where one is farther than ``tolerance`` (metres) from the median over ``window_s`` around it."""
    window = 2 * round(window_s * fps / 2) + 1
    known = np.isfinite(points).all(-1)
    at = np.where(known, np.arange(len(points))[:, None], -1)
    last = np.maximum.accumulate(at, 0)  # a gap holds the last known point while the median is taken
    held = np.take_along_axis(points, np.maximum(last, known.argmax(0))[..., None], 0)
    middle = median_filter(np.nan_to_num(held), (window, 1, 1), mode="nearest")
    jumps = np.linalg.norm(points - middle, axis=-1) > tolerance
    return np.where(jumps[..., None], np.nan, points)


def filled(points: np.ndarray, max_gap: int) -> np.ndarray:
    """Points [T, J, 3] with inner gaps (NaN) of at most ``max_gap`` frames filled linearly over time."""
    out = points.copy()
    for j in range(points.shape[1]):
        known = np.flatnonzero(np.isfinite(points[:, j]).all(-1))
        for a, b in pairwise(known):
            if 1 < b - a <= max_gap + 1:
                part = np.linspace(0, 1, b - a + 1)[1:-1, None]
                out[a + 1 : b, j] = (1 - part) * points[a, j] + part * points[b, j]
    return out


def low_passed(points: np.ndarray, fps: float, cutoff: float, order: int = 4) -> np.ndarray:
    """Points [T, J, 3] after a Butterworth filter forwards and backwards (no delay), each run of known frames on its own.

    Runs shorter than the filter's settling time stay as they are.
    """
    if cutoff >= fps / 2:
        return points
    sections = butter(order // 2, cutoff / (fps / 2), output="sos")
    shortest = 3 * (2 * len(sections) + 1) + 1
    out = points.copy()
    for j in range(points.shape[1]):
        known = np.flatnonzero(np.isfinite(points[:, j]).all(-1))
        for run in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1):
            if len(run) > shortest:
                out[run, j] = sosfiltfilt(sections, points[run, j], axis=0, padlen=shortest - 1)
    return out
