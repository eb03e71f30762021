"""Links the poses of each frame into tracks of people, largest first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..types import Keypoints2D, not_found

#: Two poses can be the same person if the mean distance of their joints is below this many times the longer box side.
GATE = 0.6
#: The gate widens by this much with every frame in which the person is not detected ...
GATE_GROWTH = 0.05
#: ... up to this.
GATE_MAX = 1.5


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

    A pose continues the track whose last pose is nearest (greedily, nearest pairs first), within a gate that widens while the
    person is not detected. If ``ids`` are unique within each frame (from a tracker), they are used instead.

    Args:
        poses: T arrays [P_t, J, 3]: x, y in pixels and confidence; confidence 0: not detected.
        ids: T lists of P_t integers.

    Returns:
        Tracks [T, J, 3], zeros where not detected, sorted by the sum of their box sides over time: large and long ones first.
    """
    if all(len(frame) <= 1 for frame in poses):  # at most one person per frame: a single track
        ids = [[0] * len(frame) for frame in poses]
    members = (None if ids is None else _by_id(ids)) or _by_distance(poses)
    joints = next((frame.shape[1] for frame in poses if len(frame)), 0)
    tracks = []
    for member in members:
        track = np.zeros((len(poses), joints, 3))
        for frame, index in member:
            track[frame] = poses[frame][index]
        tracks.append((box_sides(track).sum(), track))
    return [track for _, track in sorted(tracks, key=lambda pair: -pair[0])]


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
    members: list[list[tuple[int, int]]] = []  # per track: (frame, index in the frame)
    for frame, people in enumerate(poses):
        if not len(people):
            continue
        pairs = []
        if members:
            last = np.stack([poses[f][p] for f, p in (member[-1] for member in members)])
            unseen = np.array([frame - member[-1][0] - 1 for member in members])
            distance = pose_distances(last, people)
            near = distance <= np.minimum(GATE + GATE_GROWTH * unseen, GATE_MAX)[:, None]
            pairs = [(distance[t, p], t, p) for t, p in np.argwhere(near)]
        taken_tracks, taken_people = set(), set()
        for _, t, p in sorted(pairs):
            if t not in taken_tracks and p not in taken_people:
                members[t].append((frame, p))
                taken_tracks.add(t)
                taken_people.add(p)
        members += [[(frame, p)] for p in range(len(people)) if p not in taken_people]
    return members
