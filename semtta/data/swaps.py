"""Runs of frames in which a detector has swapped left and right: found by how joints move, and swapped back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from torch import Tensor

from ..constants import joint_set, mirrored
from ..types import Keypoints2D

#: Pairs of joints that are swapped together, from the trunk outwards: a swap takes a pair with all that follow it.
CHAINS: dict[str, tuple[tuple[str, ...], ...]] = {
    "face": (("Eye", "Ear"),),
    "arms": (("Shoulder",), ("Elbow",), ("Wrist",)),
    "legs": (("Hip",), ("Knee",), ("Ankle", "Heel", "BigToe", "SmallToe")),
}
#: Landmarks that are swapped with another joint.
FOLLOWS = {
    "EyeInner": "Eye", "EyeOuter": "Eye", "Mouth": "Eye", "Pinky": "Wrist", "Index": "Wrist", "Thumb": "Wrist",
}  # fmt: skip
#: How much of its last displacement a joint is expected to repeat.
MOMENTUM = 0.8
#: A distance from the expected place counts up to so many times what is usual for the joint, ...
CAP = 6.0
#: which is at least this share of the person's size.
FLOOR = 0.006
#: Cost of a joint that is seen where none was known, and of one that is not seen any more, in units of its usual distance.
APPEARS, GOES = 2.0, 1.0
#: Cost of a swap's beginning or end, and of each frame in it, in the same units ...
CHANGE, STAY = 7.0, 0.8
#: ... and of a second chain that is swapped with the first.
TOGETHER, STAY_TOGETHER = 2.0, 0.3
#: Cost of a frame whose shoulders or hips face another way than the face: less than STAY, so that a head turned round is no swap.
FACING = 0.6
#: The face says where the body faces if the eyes are so far apart, and a pair if it is; shares of the person's size.
EYES, TRUNK = 0.02, 0.05
#: A joint that is missing is expected where it was last seen for so many frames.
MEMORY = 10


@dataclass(frozen=True)
class Swap:
    """Frames ``start`` to ``stop`` (exclusive) in which left and right joints were exchanged."""

    start: int
    stop: int
    part: str  # "arms", "legs", "face" or "body"

    def __str__(self) -> str:
        last = f"-{self.stop - 1}" if self.stop - 1 > self.start else ""
        return f"{self.part} {self.start}{last}"


def find_swaps(keypoints: Keypoints2D) -> np.ndarray:
    """Which joints are swapped with their counterparts: bool [T, J].

    For each chain of pairs (face, arms, legs) the likeliest sequence of swapped and right frames (Viterbi): joints go on as they
    moved, the trunk faces as the face does, swaps are rare and short. A swap of the whole clip cannot be seen.
    """
    names = joint_set(keypoints.joint_set)
    xy, seen = _points(keypoints)
    swapped = np.zeros(seen.shape, bool)
    size = _size(xy, seen)
    if size is None or len(xy) < 3:
        return swapped
    xy = xy / size
    for parts in (("face",), ("arms", "legs")):
        chains = [chain for part in parts if (chain := _Chain.of(part, names)).pairs]
        if chains:
            facing = [_facing(xy, seen, swapped, names, chain.levels[0][0]) * (chain.part != "face") for chain in chains]
            for chain, states in zip(chains, _decode(xy, seen, chains, facing), strict=True):
                for level, left, right in chain.pairs:
                    swapped[:, [left, right]] = chain.takes(level, states)[:, None]
    return swapped


@dataclass(frozen=True)
class _Chain:
    """Pairs of joints, and the levels of ``CHAINS`` that they are on. Its states: how many levels are swapped, from its end."""

    part: str
    levels: tuple[tuple[str, ...], ...]
    pairs: list[tuple[int, int, int]]  # level, left joint, right joint

    @classmethod
    def of(cls, part: str, names: tuple[str, ...]) -> _Chain:
        found = [(level, f"L_{name}", f"R_{name}") for level, group in enumerate(CHAINS[part]) for name in group]
        pairs = [(level, names.index(left), names.index(right)) for level, left, right in found if {left, right} <= {*names}]
        return cls(part, CHAINS[part], pairs)

    @property
    def states(self) -> int:
        return len(self.levels) + 1

    def takes(self, level: int, states: np.ndarray) -> np.ndarray:
        """Whether a pair on a level is swapped in such states."""
        return states >= len(self.levels) - level


def swap_back(keypoints: Keypoints2D, swapped: np.ndarray) -> Keypoints2D:
    """Keypoints with the joints of ``swapped`` (bool [T, J]) exchanged with their counterparts.

    So are landmarks of the same source: one network gave both.
    """
    names, landmarks = joint_set(keypoints.joint_set), keypoints.landmarks
    xy, confidence = _exchanged(keypoints.joint_set, swapped, keypoints.xy, keypoints.confidence)
    if landmarks is not None and landmarks.source == keypoints.source:
        no = np.zeros(len(swapped), bool)
        flags = [
            swapped[:, names.index(joint)] if (joint := name[:2] + FOLLOWS.get(name[2:], name[2:])) in names else no
            for name in joint_set(landmarks.joint_set)
        ]
        xyz, seen = _exchanged(landmarks.joint_set, np.stack(flags, 1), landmarks.xyz, landmarks.confidence)
        landmarks = replace(landmarks, xyz=xyz, confidence=seen)
    return replace(keypoints, xy=xy, confidence=confidence, landmarks=landmarks)


def _exchanged(joints: str, swapped: np.ndarray, points: Tensor, confidence: Tensor) -> tuple[Tensor, Tensor]:
    order = np.where(swapped, np.array(mirrored(joints)), np.arange(swapped.shape[1]))
    index = torch.from_numpy(order).to(points.device)
    return points.gather(1, index[..., None].expand_as(points)), confidence.gather(1, index)


def repair_swaps(keypoints: Keypoints2D) -> tuple[Keypoints2D, list[Swap]]:
    """Keypoints with swapped runs swapped back, and those runs in order."""
    swapped = find_swaps(keypoints)
    return swap_back(keypoints, swapped) if swapped.any() else keypoints, runs_of(swapped, keypoints.joint_set)


def runs_of(swapped: np.ndarray, joints: str) -> list[Swap]:
    """The runs of frames of ``swapped`` (bool [T, J]); "body" where arms and legs are swapped together."""
    names = joint_set(joints)
    frames: dict[str, np.ndarray] = {}
    for part, levels in CHAINS.items():
        own = [i for i, n in enumerate(names) if n[:2] in ("L_", "R_") and any(n[2:] in group for group in levels)]
        frames[part] = np.asarray(swapped[:, own].any(-1), dtype=bool)
    body = np.logical_and(frames["arms"], frames["legs"])
    found = [Swap(*run, "body") for run in _runs(body)]
    for part, flags in frames.items():
        found += [Swap(*run, part) for run in _runs(np.logical_and(flags, ~body))]  # the face too is of the body
    return sorted(found, key=lambda swap: (swap.start, swap.part))


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _points(keypoints: Keypoints2D) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates [T, J, 2] and whether they are seen [T, J]."""
    xy = keypoints.xy.detach().cpu().double().numpy()
    seen = (keypoints.confidence.detach().cpu().numpy() > 0) & np.isfinite(xy).all(-1)
    return np.where(seen[..., None], xy, 0.0), seen


