"""Labelled motions drawn from the recipes, and packed files of them that are read like motion capture's.

The motion of one number, label, split and seed is always the same. Splits never share a motion whatever the seeds: the split is
part of what every motion's random numbers are made from, and so is the fact that a motion was drawn by ``sample``.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from ...errors import SemttaError, unknown_name
from ...types import Progress
from ..mocap import FPS, MotionClip, save_file
from . import everyday, exercise, hands, sport
from .curves import Draw
from .limits import beyond_limits
from .plan import Plan
from .recipe import Recipe
from .skeleton import Solved, skeleton, solve

SOURCE, LICENCE = "procedural", "CC0-1.0"
#: What a motion is for, in the order of the numbers that go into its random stream; ``fresh`` are those of ``sample``.
PURPOSES = ("train", "val", "test", "fresh")
SHORTEST_SECONDS, LONGEST_SECONDS = 2.0, 120.0
#: A draw beyond the joints' ranges by more degrees, faster (degrees per second), or whose feet miss the floor by more metres
#: is drawn again.
SLACK_DEGREES, FASTEST, FARTHEST, MOST_TRIES = 4.0, 1500.0, 0.015, 50


def recipes() -> dict[str, Recipe]:
    """Every recipe by its label.

    >>> recipes()["doing push-ups"].content
    'doing push-ups'
    """
    return {recipe.content: recipe for part in (everyday, exercise, hands, sport) for recipe in part.RECIPES}


def find(label: str) -> Recipe:
    """The recipe of a label or of another name for it; raises SemttaError for an unknown one.

    >>> find("push-ups").content
    'doing push-ups'
    """
    known = {name: recipe for recipe in recipes().values() for name in (recipe.content, *recipe.also)}
    if label.strip().lower() in known:
        return known[label.strip().lower()]
    raise unknown_name("procedural motion", label, known)


def draw(recipe: Recipe, rng: np.random.Generator, seconds: float) -> tuple[Plan, Solved]:
    """One motion of a recipe: its plan and the joint angles that follow it, of at most ``seconds``."""
    length = min(seconds, recipe.longest or seconds)
    for _ in range(MOST_TRIES):
        plan = recipe.plan(Draw(rng, round(length * FPS), FPS))
        solved = solve(plan, skeleton())
        if plausible(plan, solved):
            return plan, solved
    raise RuntimeError(f"The recipe of '{recipe.content}' gave no plausible motion in {MOST_TRIES} tries.")


def plausible(plan: Plan, solved: Solved) -> bool:
    """Whether joints stay within their ranges and below the fastest speed, and feet that carry weight where they should be."""
    carry = slice(None) if plan.planted is None else plan.planted
    if solved.missed[carry].max(initial=0) > FARTHEST or beyond_limits(solved.axis_angle).max() > SLACK_DEGREES:
        return False
    turns = Rotation.from_rotvec(solved.axis_angle.reshape(-1, 3))
    steps = turns[:-24].inv() * turns[24:]
    return bool(np.degrees(steps.magnitude().max()) * FPS < FASTEST)


def sample(generator: torch.Generator | np.random.Generator, label: str | None = None, seconds: float = 6.0) -> MotionClip:
    """A fresh motion, of a random label by default; never one of a file's val or test motions.

    Args:
        generator: source of randomness; the same state gives the same motion.
        label: one of ``recipes()``.
        seconds: its length, 2 to 120; motions that happen once, like sitting down, are shorter.
    Raises:
        SemttaError: for an unknown label or another length.
    """
    if isinstance(generator, torch.Generator):
        seed = int(torch.randint(2**62, (1,), generator=generator, device=generator.device))
    else:
        seed = int(generator.integers(2**62))
    rng = np.random.default_rng([seed, PURPOSES.index("fresh")])
    known = list(recipes().values())
    return _clip(find(label) if label else known[rng.integers(len(known))], rng, seconds, f"fresh-{seed:016x}")


def procedural_motions(
    labels: Sequence[str] | None = None,
    count: int = 60,
    seed: int = 0,
    seconds: float = 6.0,
    split: str = "train",
    progress: Progress | None = None,
) -> list[MotionClip]:
    """``count`` motions of each label at 30 frames per second, in SMPL's convention: y up, feet on y = 0, facing +z at first.

    Args:
        labels: some of ``recipes()``; default: all.
        count: motions of each label.
        seed: another one gives other motions.
        seconds: their mean length, 2 to 120; each is 0.7 to 1.3 times as long, or as long as its recipe allows.
        split: train, val or test: different motions of the same kind.
    Raises:
        SemttaError: for an unknown label or split, or a number out of range.
    """
    if split not in PURPOSES[:3]:
        raise unknown_name("split", split, PURPOSES[:3])
    if count < 1 or seed < 0:
        raise SemttaError(f"Motions need a count of at least 1 and a seed of at least 0, not {count} and {seed}.")
    chosen = list({recipe.content: recipe for recipe in map(find, labels)}.values()) if labels else list(recipes().values())
    clips = []
    for done, recipe in enumerate(chosen):
        if progress:
            progress(f"{split}: {recipe.content}", done, len(chosen))
        for number in range(count):
            rng = np.random.default_rng([seed, PURPOSES.index(split), zlib.crc32(recipe.content.encode()), number])
            name = f"{split}-{seed}-{recipe.content.replace(' ', '-')}-{number}"
            clips.append(_clip(recipe, rng, seconds, name, spread=0.3))
    return clips


def write(
    folder: Path,
    labels: Sequence[str] | None = None,
    count: int = 60,
    seed: int = 0,
    seconds: float = 6.0,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Write ``procedural_train.npz``, ``_val`` and ``_test``; val and test hold a tenth as many motions, at least one a label.

    Returns:
        How many motions each split has.
    Raises:
        SemttaError: as ``procedural_motions``.
    """
    numbers = {}
    for split in PURPOSES[:3]:
        part = count if split == "train" else max(1, count // 10)
        clips = procedural_motions(labels, part, seed, seconds, split, progress)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(folder / f"{SOURCE}_{split}.npz", clips, LICENCE)
        numbers[split] = len(clips)
    return numbers


def _clip(recipe: Recipe, rng: np.random.Generator, seconds: float, name: str, spread: float = 0.0) -> MotionClip:
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise SemttaError(f"Procedural motions last {SHORTEST_SECONDS:.0f} to {LONGEST_SECONDS:.0f} seconds, not {seconds}.")
    _, solved = draw(recipe, rng, seconds * rng.uniform(1 - spread, 1 + spread))
    start = solved.joints[0, 0] * (1, 0, 1)
    return MotionClip(
        clip_id=name,
        source=SOURCE,
        content=recipe.content,
        style="normal",
        text=f"a person is {recipe.content}",
        axis_angle=solved.axis_angle.reshape(-1, 72).astype(np.float32),
        trans=(solved.joints[:, 0] - start).astype(np.float32),
    )
