"""Links the poses of each frame into tracks of people, largest first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from ..types import Keypoints2D, not_found

#: Two poses can be the same person if the mean distance of their joints is below this many times the longer box side.
GATE = 0.6
#: The gate widens by this much with every frame in which the person is not detected ...
GATE_GROWTH = 0.05
#: ... up to this.
GATE_MAX = 1.5
#: Who has not been detected for so many frames is not looked for any more.
FORGOTTEN = 120
#: A track is expected to go on as it moved, for so many frames at most; of each motion, so much is believed.
AHEAD, STEADY = 5, 0.5
#: Tracks at most: beyond, the smallest and shortest are mistakes of a detector.
MOST = 200


def to_people(
    poses: Sequence[np.ndarray], joint_set: str, source: str, ids: Sequence[Sequence[int]] | None = None
) -> list[Keypoints2D]:
    """``link_people`` with one Keypoints2D [T, J] per person, confidence in [0, 1]."""
    tracks = (torch.from_numpy(track).float() for track in link_people(poses, ids))
    return [Keypoints2D(track[..., :2], track[..., 2].clamp(0, 1), joint_set, source) for track in tracks]


def only_found(poses: np.ndarray) -> np.ndarray:
    """Poses [..., 3] (x, y, confidence) with zeros for the joints that were not found (``semtta.types.not_found``)."""
    values = torch.from_numpy(poses)
    single = values.float()  # what tracks are kept in: numbers beyond it are infinite
    absent = not_found(single[..., :2], single[..., 2]) | (single[..., 2] <= 0)
    return values.where(~absent[..., None], 0.0).numpy()


def link_people(poses: Sequence[np.ndarray], ids: Sequence[Sequence[int]] | None = None) -> list[np.ndarray]:
    """Poses of each frame, in any order -> one track per person.

    A pose continues a track that would be near it, had it moved on as before, within a gate that widens while the person is not
    detected; of all assignments in a frame the one with the most joins and the least sum of distances (Kuhn-Munkres) is taken.
    If ``ids`` are unique within each frame (from a tracker), they are used instead.

    Args:
        poses: T arrays [P_t, J, 3]: x, y in pixels and confidence; confidence 0: not detected.
        ids: T lists of P_t integers.

    Returns:
        Tracks [T, J, 3], zeros where not detected, sorted by the sum of their box sides over time: large and long ones first,
        ``MOST`` at most.
    """
    if all(len(frame) <= 1 for frame in poses):  # at most one person per frame: a single track
        ids = [[0] * len(frame) for frame in poses]
    members = (None if ids is None else _by_id(ids)) or _by_distance(poses)
    joints = next((frame.shape[1] for frame in poses if len(frame)), 0)
    sides = [float(sum(box_sides(poses[frame][[index]])[0] for frame, index in member)) for member in members]
    tracks = []
    for number in sorted(range(len(members)), key=lambda i: -sides[i])[:MOST]:
        track = np.zeros((len(poses), joints, 3))
        for frame, index in members[number]:
            track[frame] = poses[frame][index]
        tracks.append(track)
    return tracks


def box_sides(poses: np.ndarray) -> np.ndarray:
    """Longer side [N] of the box around the detected joints of poses [N, J, 3], pixels; 0 if there are none."""
    low, high = _extent(poses)
    return np.where(np.isfinite(low).all(-1), (high - low).max(-1), 0.0)


def pose_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distances [N, P] between poses a [N, J, 3] and b [P, J, 3], relative to the side of the larger box.

    The mean distance of the joints detected in both; of the boxes' centres if there are none; infinite for an empty pose.
    """
    side = np.maximum(np.maximum.outer(box_sides(a), box_sides(b)), 1.0)
    common = (a[:, None, :, 2] > 0) & (b[None, :, :, 2] > 0)
    joints = np.linalg.norm(a[:, None, :, :2] - b[None, :, :, :2], axis=-1)
    count = common.sum(-1)
    mean = (joints * common).sum(-1) / np.maximum(count, 1)
    centers = [(low + high) / 2 for low, high in (_extent(a), _extent(b))]
    center_distance = np.linalg.norm(centers[0][:, None] - centers[1][None], axis=-1)
    distance = np.where(count > 0, mean, center_distance) / side
    return np.where(np.isfinite(distance), distance, np.inf)


def _extent(poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest x, y [N, 2] of the detected joints; NaN if there are none."""
    seen = poses[..., 2:] > 0
    low = np.where(seen, poses[..., :2], np.inf).min(1)
    high = np.where(seen, poses[..., :2], -np.inf).max(1)
    none = ~seen.any(1)
    return np.where(none, np.nan, low), np.where(none, np.nan, high)


def _by_id(ids: Sequence[Sequence[int]]) -> list[list[tuple[int, int]]] | None:
    """Tracks by id; None if the ids are not unique within a frame."""
    if any(len(set(row)) < len(row) for row in ids):
        return None
    members: dict[int, list[tuple[int, int]]] = {}
    for frame, row in enumerate(ids):
        for index, person in enumerate(row):
            members.setdefault(person, []).append((frame, index))
    return list(members.values())


def _by_distance(poses: Sequence[np.ndarray]) -> list[list[tuple[int, int]]]:
    """Tracks by place: in each frame the assignment of poses to tracks with the least sum of distances, within the gates."""
    members: list[list[tuple[int, int]]] = []  # per track: (frame, index in the frame)
    last: list[np.ndarray] = []  # per track: its last pose
    speed: list[np.ndarray] = []  # per track: pixels a frame, [2]
    for frame, people in enumerate(poses):
        if not len(people):
            continue
        alive = [t for t, member in enumerate(members) if frame - member[-1][0] <= FORGOTTEN]
        chosen: dict[int, int] = {}
        if alive:
            unseen = np.array([frame - members[t][-1][0] - 1 for t in alive])
            expected = np.stack([last[t] for t in alive])
            ahead = np.minimum(unseen + 1, AHEAD)[:, None] * np.stack([speed[t] for t in alive])
            gate = np.minimum(GATE + GATE_GROWTH * unseen, GATE_MAX)[:, None]
            still = pose_distances(expected, people)
            expected[..., :2] += ahead[:, None]
            cost = pose_distances(expected, people)
            cost = np.where((cost <= gate) & (still <= GATE_MAX), cost - 2 * GATE_MAX, 0.0)  # any join is better than none
            chosen = {int(p): alive[t] for t, p in zip(*linear_sum_assignment(cost), strict=True) if cost[t, p] < 0}
        for p, pose in enumerate(people):
            if p in chosen:
                t = chosen[p]
                moved = _shift(last[t], pose) / (frame - members[t][-1][0])
                members[t].append((frame, p))
                last[t], speed[t] = pose, speed[t] + STEADY * (moved - speed[t])
            else:
                members.append([(frame, p)])
                last.append(pose)
                speed.append(np.zeros(2))
    return members


def _shift(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The median motion [2] of the joints in both poses [J, 3]; zero if there are none."""
    both = (before[:, 2] > 0) & (after[:, 2] > 0)
    return np.median(after[both, :2] - before[both, :2], axis=0) if both.any() else np.zeros(2)