def _size(xy: np.ndarray, seen: np.ndarray) -> float | None:
    """The person's usual size, pixels: the median longer side of the box of the joints."""
    frames = seen.any(-1)
    if not frames.any():
        return None
    low = np.where(seen[..., None], xy, np.inf).min(1)[frames]
    high = np.where(seen[..., None], xy, -np.inf).max(1)[frames]
    side = float(np.median((high - low).max(-1)))
    return side if side > 0 else None


def _facing(xy: np.ndarray, seen: np.ndarray, swapped: np.ndarray, names: tuple[str, ...], pair: str) -> np.ndarray:
    """How surely a pair of the trunk faces as the eyes do [T]: 1 if it does, -1 if the other way, 0 if nothing is said."""

    def across(name: str, least: float) -> np.ndarray:
        if f"L_{name}" not in names:
            return np.zeros(len(xy))
        left, right = names.index(f"L_{name}"), names.index(f"R_{name}")
        sign = np.where(swapped[:, left], -1.0, 1.0) * (seen[:, left] & seen[:, right])
        return sign * ((xy[:, left, 0] - xy[:, right, 0]) / least).clip(-1, 1)

    return across("Eye", EYES) * across(pair, TRUNK)


def _decode(
    xy: np.ndarray, seen: np.ndarray, chains: list[_Chain], facing: list[np.ndarray]
) -> list[np.ndarray]:  # fmt: skip
    """The likeliest state [T] of each chain: the cheapest path through states of all chains, two frames back (Viterbi)."""
    combined = np.array(list(product(*(range(chain.states) for chain in chains))))  # [S, chains]
    now, before = combined[None, :, :], combined[:, None, :]
    count = ((now != before) & ((now > 0) != (before > 0))).sum(-1) + 2 * ((now != before) & (now > 0) & (before > 0)).sum(-1)
    change = np.where(count > 0, CHANGE + TOGETHER * (count - 1), 0.0)
    swapped = (combined > 0).sum(-1)
    frame = np.where(swapped > 0, STAY + STAY_TOGETHER * (swapped - 1), 0.0) + np.zeros((len(xy), 1))  # [T, S]
    costs = [_chain_cost(xy, seen, chain) for chain in chains]
    for i, chain in enumerate(chains):
        other = combined[:, i] == len(chain.levels)
        frame += FACING * np.where(other, facing[i][:, None], -facing[i][:, None]).clip(0)
    index = [(combined[:, None, None, i], combined[None, :, None, i], combined[None, None, :, i]) for i in range(len(chains))]
    size = len(combined)
    best = np.where(np.eye(size, dtype=bool), 0.5 * change[0] + frame[0], np.inf)  # of the states before and now
    back = np.zeros((len(xy), size, size), np.int16)
    for t in range(1, len(xy)):
        total = best[:, :, None] + (change + frame[t])[None]
        for cost, place in zip(costs, index, strict=True):
            total = total + cost[t][place]
        back[t], best = total.argmin(0), total.min(0)
    path = np.zeros(len(xy), int)
    earlier, state = np.unravel_index(best.argmin(), best.shape)
    for t in range(len(xy) - 1, 0, -1):
        path[t] = state
        earlier, state = back[t, earlier, state], earlier
    path[0] = state
    return [combined[path, i] for i in range(len(chains))]


