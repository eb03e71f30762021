"""Tests whether a prior's gradient repairs hidden joints: legs or arms are set to the mean pose, then optimised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ..geometry import axis_angle_to_matrix, matrix_from_6d
from ..geometry.kinematics import pelvis_frame_positions
from ..losses.alignment import AlignmentSettings
from ..motions import mocap
from ..motions.windows import LEFT_ARM, LEGS, RIGHT_ARM, Batch, WindowSampler, held_out
from ..priors import InfillPrior, Prior, priors
from ..types import Motion

#: Hidden rotations -> joints whose 2D evidence is then missing.
_UNSEEN_JOINTS = {LEGS: (4, 5, 7, 8, 10, 11), LEFT_ARM: (18, 20, 22), RIGHT_ARM: (19, 21, 23)}


class Case(NamedTuple):
    """The windows of one row of the repair table."""

    name: str
    rotations: Tensor  # [B, 60, 24, 3, 3]
    labels: list[str]
    hidden: Tensor  # [B, 24] 1 = rotation unknown
    visible: Tensor  # [B, 60, 24] of joint positions


@dataclass(frozen=True)
class Repair:
    """The repair protocol: Adam on linearly interpolated knots of the hidden joints, with an L2 penalty (``anchor``).

    The penalty is balanced against a prior whose alignment weight is the paper's; others are scaled by ``alignment_scale``.
    """

    steps: int = 40
    knots: int = 20
    rate: float = 0.05
    anchor: float = 0.5


def _hidden_parts(label: str) -> tuple[tuple[int, ...], ...]:
    if any(word in label for word in ("walking", "running")):
        return (LEGS,)
    return tuple(arm for arm, side in ((LEFT_ARM, "right"), (RIGHT_ARM, "left")) if side not in label)


def make_case(name: str, batch: Batch, labels: Sequence[str], legs: bool, count: int, seed: int = 0) -> Case:
    """``count`` random full-length windows; the legs are hidden, or the arms that the label names."""
    whole = batch.mask.all(-1).nonzero()[:, 0]
    pick = whole[torch.randperm(len(whole), generator=torch.Generator().manual_seed(seed))[:count]]
    names = [labels[i] for i in batch.label[pick].tolist()]
    hidden, visible = torch.zeros(len(pick), 24), torch.ones(len(pick), 60, 24)
    for row, label in enumerate(names):
        for part in (LEGS,) if legs else _hidden_parts(label):
            hidden[row, list(part)] = 1
            visible[row, :, list(_UNSEEN_JOINTS[part])] = 0
    return Case(name, batch.rotations[pick], names, hidden, visible)


def cases(folder: str | Path, labels: Sequence[str], count: int = 24) -> list[Case]:
    """The rows of the table that the motions can fill: held-out styles (H) and other held-out clips (D)."""
    style = [c for part in ("train", "val") for c in mocap.load(folder, part) if held_out(c)]
    other = [c for c in mocap.load(folder, "val") if not held_out(c)]

    moving, standing = ("walking", "running"), ("raising", "waving the", "waving both")
    table = [
        ("legs, locomotion H", style, moving, True), ("legs, locomotion D", other, moving, True),
        ("legs, standing H", style, standing, True),
        ("arm, gesture H", style, standing, False), ("arm, gesture D", other, standing, False),
    ]  # fmt: skip
    rows = []
    for name, clips, words, legs in table:
        chosen = [c for c in clips if any(w in c.content for w in words) and c.content in labels]
        if chosen:  # the user's own motions may have neither the styles nor these labels
            batch = WindowSampler(chosen[:: max(len(chosen) // 80, 1)], labels, augment=False).every(1)
            rows.append(make_case(name, batch, labels, legs, count))
    return rows


def hide(case: Case, mean_six: Tensor) -> Tensor:
    """The case's rotations [B, 60, 24, 3, 3] with the hidden joints in the mean pose."""
    mean = matrix_from_6d(mean_six, "columns")
    return torch.where(case.hidden[:, None, :, None, None] > 0, mean, case.rotations)


def hidden_error_mm(case: Case, rotations: Tensor) -> Tensor:
    """Mean position error [B] of the joints that the hidden rotations move, millimetres, pelvis frame."""
    hidden = case.visible == 0
    distance = (pelvis_frame_positions(rotations) - pelvis_frame_positions(case.rotations)).norm(dim=-1)
    return (distance * hidden).sum((1, 2)) / hidden.sum((1, 2)) * 1000


def alignment_scale(prior: Prior) -> float:
    """The alignment weight that suits a prior, as a multiple of the paper's lambda_align (Eq. 10)."""
    default = AlignmentSettings().weight
    suits = priors.entry(prior.name).suits if prior.name in priors else {}
    return suits.get("losses.align.weight", default) / default


