"""Runs of frames in which a detector has swapped left and right: found by how joints move, and swapped back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..constants import joint_set
from ..types import Keypoints2D

#: Pairs of joints that are swapped together, from the trunk outwards: a swap takes a pair with all that follow it.
CHAINS: dict[str, tuple[tuple[str, ...], ...]] = {
    "arms": (("Shoulder",), ("Elbow",), ("Wrist",)),
    "legs": (("Hip",), ("Knee",), ("Ankle", "Heel", "BigToe", "SmallToe")),
    "face": (("Eye", "Ear"),),
}
#: How much of its last displacement a joint is expected to repeat.
MOMENTUM = 0.7
#: A distance from the expected place counts up to so many times what is usual for the joint, ...
CAP = 6.0
#: which is at least this share of the person's size.
FLOOR = 0.006
#: Cost of a swap's beginning or end, and of each frame in it, in units of one joint's usual distance.
CHANGE, STAY = 8.0, 0.15
#: A joint that is missing is expected where it was last seen for so many frames.
MEMORY = 10


@dataclass(frozen=True)
class Swap:
    """Frames ``start`` to ``stop`` (exclusive) in which left and right joints were exchanged."""

    start: int
    stop: int
    part: str  # "arms", "legs", "face" or "body"


def find_swaps(keypoints: Keypoints2D) -> np.ndarray:
    """Which joints are swapped with their counterparts: bool [T, J].

    For each chain of pairs (arms, legs, face) the likeliest sequence of swapped and right frames (Viterbi): joints go on as they
    moved, swaps are rare and short. A swap of the whole clip cannot be seen.
    """
    names = joint_set(keypoints.joint_set)
    xy, seen = _points(keypoints)
    swapped = np.zeros(seen.shape, bool)
    size = _size(xy, seen)
    if size is None or len(xy) < 3:
        return swapped
    for levels in CHAINS.values():
        pairs = [
            (level, names.index(f"L_{name}"), names.index(f"R_{name}"))
            for level, group in enumerate(levels) for name in group
            if f"L_{name}" in names and f"R_{name}" in names
        ]  # fmt: skip
        if pairs:
            states = _decode(xy / size, seen, pairs, len(levels))
            for level, left, right in pairs:
                swapped[:, [left, right]] = (states >= len(levels) - level)[:, None]
    return swapped


def swap_back(keypoints: Keypoints2D, swapped: np.ndarray) -> Keypoints2D:
    """Keypoints with the joints of ``swapped`` (bool [T, J]) exchanged with their counterparts."""
    names = joint_set(keypoints.joint_set)
    other = {"L_": "R_", "R_": "L_"}
    partner = [names.index(other[n[:2]] + n[2:]) if n[:2] in other else i for i, n in enumerate(names)]
    index = torch.from_numpy(np.where(swapped, np.array(partner), np.arange(len(names)))).to(keypoints.xy.device)
    return replace(
        keypoints,
        xy=keypoints.xy.gather(1, index[..., None].expand_as(keypoints.xy)),
        confidence=keypoints.confidence.gather(1, index),
    )


def repair_swaps(keypoints: Keypoints2D) -> tuple[Keypoints2D, list[Swap]]:
    """Keypoints with swapped runs swapped back, and those runs in order."""
    swapped = find_swaps(keypoints)
    return swap_back(keypoints, swapped), runs_of(swapped, keypoints.joint_set)


def runs_of(swapped: np.ndarray, joints: str) -> list[Swap]:
    """The runs of frames of ``swapped`` (bool [T, J]); "body" where arms and legs are swapped together."""
    names = joint_set(joints)
    frames = {}
    for part, levels in CHAINS.items():
        own = [i for i, n in enumerate(names) if n[:2] in ("L_", "R_") and any(n[2:] in group for group in levels)]
        frames[part] = swapped[:, own].any(-1) if own else np.zeros(len(swapped), bool)
    body = frames["arms"] & frames["legs"]
    found = [Swap(*run, "body") for run in _runs(body)]
    for part, flags in frames.items():
        found += [Swap(*run, part) for run in _runs(flags & ~body)]
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


def _decode(xy: np.ndarray, seen: np.ndarray, pairs: list[tuple[int, int, int]], levels: int) -> np.ndarray:
    """How many levels of a chain, counted from its end, are swapped in each frame: int [T] from 0 to ``levels``."""
    states = levels + 1
    bits = np.array([[state >= levels - level for state in range(states)] for level, _, _ in pairs]).astype(int)  # [P, S]
    cost = np.zeros((len(xy), states, states, states))  # frame; states two before, one before, now
    for pair, (_, left, right) in enumerate(pairs):
        own = _pair_cost(xy[:, [left, right]], seen[:, [left, right]])  # [T, 2, 2, 2]
        b = bits[pair]
        cost += own[:, b[:, None, None], b[None, :, None], b[None, None, :]]
    change = np.where(np.eye(states, dtype=bool), 0.0, CHANGE)
    cost += change[None, None] + STAY * (np.arange(states) > 0)
    best = np.zeros((states, states))  # of the states before and now
    best += CHANGE * ((np.arange(states) > 0)[:, None] + (np.arange(states) > 0)[None]) * 0.5
    back = np.zeros((len(xy), states, states), int)
    for t in range(1, len(xy)):
        total = best[:, :, None] + cost[t]
        back[t], best = total.argmin(0), total.min(0)
    path = np.zeros(len(xy), int)
    before, now = np.unravel_index(best.argmin(), best.shape)
    for t in range(len(xy) - 1, 0, -1):
        path[t] = now
        before, now = back[t, before, now], before
    path[0] = now
    return path


def _pair_cost(xy: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Cost [T, 2, 2, 2] of whether a pair [T, 2, 2] is swapped two frames before, one before, and now."""
    held, known = _hold(xy, seen)
    before, before2 = _shifted(held, 1), _shifted(held, 2)
    was, was2 = _shifted(known, 1), _shifted(known, 2)
    cost = np.zeros((len(xy), 2, 2, 2))
    order = np.array([[0, 1], [1, 0]])
    for a in (0, 1):
        for b in (0, 1):
            for c in (0, 1):
                p, q, r = xy[:, order[c]], before[:, order[b]], before2[:, order[a]]
                moved = (q - r) * was2[:, order[a], None]
                distance = np.linalg.norm(p - q - MOMENTUM * moved, axis=-1)
                both = seen[:, order[c]] & was[:, order[b]]
                cost[:, a, b, c] = (distance * both).sum(-1)
                if a == b == c == 0:
                    usual = max(FLOOR, float(np.median(distance[both])) if both.any() else 0.0)
                cost[:, a, b, c] = (np.minimum(distance / usual, CAP) * both).sum(-1)
    return cost


def _hold(xy: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Joints where they were last seen, and whether that is at most ``MEMORY`` frames ago."""
    ticks = np.arange(len(xy))[:, None]
    last = np.maximum.accumulate(np.where(seen, ticks, -MEMORY - 1), axis=0)
    return np.take_along_axis(xy, last.clip(min=0)[..., None], 0), ticks - last <= MEMORY


def _shifted(values: np.ndarray, frames: int) -> np.ndarray:
    """Values of some frames before; zero (not known) before the first."""
    out = np.zeros_like(values)
    out[frames:] = values[:-frames]
    return out