def _chain_cost(xy: np.ndarray, seen: np.ndarray, chain: _Chain) -> np.ndarray:
    """Cost [T, S, S, S] of a chain's states two frames before, one before, and now."""
    states = np.arange(chain.states)
    cost = np.zeros((len(xy), *(chain.states,) * 3))
    for level, left, right in chain.pairs:
        swapped = chain.takes(level, states).astype(int)
        own = _pair_cost(xy[:, [left, right]], seen[:, [left, right]])
        cost += own[:, swapped[:, None, None], swapped[None, :, None], swapped[None, None, :]]
    return cost


def _pair_cost(xy: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Cost [T, 2, 2, 2] of whether a pair [T, 2, 2] is swapped two frames before, one before, and now."""
    held, known = _hold(xy, seen)
    last, last2, was, was2, just = _before(held, 1), _before(held, 2), _before(known, 1), _before(known, 2), _before(seen, 1)
    order = np.array([[0, 1], [1, 0]])

    def distances(a: int, b: int, c: int) -> tuple[np.ndarray, np.ndarray]:
        moved = (last[:, order[b]] - last2[:, order[a]]) * was2[:, order[a], None]
        distance = np.linalg.norm(xy[:, order[c]] - last[:, order[b]] - MOMENTUM * moved, axis=-1)
        return distance, seen[:, order[c]] & was[:, order[b]]

    distance, both = distances(0, 0, 0)
    usual = max(FLOOR, float(np.median(distance[both])) if both.any() else 0.0)
    cost = np.zeros((len(xy), 2, 2, 2))
    for a, b, c in product((0, 1), repeat=3):
        distance, both = distances(a, b, c)
        appears, goes = seen[:, order[c]] & ~was[:, order[b]], just[:, order[b]] & ~seen[:, order[c]]
        cost[:, a, b, c] = (np.minimum(distance / usual, CAP) * both + APPEARS * appears + GOES * goes).sum(-1)
    return cost


def _hold(xy: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Joints where they were last seen, and whether that is at most ``MEMORY`` frames ago."""
    ticks = np.arange(len(xy))[:, None]
    last = np.maximum.accumulate(np.where(seen, ticks, -MEMORY - 1), axis=0)
    return np.take_along_axis(xy, last.clip(min=0)[..., None], 0), ticks - last <= MEMORY


def _before(values: np.ndarray, frames: int) -> np.ndarray:
    """Values of some frames before; zero (not known) before the first."""
    out = np.zeros_like(values)
    out[frames:] = values[:-frames]
    return out