def repair(prior: Prior, case: Case, start: Tensor, labels: Sequence[str], how: Repair | None = None) -> Tensor:
    """Optimise the hidden rotations by the prior's loss; returns rotations [B, 60, 24, 3, 3]."""
    how = how or Repair()
    batch, length = start.shape[:2]
    joints = case.hidden.any(0).nonzero()[:, 0]
    delta = torch.zeros(batch, len(joints) * 3, how.knots, requires_grad=True)
    allowed = case.hidden[:, None, joints, None]
    optimiser = torch.optim.Adam([delta], lr=how.rate)

    def current() -> Tensor:
        line = torch.nn.functional.interpolate(delta, size=length, mode="linear", align_corners=True)
        change = line.unflatten(1, (len(joints), 3)).permute(0, 3, 1, 2) * allowed
        return start.index_copy(2, joints, start[:, :, joints] @ axis_angle_to_matrix(change + 1e-8))

    weight = alignment_scale(prior)
    for _ in range(how.steps):
        loss = weight * prior.loss(Motion(current(), visible=case.visible), labels).sum()
        optimiser.zero_grad()
        (loss + how.anchor * delta.square().mean((1, 2)).sum()).backward()
        optimiser.step()
    return current().detach()


def wrong_labels(case: Case, labels: Sequence[str]) -> list[str]:
    """For each window a label of another kind of motion: a gesture for locomotion and vice versa."""
    gesture = [name for name in labels if name.startswith(("raising both", "waving the left", "bowing", "punching"))]
    motion = [name for name in labels if name in ("walking", "running", "jumping", "walking backwards")]
    pools = [gesture if "walking" in label or "running" in label else motion for label in case.labels]
    pools = [pool or [name for name in labels if name != label] for pool, label in zip(pools, case.labels, strict=True)]
    return [pool[row % len(pool)] for row, pool in enumerate(pools)]


def nearest_copy(case: Case, data: WindowSampler, per_clip: int = 6) -> Tensor:
    """Hidden rotations copied from the training window with the same label whose visible joints are nearest."""
    out = case.rotations.clone()
    for label in sorted(set(case.labels)):
        chosen = data.content == data.labels.index(label)
        windows = data.subset(chosen.nonzero()[:, 0]).every(per_clip).rotations
        positions = pelvis_frame_positions(windows)
        for row in [i for i, name in enumerate(case.labels) if name == label]:
            visible = case.visible[row, 0] > 0
            target = pelvis_frame_positions(case.rotations[row])
            best = (positions[:, :, visible] - target[:, visible]).square().sum(-1).mean((1, 2)).argmin()
            out[row] = torch.where(case.hidden[row][:, None, None] > 0, windows[best], case.rotations[row])
    return out


class Attempt(NamedTuple):
    """A prior's repair of a case: motions [B, 60, 24, 3, 3] by kind: ``before``, ``right label``, ``wrong label``."""

    case: Case
    motions: dict[str, Tensor]
    wrong: list[str]  # the wrong labels


def attempt(prior: Prior, case: Case, mean_six: Tensor, how: Repair | None = None) -> Attempt:
    """Repair a case with the right and with wrong labels."""
    start, wrong = hide(case, mean_six), wrong_labels(case, prior.labels)
    motions = {
        "before": start,
        "right label": repair(prior, case, start, case.labels, how),
        "wrong label": repair(prior, case, start, wrong, how),
    }
    return Attempt(case, motions, wrong)


def print_table(prior: Prior, attempts: Sequence[Attempt], data: WindowSampler) -> dict[str, float]:
    """Print and return the hidden joints' error in millimetres, by row and column, and the mean over the rows.

    Further columns: ``copy``, from ``nearest_copy``; for ``infill`` its completion itself, with the right label and without.
    """
    numbers: dict[str, float] = {}
    columns: list[str] = []
    for case, motions, _ in attempts:
        repaired = {**motions, "copy": nearest_copy(case, data)}
        if isinstance(prior, InfillPrior):
            start = motions["before"]
            motion = Motion(start, torch.ones(start.shape[:2], dtype=torch.bool), case.visible)
            for name, used in (("completion", case.labels), ("no label", [""] * len(start))):
                done = prior.complete(motion, used).rotations
                repaired[name] = torch.where(case.hidden[:, None, :, None, None] > 0, done, start)
        if not columns:
            columns = list(repaired)
            print(f"{'hidden-joint error, mm':24s}" + "".join(f"{c:>13s}" for c in columns))
        errors = {name: float(hidden_error_mm(case, rotations).mean()) for name, rotations in repaired.items()}
        print(f"{case.name:24s}" + "".join(f"{errors[c]:13.1f}" for c in columns), flush=True)
        numbers |= {f"{case.name}: {c}": errors[c] for c in columns}
    means = {c: sum(numbers[f"{a.case.name}: {c}"] for a in attempts) / len(attempts) for c in columns}
    print(f"{'mean':24s}" + "".join(f"{means[c]:13.1f}" for c in columns), flush=True)
    return numbers | {f"mean: {c}": value for c, value in means.items()}
