"""Runs of a track in which it is surely one person, and runs joined into people.

What a tracker, or the ids of another program, call one person need not be one: a track may jump to somebody else, or go on beyond
a cut. Here tracks end where a person cannot have moved so far, and what ends goes on with what begins near it soon after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import percentile_filter
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .tracks import box_sides

#: How far a person moves, in their sizes: at once, for what detectors err; so much a second (a sprint is five) at first, and less
#: after ``SOON_S``, because who is seen again after a gap may be anybody; and at most.
ERROR, SPEED, SOON_S, LATER, FARTHEST = 0.3, 4.0, 0.1, 1.0, 1.2
#: Their size in the picture changes at most by this factor from one frame with them to the next.
RESIZE = 2.0
#: Runs with so many seconds without the person between them are not joined.
GAP_S = 1.0
#: Runs may be joined that overlap for so many seconds: the first then counts.
OVERLAP_S = 0.1
#: A run's last or first motion, for where it would have been, is that of so many seconds; it counts for at most as many.
MOTION_S = 0.25
#: Cost of a join: of the whole gap, and of another track; joins are made up to the third. (A distance costs up to 1, as does a
#: change of size.)
LATE, OTHER, DEAREST = 0.3, 0.3, 1.5
#: Cost of looks that are unlike, over what is usual between looks of one person; each is the mean of so many frames.
UNLIKE, USUAL, NEAREST = 2.0, 0.25, 30


@dataclass(frozen=True)
class Run:
    """Frames of one track in which it is one person."""

    track: int
    frames: np.ndarray  # [N] in order, those in which there is a pose
    poses: np.ndarray  # [N, J, 3] x, y, confidence
    looks: np.ndarray | None = None  # [N, C] histograms of what the person looks like; None: not known

    @property
    def first(self) -> int:
        return int(self.frames[0])

    @property
    def last(self) -> int:
        return int(self.frames[-1])

    def after(self, frame: int) -> Run:
        """What of it comes after a frame."""
        keep = self.frames > frame
        return Run(self.track, self.frames[keep], self.poses[keep], None if self.looks is None else self.looks[keep])


def runs_of(tracks: Sequence[np.ndarray], times: np.ndarray, cuts: Sequence[int] = ()) -> list[Run]:
    """The runs of tracks [T, J, 3] (x, y, confidence), each cut at cuts, at gaps of ``GAP_S`` seconds and where it jumps.

    times: [T] seconds; cuts: frames with which another shot begins.
    """
    runs = []
    for number, track in enumerate(tracks):
        frames = np.flatnonzero((track[..., 2] > 0).any(-1))
        if not len(frames):
            continue
        before, after = frames[:-1], frames[1:]
        poses = track[frames]
        far = _far(poses[:-1], poses[1:], _sizes(poses, times[frames]), times[after] - times[before])
        ends = (far > 1) | _apart(before, after, times, cuts)
        places = np.flatnonzero(ends) + 1
        runs += [Run(number, *own) for own in zip(np.split(frames, places), np.split(poses, places), strict=True)]
    return runs


def join_runs(runs: Sequence[Run], times: np.ndarray, cuts: Sequence[int] = ()) -> list[list[Run]]:
    """Runs that are one person, in order: what ends is joined with what begins where it would be, at the least sum of costs."""
    if not runs:
        return []
    pairs, costs = [], []
    begins = np.array([run.first for run in runs])
    order = np.argsort(begins, kind="stable")
    for i, run in enumerate(runs):
        low = np.searchsorted(times[begins[order]], times[run.last] - OVERLAP_S - 1e-6, side="right")
        high = np.searchsorted(times[begins[order]], times[run.last] + GAP_S + _step(times), side="right")
        for j in order[low:high]:
            if runs[j].first <= run.first or runs[j].last <= run.last:
                continue
            cost = _join_cost(run, runs[j], times, cuts)
            if cost < DEAREST:
                pairs.append((i, int(j)))
                costs.append(cost)
    following = _cheapest(pairs, costs, len(runs))
    chains = []
    for i in sorted(set(range(len(runs))) - set(following.values())):
        chain = [i]
        while chain[-1] in following:
            chain.append(following[chain[-1]])
        own = [runs[chain[0]]]
        for k in chain[1:]:
            own.append(runs[k].after(own[-1].last))
        chains.append(own)
    return chains


def _join_cost(one: Run, other: Run, times: np.ndarray, cuts: Sequence[int]) -> float:
    other = other.after(one.last)
    end, begin = one.frames[-1:], other.frames[:1]
    if _apart(end, begin, times, cuts)[0]:
        return float("inf")
    a, b = one.poses, other.poses
    sizes = np.array([_sizes(a, times[one.frames])[-1], _sizes(b, times[other.frames])[0]])
    gap = float(times[begin[0]] - times[end[0]])
    ahead = min(gap, MOTION_S)
    here, there = a[-1].copy(), b[0].copy()
    here[:, :2] += _velocity(a, times[one.frames], sizes[0], last=True) * ahead / 2  # each comes half of the way
    there[:, :2] -= _velocity(b, times[other.frames], sizes[1], last=False) * ahead / 2
    far = float(_far(here[None], there[None], sizes, np.array([gap]))[0])
    if far > 1:
        return float("inf")
    cost = far + LATE * gap / GAP_S + OTHER * (one.track != other.track)
    if one.looks is not None and other.looks is not None:
        cost += UNLIKE * (unlike(one.looks[-NEAREST:].mean(0), other.looks[:NEAREST].mean(0)) - USUAL)
    return cost


def unlike(one: np.ndarray, other: np.ndarray) -> float:
    """The Hellinger distance of two histograms [C] whose sums are 1: 0 (alike) to 1."""
    return float(np.sqrt(max(0.0, 1 - np.sqrt(one * other).sum())))


def _cheapest(pairs: list[tuple[int, int]], costs: list[float], count: int) -> dict[int, int]:
    """Which run follows which: each at most one and by one, so that the sum of (cost - ``DEAREST``) is least."""
    if not pairs:
        return {}
    ends, begins = np.array(pairs).T
    value = np.array(costs) - DEAREST  # negative: a join pays
    graph = coo_array((np.ones(len(ends)), (ends, begins + count)), shape=(2 * count, 2 * count))
    _, group = connected_components(graph, directed=False)
    following: dict[int, int] = {}
    for number in np.unique(group[ends]):
        own = np.flatnonzero(group[ends] == number)
        rows, row = np.unique(ends[own], return_inverse=True)
        columns, column = np.unique(begins[own], return_inverse=True)
        table = np.zeros((len(rows), len(columns)))
        table[row, column] = value[own]
        following |= {
            int(rows[r]): int(columns[c]) for r, c in zip(*linear_sum_assignment(table), strict=True) if table[r, c] < 0
        }
    return following


def _apart(before: np.ndarray, after: np.ndarray, times: np.ndarray, cuts: Sequence[int]) -> np.ndarray:
    """Whether a cut lies between frames [N] and later ones [N], or ``GAP_S`` seconds without a pose."""
    shots = np.searchsorted(np.sort(np.asarray(cuts, dtype=int)), np.stack([before, after]), side="right")
    unseen = times[after] - times[np.minimum(before + 1, after)]
    return (shots[0] != shots[1]) | (unseen >= GAP_S - 1e-6)


def _far(a: np.ndarray, b: np.ndarray, sizes: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """How far poses b [N, J, 3] are from a, relative to how far a person can have moved: beyond 1 it is somebody else.

    The median distance of the joints in both, of the boxes' middles if there are fewer than three. sizes: [N + 1], of a person
    who is in ``a[0]``, then in each of b.
    """
    both = (a[..., 2] > 0) & (b[..., 2] > 0)
    enough = both.sum(-1) >= 3
    both = both | ~np.asarray(both.any(-1))[:, None]  # no warning of medians of nothing
    moved = np.nanmedian(np.where(both, np.linalg.norm(a[..., :2] - b[..., :2], axis=-1), np.nan), -1)
    middle = np.linalg.norm(_middle(a) - _middle(b), axis=-1)
    pairs = np.stack([sizes[:-1], sizes[1:]])
    reach = ERROR + SPEED * np.minimum(seconds, SOON_S) + LATER * np.maximum(seconds - SOON_S, 0)
    reach = np.minimum(reach, FARTHEST) * pairs.max(0)
    resized = np.abs(np.log(pairs[1] / pairs[0])) / np.log(RESIZE)
    return np.maximum(np.where(enough, moved, middle) / reach, resized)


def _sizes(poses: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The size [N] in the picture of the person of poses [N, J, 3]: a large box side of half a second."""
    sides = box_sides(poses).clip(min=1.0)
    reach = max(1, round(0.5 / _step(times)))
    return percentile_filter(sides, 75, size=min(reach, len(sides)), mode="nearest")


def _velocity(poses: np.ndarray, times: np.ndarray, size: float, last: bool) -> np.ndarray:
    """The motion [2] of the middle of a run's last or first poses, pixels a second; of none if there are too few."""
    near = np.abs(times - times[-1 if last else 0]) <= MOTION_S + 1e-6
    if near.sum() < 3:
        return np.zeros(2)
    seconds, middle = times[near] - times[near].mean(), _middle(poses[near])
    slope = (seconds @ (middle - middle.mean(0))) / (seconds @ seconds)
    speed = float(np.linalg.norm(slope)) / size
    return np.asarray(slope * min(1.0, SPEED / max(speed, 1e-9)))


def _middle(poses: np.ndarray) -> np.ndarray:
    """The mean place [N, 2] of the joints that are seen."""
    weight = (poses[..., 2] > 0)[..., None]
    return (poses[..., :2] * weight).sum(1) / weight.sum(1).clip(min=1)


def _step(times: np.ndarray) -> float:
    """Seconds between frames, usually."""
    return float(np.median(np.diff(times))) if len(times) > 1 else 1 / 30
