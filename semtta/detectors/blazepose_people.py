"""Several people followed by BlazePose: found again and again, each followed by their landmarks, and told apart.

Where the detector finds somebody whom nobody follows, the landmark model follows them from there on, and back through the last
frames. Of two who are followed to one place, the one whose motion and colours fit less was lost to the other; who is lost is
looked for where they would be.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from ..constants import BLAZEPOSE33
from .blazepose_models import Pose, Roi
from .runs import Run, join_runs, unlike

Square = tuple[float, float, float] | None  # centre x, centre y, side; None: the whole picture
Find = Callable[[np.ndarray, Square, Sequence[Pose]], list[Roi]]
Follow = Callable[[np.ndarray, Roi, Sequence[Pose]], Pose | None]

#: Somebody new is looked for so often (seconds, and frames at least), and who was lost for so long.
SEARCH_S, SEARCH, LOST_S = 1 / 3, 5, 1.0
#: Bytes of the last frames that are kept to follow somebody new back in time, and seconds of them at most.
KEPT_BYTES, KEPT_S = 160_000_000, 1.0
#: Least presence of somebody new.
NEW_PRESENCE = 0.7
#: Two poses are of one body if their points are nearer than this on average, and may be partly so up to the second (of its size).
SAME, MIXED = 0.15, 0.3
#: A region is followed already if a followed person's middle is so near to its own.
TAKEN = 0.12
#: Somebody new whose box lies by more than this in that of another is a part of theirs.
ON_TOP = 0.6
#: Who is found further away from where they would be (of their size) is somebody else.
ASTRAY = 0.25
#: Frames of which motion and colours are those that a person is known by.
KNOWN_BY = 15
#: Who is seen for less than so many seconds is nobody.
SEEN_S = 0.3
#: A track goes over to somebody else where it looks less like itself by this (a Hellinger distance) than like them, for the
#: frames that follow; it is asked from this many frames on.
OVER, FEWEST = 0.15, 4
#: Levels of each colour channel in a look.
LEVELS = 8

_LOOK = [
    [BLAZEPOSE33.index(name) for name in names]
    for names in (("L_Shoulder", "R_Shoulder", "L_Hip", "R_Hip"), ("L_Hip", "R_Hip", "L_Knee", "R_Knee"))
]


@dataclass(eq=False)
class Track:
    """One person as followed: poses and looks by frame."""

    poses: dict[int, Pose] = field(default_factory=dict)
    looks: dict[int, np.ndarray] = field(default_factory=dict)

    @property
    def last(self) -> int:
        return max(self.poses)

    def before(self, frame: int) -> list[int]:
        """The last ``KNOWN_BY`` frames before one, in order."""
        return sorted(t for t in self.poses if frame - 2 * KNOWN_BY <= t < frame)[-KNOWN_BY:]

    def drift(self, before: int) -> np.ndarray:
        """The motion [2] of the person's middle before a frame, pixels a frame."""
        frames = self.before(before)[-6:]
        if len(frames) < 3:
            return np.zeros(2)
        middles = np.stack([middle(self.poses[t]) for t in frames])
        return np.asarray((middles[-1] - middles[0]) / (frames[-1] - frames[0]))


def middle(pose: Pose) -> np.ndarray:
    """The middle [2] of the trunk, pixels."""
    return np.asarray(pose.points[_LOOK[0], :2].mean(0))


def size_of(pose: Pose) -> float:
    """The size of the person, pixels."""
    low, high = pose.points[:, :2].min(0), pose.points[:, :2].max(0)
    return max(float((high - low).max()), 1.0)


def distance(one: Pose, other: Pose) -> float:
    """The mean distance of two poses' points, relative to the smaller person."""
    off = np.linalg.norm(one.points[:, :2] - other.points[:, :2], axis=-1).mean()
    return float(off) / min(size_of(one), size_of(other))


def covered(one: Pose, other: Pose) -> float:
    """The share of the box of one pose that lies in the other's."""
    low, high = np.stack([(pose.points[:, :2].min(0), pose.points[:, :2].max(0)) for pose in (one, other)], 1)
    both = (high.min(0) - low.max(0)).clip(min=0).prod()
    return float(both / max((high[0] - low[0]).prod(), 1.0))


def look_of(frame: np.ndarray, pose: Pose) -> np.ndarray:
    """Histograms [2 x 3 x LEVELS] of the colours of trunk and thighs; their sum is 1."""
    height, width = frame.shape[:2]
    u, v = np.meshgrid(np.linspace(0.15, 0.85, 9), np.linspace(0.1, 0.9, 12))
    parts = []
    for quad in _LOOK:
        a, b, c, d = pose.points[quad, :2]
        top, bottom = a + u[..., None] * (b - a), c + u[..., None] * (d - c)
        x, y = np.moveaxis((top + v[..., None] * (bottom - top)).round().astype(int), -1, 0)
        colours = frame[y.clip(0, height - 1), x.clip(0, width - 1)].reshape(-1, 3).astype(np.int32) * LEVELS >> 8
        parts += [np.bincount(colours[:, channel], minlength=LEVELS) for channel in range(3)]
    histogram = np.concatenate(parts).astype(np.float32)
    return histogram / histogram.sum()


