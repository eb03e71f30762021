"""Who is who across calibrated views and over time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy.optimize import linear_sum_assignment

from .multiview_triangulation import MIN_CONFIDENCE, distances, solve, triangulate

#: Two detections are of the same person if their joints' rays pass within this, in the median (metres).
SAME_PERSON = 0.15
#: A detection continues a person if its joints lie within this of the last ones, in the median (metres).
NEAR = 0.35
#: From so many frames on a person is an established one.
ESTABLISHED = 10
#: Smallest number of joints in common to compare detections by.
MIN_JOINTS = 4


def match_people(projections: np.ndarray, detections: Sequence[np.ndarray], same_person: float = SAME_PERSON) -> list[np.ndarray]:
    """Who is who across views and over time, whatever the order within each view and frame.

    In each frame, known people take the detections nearest to the projections of their last joints (one to one, the least sum
    in each view); what is left is paired across views by how near the rays of equal joints pass, nearest first, and two or more
    views that agree make a new person.

    Args:
        projections: [V, 3, 4], world to normalised coordinates.
        detections: per view [P, T, J, 3]: normalised coordinates without distortion, and confidence (0: not seen).
        same_person: metres.

    Returns:
        Per person, most often seen first: [V, T] int, the number of the detection in each view and frame, -1 for none.
    """
    views, frames = len(detections), detections[0].shape[1]
    people: list[np.ndarray] = []
    last: list[np.ndarray] = []  # [J, 3] per person, NaN where never triangulated
    for t in range(frames):
        free = [_usable(d[:, t]) for d in detections]
        known = [(chosen[:, :t] >= 0).any(0).sum() >= ESTABLISHED for chosen in people]
        for group in (True, False):  # who was there before chooses first: a false person must not take anything from a true one
            choosing = [k for k in range(len(people)) if known[k] == group]
            for view in range(views):
                for k, p in _nearest(projections[view], [last[k] for k in choosing], detections[view][:, t], free[view]):
                    people[choosing[k]][view, t] = p
                    free[view].discard(p)
        for members in _new_people(projections, [d[:, t] for d in detections], free, same_person):
            people.append(np.full((views, frames), -1))
            last.append(np.full((detections[0].shape[2], 3), np.nan))
            for view, p in members:
                people[-1][view, t] = p
        for k, chosen in enumerate(people):
            pose = gathered([d[:, t : t + 1] for d in detections], chosen[:, t : t + 1])[:, 0]
            now = triangulate(projections, pose[..., :2], pose[..., 2]).points
            last[k] = np.where(np.isfinite(now), now, last[k])
    return sorted(people, key=lambda chosen: -(chosen >= 0).sum())


def gathered(detections: Sequence[np.ndarray], chosen: np.ndarray) -> np.ndarray:
    """One person's points [V, T, J, 3] from the numbers [V, T] of ``match_people``; confidence 0 for none."""
    out = np.zeros((*chosen.shape, *detections[0].shape[2:]))
    for view, numbers in enumerate(chosen):
        known = np.flatnonzero(numbers >= 0)
        out[view, known] = detections[view][numbers[known], known]
    return out


def _nearest(projection: np.ndarray, last: list[np.ndarray], poses: np.ndarray, free: set[int]) -> list[tuple[int, int]]:
    """Pairs (person, detection) of one view: ``last`` [J, 3] of each person, ``poses`` [P, J, 3] of the frame."""
    order = sorted(free)
    if not last or not order:
        return []
    cost = np.full((len(last), len(order)), np.inf)
    for k, joints in enumerate(last):
        off = np.stack([distances(projection[None], poses[p, None, :, :2], joints)[0] for p in order])
        off = np.where(np.isfinite(off) & (poses[order][..., 2] >= MIN_CONFIDENCE), off, np.nan)
        enough = np.isfinite(off).sum(1) >= MIN_JOINTS
        if enough.any():
            cost[k, enough] = np.nanmedian(off[enough], 1)
    pairs = zip(*linear_sum_assignment(cost.clip(max=NEAR)), strict=True)  # how far the impossible ones are does not matter
    return [(int(k), order[i]) for k, i in pairs if cost[k, i] < NEAR]


def _new_people(
    projections: np.ndarray, poses: Sequence[np.ndarray], free: Sequence[set[int]], same_person: float
) -> list[list[tuple[int, int]]]:
    """Groups of (view, detection) that are one person, among the ``free`` detections of one frame."""
    pairs = []
    for a, b in combinations(range(len(poses)), 2):
        for p in free[a]:
            for q in free[b]:
                off = _ray_distances(projections[[a, b]], poses[a][p], poses[b][q])
                if np.isfinite(off).sum() >= MIN_JOINTS and (cost := float(np.nanmedian(off))) < same_person:
                    pairs.append((cost, (a, p), (b, q)))
    groups: list[dict[int, int]] = []
    member: dict[tuple[int, int], int] = {}
    for _, one, other in sorted(pairs):
        at = [member.get(one), member.get(other)]
        if at[0] is None and at[1] is None:
            groups.append({})
            at = [len(groups) - 1] * 2
        index = at[0] if at[0] is not None else at[1]
        assert index is not None
        for view, p in (one, other):
            if (view, p) not in member and view not in groups[index]:
                groups[index][view] = p
                member[view, p] = index
    return [sorted(group.items()) for group in groups if len(group) >= 2]


def _ray_distances(projections: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How far two views' points of each joint are from any common point [J], metres; NaN where one of them is not seen."""
    x = np.stack((one[:, :2], other[:, :2]))
    seen = (one[:, 2] >= MIN_CONFIDENCE) & (other[:, 2] >= MIN_CONFIDENCE)
    found = solve(projections, np.where(seen[None, :, None], x, 0.0), np.broadcast_to(seen, (2, len(seen))).astype(float))
    off = distances(projections, x, found).max(0)
    return np.where(seen, off, np.nan)


def nearest_people(projections: np.ndarray, detections: Sequence[np.ndarray], joints: np.ndarray) -> np.ndarray:
    """The number [V, T] of the detection nearest to one person's known joints [T, J, 3] in each view and frame, -1: none.

    Other arguments as in ``match_people``.
    """
    out = np.full((len(detections), joints.shape[0]), -1)
    for view, poses in enumerate(detections):
        for t in range(len(joints)):
            found = _nearest(projections[view], [joints[t]], poses[:, t], _usable(poses[:, t])) if len(poses) else []
            for _, p in found:
                out[view, t] = p
    return out


def _usable(poses: np.ndarray) -> set[int]:
    """The detections [P, J, 3] with enough joints to compare."""
    return {p for p in range(len(poses)) if (poses[p, :, 2] >= MIN_CONFIDENCE).sum() >= MIN_JOINTS}