def squares(size: tuple[int, int]) -> list[Square]:
    """Where to look, one after the other: the whole picture (None) and overlapping squares of it."""
    width, height = size
    short, long = min(size), max(size)
    count = int(np.ceil(2 * (long / short - 1))) + 1
    if count < 2:
        return [None]
    middles = np.linspace(short / 2, long - short / 2, count)
    tiles = [(m, height / 2, short) if width >= height else (width / 2, m, short) for m in map(float, middles)]
    return [square for tile in tiles for square in (None, tile)]


class Followers:
    """Follows up to ``most`` people through the frames of a clip of ``fps`` frames a second."""

    def __init__(self, find: Find, follow: Follow, size: tuple[int, int], fps: float, most: int) -> None:
        self._find, self._follow, self._most = find, follow, most
        self._squares, self._looked = squares(size), 0
        self._every, self._lost_for = max(SEARCH, round(SEARCH_S * fps)), max(1, round(LOST_S * fps))
        kept = min(max(round(KEPT_S * fps), self._every), KEPT_BYTES // (3 * size[0] * size[1]))
        self._kept: deque[tuple[int, np.ndarray]] = deque(maxlen=max(1, kept))
        self._active: list[Track] = []
        self._lost: list[Track] = []
        self.tracks: list[Track] = []

    def run(self, frames: Iterable[np.ndarray]) -> int:
        """Follow people through all frames; how many these were."""
        count = 0
        for number, frame in enumerate(frames):
            self._step(number, frame)
            count = number + 1
        return count

    def _step(self, number: int, frame: np.ndarray) -> None:
        for track in list(self._active):
            pose = self._follow(frame, _region(track, number), ())
            if pose is None:
                pose = self._behind(track, number, frame)
            if pose is None:
                self._lose(track)
            else:
                self._add(track, number, frame, pose)
        self._separate(number, frame)
        self._lost = [track for track in self._lost if track.poses and number - track.last <= self._lost_for]
        if len(self._active) < self._most:
            self._search(number, frame)
        self._kept.append((number, frame))

    def _add(self, track: Track, number: int, frame: np.ndarray, pose: Pose) -> None:
        track.poses[number], track.looks[number] = pose, look_of(frame, pose)

    def _lose(self, track: Track) -> None:
        self._active.remove(track)
        self._lost.append(track)

    def _behind(self, track: Track, number: int, frame: np.ndarray) -> Pose | None:
        """The pose of somebody who was lost, beside the others in a frame, who are painted over; None if they are not there."""
        roi = _region(track, number)
        near = [other.poses[number] for other in self._active if other is not track and number in other.poses]
        near = [pose for pose in near if np.linalg.norm(middle(pose) - roi.center) < roi.side]
        pose = self._follow(frame, roi, near) if near else None
        if pose is None or np.linalg.norm(_center(pose) - roi.center) > ASTRAY * roi.reach:
            return None
        return None if any(distance(pose, other) < SAME for other in near) else pose

    def _separate(self, number: int, frame: np.ndarray) -> None:
        """Of two tracks in one place, the one that fits less to what it was before is wrong.

        It is looked for behind the other; if it is not found there, it is lost from where they mingled on.
        """
        for one, other in combinations(list(self._active), 2):
            if one not in self._active or other not in self._active:
                continue
            if distance(one.poses[number], other.poses[number]) < SAME:
                wrong, right = (one, other) if self._strange(one, number) > self._strange(other, number) else (other, one)
                del wrong.poses[number], wrong.looks[number]
                if wrong.poses and (pose := self._behind(wrong, number, frame)) is not None:
                    self._add(wrong, number, frame, pose)
                    continue
                self._lose(wrong)
                for t in sorted(wrong.poses, reverse=True):
                    if t not in right.poses or distance(wrong.poses[t], right.poses[t]) > MIXED:
                        break
                    del wrong.poses[t], wrong.looks[t]
                if not wrong.poses:
                    self.tracks.remove(wrong)

    def _strange(self, track: Track, number: int) -> float:
        """How little a track's pose in a frame fits to what it was before."""
        frames = track.before(number - 2)
        if not frames:
            return 2.0
        pose, then = track.poses[number], track.poses[frames[-1]]
        expected = middle(then) + track.drift(frames[-1] + 1) * (number - frames[-1])
        moved = float(np.linalg.norm(middle(pose) - expected)) / size_of(pose)
        known = np.mean([track.looks[t] for t in frames], 0)
        return moved + unlike(known, track.looks[number]) + 1.0 / len(frames)

    def _search(self, number: int, frame: np.ndarray) -> None:
        """Start to follow whom the detector finds, and who was lost and is where they would be."""
        if number % max(1, self._every // 3) == 0:
            for lost in list(self._lost):
                roi = _region(lost, number)
                self._start(number, frame, self._behind(lost, number, frame) or self._follow(frame, roi, ()))
        if self._active and number % self._every:
            return
        for square in self._next_squares(number):
            if len(self._active) >= self._most:
                return
            for roi in self._find(frame, square, [track.poses[number] for track in self._active]):
                if all(np.linalg.norm(_center(t.poses[number]) - roi.center) >= TAKEN * roi.reach for t in self._active):
                    self._start(number, frame, self._somebody(number, frame, roi))

    def _next_squares(self, number: int) -> Sequence[Square]:
        """Where to look for people now: everywhere at first, then here and there in turn."""
        if number == 0:
            return list(dict.fromkeys(self._squares))
        self._looked += 1
        turn = self._looked % len(self._squares)
        return [self._squares[turn] if self._active or number % self._every == 0 else None]

    def _somebody(self, number: int, frame: np.ndarray, roi: Roi) -> Pose | None:
        """The pose of somebody new in a region: who is there without those who are known, not on top of one, and twice alike."""
        known = [track.poses[number] for track in self._active]
        near = [pose for pose in known if np.linalg.norm(middle(pose) - roi.center) < roi.side]
        first = self._follow(frame, roi, near)
        if first is None or any(covered(first, pose) > ON_TOP for pose in near):
            return None
        if not near:
            return first
        pose = self._follow(frame, first.following, ())
        if pose is None or any(distance(pose, other) < SAME for other in near):
            return self._follow(frame, first.following, near)
        return pose if distance(first, pose) < MIXED else None

    def _start(self, number: int, frame: np.ndarray, pose: Pose | None) -> None:
        """Follow a pose, if it is somebody whom nobody follows."""
        if pose is None or pose.presence < NEW_PRESENCE or len(self._active) >= self._most:
            return
        if any(distance(pose, track.poses[number]) < SAME for track in self._active):
            return
        track = Track()
        self._add(track, number, frame, pose)
        self._active.append(track)
        self.tracks.append(track)
        self._back(track)

    def _back(self, track: Track) -> None:
        """Follow somebody new back through the frames that are kept, up to where they are lost, or another was."""
        for number, frame in reversed(self._kept):
            pose = self._follow(frame, _region(track, number), ())
            if pose is None:
                return
            for other in self.tracks:
                if other is not track and number in other.poses and distance(pose, other.poses[number]) < SAME:
                    return
            self._add(track, number, frame, pose)


def _region(track: Track, number: int) -> Roi:
    """Where a followed person would be in a frame, from the frame nearest to it before or, if there is none, after it."""
    if number < track.last:
        return track.poses[number + 1].following
    ahead = number - track.last - 1
    return track.poses[track.last].following.moved(track.drift(track.last + 1) * ahead)


def _center(pose: Pose) -> np.ndarray:
    return pose.following.center


def joined(tracks: Sequence[Track], count: int, fps: float) -> list[dict[int, Pose]]:
    """The poses by frame of each person: tracks that are one person's joined, the largest and longest seen first.

    Who is seen for less than ``SEEN_S`` seconds, and half of the clip, is taken for a mistake.
    """
    runs = []
    for number, track in enumerate(tracks):
        if frames := sorted(track.poses):
            poses, looks = np.stack([track.poses[t].points for t in frames]), np.stack([track.looks[t] for t in frames])
            runs.append(Run(number, np.array(frames), poses, looks))
    runs = [piece for run in runs for piece in _pieces(run, [other for other in runs if other is not run])]
    people = [
        {t: tracks[run.track].poses[t] for run in chain for t in run.frames.tolist()}
        for chain in join_runs(runs, np.arange(count) / fps)
    ]
    long = [poses for poses in people if len(poses) >= min(SEEN_S * fps, count / 2)]
    return sorted(long, key=lambda poses: -sum(size_of(pose) for pose in poses.values()))


def _pieces(run: Run, others: Sequence[Run]) -> list[Run]:
    """The run, in two where it goes over to somebody, known by their looks, who is not followed any more."""
    assert run.looks is not None
    best, place = OVER, 0
    for i in range(FEWEST, len(run.frames) - FEWEST + 1):
        own, then = run.looks[max(0, i - KNOWN_BY) : i].mean(0), run.looks[i : i + KNOWN_BY].mean(0)
        for other in others:
            if other.looks is not None and other.last < run.frames[i] and len(other.frames) >= FEWEST:
                over = unlike(own, then) - unlike(other.looks[-KNOWN_BY:].mean(0), then)
                best, place = max((best, place), (over, i))
    if not place:
        return [run]
    return [Run(run.track, run.frames[own], run.poses[own], run.looks[own]) for own in (slice(place), slice(place, None))]
