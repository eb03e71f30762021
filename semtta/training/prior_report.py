"""Numbers of a trained prior: retrieval, similarity distributions, and whether its gradient repairs hidden joints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ..geometry import axis_angle_to_matrix, matrix_from_6d
from ..kinematics import pelvis_frame_positions
from ..priors import InfillPrior, MotionCLIP, Prior
from ..structures import Motion
from . import mocap
from .windows import LEFT_ARM, LEGS, RIGHT_ARM, Batch, WindowSampler, held_out, mean_pose

#: Rotations that are hidden -> joints whose 2D evidence is missing then.
_UNSEEN_JOINTS = {LEGS: (4, 5, 7, 8, 10, 11), LEFT_ARM: (18, 20, 22), RIGHT_ARM: (19, 21, 23)}


class Case(NamedTuple):
    """Windows of one row of the repair table."""

    name: str
    rotations: Tensor  # [B, 60, 24, 3, 3]
    labels: list[str]
    hidden: Tensor  # [B, 24] 1 = rotation unknown
    visible: Tensor  # [B, 60, 24] of joint positions


@dataclass(frozen=True)
class Repair:
    """The protocol: Adam steps on linearly interpolated knots, only hidden joints move, an anchor holds them."""

    steps: int = 40
    knots: int = 20
    rate: float = 0.02
    anchor: float = 0.5


def load_prior(path: str | Path, variant: str) -> MotionCLIP | InfillPrior:
    """Weights file of a variant of ``semtta.training.prior``."""
    return InfillPrior.from_checkpoint(path) if variant == "infill" else MotionCLIP.from_checkpoint(path)


def _hidden_parts(label: str) -> tuple[tuple[int, ...], ...]:
    if any(word in label for word in ("walking", "running")):
        return (LEGS,)
    return tuple(arm for arm, side in ((LEFT_ARM, "right"), (RIGHT_ARM, "left")) if side not in label)


def make_case(name: str, batch: Batch, labels: Sequence[str], legs: bool, count: int, seed: int = 0) -> Case:
    """``count`` random whole windows; legs are hidden, or the arms that the label names."""
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
    """The rows of the table: held-out styles (H) and held-out clips of other motion (D)."""
    style = [c for part in ("train", "val") for c in mocap.load(folder, part) if held_out(c)]
    other = [c for c in mocap.load(folder, "val") if not held_out(c)]

    def batch(clips: list[mocap.MotionClip], words: tuple[str, ...]) -> Batch:
        chosen = [c for c in clips if any(w in c.content for w in words) and c.content in labels]
        return WindowSampler(chosen[:: max(len(chosen) // 80, 1)], labels, augment=False).every(1)

    moving, standing = ("walking", "running"), ("raising", "waving the", "waving both")
    return [
        make_case("legs, locomotion H", batch(style, moving), labels, True, count),
        make_case("legs, locomotion D", batch(other, moving), labels, True, count),
        make_case("legs, standing H", batch(style, standing), labels, True, count),
        make_case("arm, gesture H", batch(style, standing), labels, False, count),
        make_case("arm, gesture D", batch(other, standing), labels, False, count),
    ]


def hide(case: Case, mean_six: Tensor) -> Tensor:
    """The case's rotations with the hidden joints at the mean pose."""
    mean = matrix_from_6d(mean_six, "columns")
    return torch.where(case.hidden[:, None, :, None, None] > 0, mean, case.rotations)


def hidden_error_mm(case: Case, rotations: Tensor) -> Tensor:
    """Mean position error [B] of the joints that hidden rotations move, millimetres, pelvis frame."""
    moved = case.visible == 0
    apart = (pelvis_frame_positions(rotations) - pelvis_frame_positions(case.rotations)).norm(dim=-1)
    return (apart * moved).sum((1, 2)) / moved.sum((1, 2)) * 1000


def repair(prior: Prior, case: Case, start: Tensor, labels: Sequence[str], how: Repair | None = None) -> Tensor:
    """Optimise the hidden rotations by the prior's loss: [B, 60, 24, 3, 3]."""
    how = how or Repair()
    batch, length = start.shape[:2]
    joints = case.hidden.any(0).nonzero()[:, 0]
    delta = torch.zeros(batch, len(joints) * 3, how.knots, requires_grad=True)
    allowed = case.hidden[:, None, joints, None]
    optimiser = torch.optim.Adam([delta], lr=how.rate)

    def moved() -> Tensor:
        line = torch.nn.functional.interpolate(delta, size=length, mode="linear", align_corners=True)
        turn = line.unflatten(1, (len(joints), 3)).permute(0, 3, 1, 2) * allowed
        turned = start[:, :, joints] @ axis_angle_to_matrix(turn + 1e-8)
        return start.index_copy(2, joints, turned)

    for _ in range(how.steps):
        loss = prior.loss(Motion(moved(), visible=case.visible), labels).sum()
        optimiser.zero_grad()
        (loss + how.anchor * delta.square().mean((1, 2)).sum()).backward()
        optimiser.step()
    return moved().detach()


def wrong_labels(case: Case, labels: Sequence[str]) -> list[str]:
    """For each window a label of another kind of motion: gestures for locomotion and the other way round."""
    gesture = [name for name in labels if name.startswith(("raising both", "waving the left", "bowing", "punching"))]
    motion = [name for name in labels if name in ("walking", "running", "jumping", "walking backwards")]
    return [
        (gesture if "walking" in label or "running" in label else motion)[row % 4]
        for row, label in enumerate(case.labels)
    ]


def nearest_copy(case: Case, data: WindowSampler, per_clip: int = 6) -> Tensor:
    """Hidden rotations copied from the training window of the same label whose seen joints are nearest."""
    out = case.rotations.clone()
    for label in sorted(set(case.labels)):
        keep = data.content == data.labels.index(label)
        whole = data.subset(keep.nonzero()[:, 0]).every(per_clip)
        known, place = whole.rotations, pelvis_frame_positions(whole.rotations)
        for row in [i for i, name in enumerate(case.labels) if name == label]:
            seen = case.visible[row, 0] > 0
            here = pelvis_frame_positions(case.rotations[row])
            best = (place[:, :, seen] - here[:, seen]).square().sum(-1).mean((1, 2)).argmin()
            out[row] = torch.where(case.hidden[row][:, None, None] > 0, known[best], case.rotations[row])
    return out


@torch.no_grad()
def scores(prior: MotionCLIP | InfillPrior, batch: Batch, labels: Sequence[str]) -> Tensor:
    """Similarity of every window with every label, [B, labels]; for ``infill`` the logit that the label fits."""
    if isinstance(prior, MotionCLIP):
        motion = Motion(batch.rotations, batch.mask)
        text = prior.encode_text(labels)
        columns = []
        if prior.global_rotation == "exemplar":  # Eq. 4: each label brings its own global rotation
            for i, label in enumerate(labels):
                placed = prior.with_global_rotation(motion, [label] * len(batch.label))
                columns.append(torch.cosine_similarity(prior.encode_motion(placed), text[i], dim=-1))
            return torch.stack(columns, 1)
        feature = prior.encode_motion(prior.with_global_rotation(motion, [labels[0]] * len(batch.label)))
        return torch.cosine_similarity(feature[:, None], text[None], dim=-1)
    motion = Motion(batch.rotations, batch.mask)
    return torch.stack([prior.complete(motion, [label] * len(batch.label)).match for label in labels], 1)


def report(path: str | Path, variant: str, folder: str | Path, count: int = 24) -> dict[str, float]:
    """Print and return the numbers of a weights file."""
    prior = load_prior(path, variant)
    labels = list(prior.labels)
    numbers: dict[str, float] = {}
    style = [c for part in ("train", "val") for c in mocap.load(folder, part) if held_out(c)]
    other = [c for c in mocap.load(folder, "val") if not held_out(c)]
    for name, clips in (("val", other), ("val-style", style)):
        clips = [c for c in clips if c.content in labels]
        clips = clips[:: max(len(clips) // 200, 1)]
        batch = WindowSampler(clips, labels, augment=False).every(1)
        table = scores(prior, batch, labels)
        own = table.gather(1, batch.label[:, None])[:, 0]
        others = table[torch.nn.functional.one_hot(batch.label, len(labels)) == 0]
        numbers[f"retrieval top-1, {name}"] = float((table.argmax(1) == batch.label).float().mean())
        for kind, values in (("matched", own), ("mismatched", others)):
            numbers[f"{kind}, {name}: mean"] = float(values.mean())
            for q in (0.05, 0.5, 0.95):
                numbers[f"{kind}, {name}: quantile {q}"] = float(values.quantile(q))
    for key, value in numbers.items():
        print(f"{key:44s} {value:8.3f}", flush=True)
    train = [c for c in mocap.load(folder, "train") if not held_out(c)]
    data = WindowSampler(train, labels, augment=False)
    numbers |= repair_table(prior, cases(folder, labels, count), data)
    return numbers


def repair_table(prior: MotionCLIP | InfillPrior, rows: Sequence[Case], data: WindowSampler) -> dict[str, float]:
    """Print the hidden joints' error in millimetres before and after, and the threshold's curve."""
    mean_six = mean_pose(data)
    numbers: dict[str, float] = {}
    columns = ["before", "right label", "wrong label", "copy"] + (
        ["completion", "no label"] if isinstance(prior, InfillPrior) else []
    )
    print(f"{'hidden-joint error, mm':24s}" + "".join(f"{c:>13s}" for c in columns))
    found: list[tuple[str, Tensor, Tensor]] = []
    for case in rows:
        start = hide(case, mean_six)
        wrong = wrong_labels(case, prior.labels)
        done = {"before": start, "right label": repair(prior, case, start, case.labels)}
        done["wrong label"] = repair(prior, case, start, wrong)
        done["copy"] = nearest_copy(case, data)
        if isinstance(prior, InfillPrior):
            motion = Motion(start, visible=case.visible)
            every = Motion(start, torch.ones(start.shape[:2], dtype=torch.bool), case.visible)
            for name, given in (("completion", case.labels), ("no label", [""] * len(wrong))):
                made = prior.complete(every, given).rotations
                done[name] = torch.where(case.hidden[:, None, :, None, None] > 0, made, motion.rotations)
        errors = {name: hidden_error_mm(case, rotations) for name, rotations in done.items()}
        print(f"{case.name:24s}" + "".join(f"{float(errors[c].mean()):13.1f}" for c in columns), flush=True)
        numbers |= {f"{case.name}: {c}": float(errors[c].mean()) for c in columns}
        with torch.no_grad():
            for name, given in (("before", case.labels), ("right label", case.labels), ("wrong label", wrong)):
                motion = replace(Motion(done[name], visible=case.visible))
                found.append((name, prior.similarity(motion, given), errors[name]))
    print(
        "threshold: share of windows that pass (start / right / wrong label), mean hidden error of those that pass, mm"
    )
    kinds = ("before", "right label", "wrong label")
    similarity = {kind: torch.cat([s for n, s, _ in found if n == kind]) for kind in kinds}
    error = {kind: torch.cat([e for n, _, e in found if n == kind]) for kind in kinds}
    for sigma in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95):
        shares = " / ".join(f"{float((similarity[k] > sigma).float().mean()):.2f}" for k in kinds)
        right = error["right label"][similarity["right label"] > sigma]
        both = torch.cat([error[k][similarity[k] > sigma] for k in kinds[1:]])
        print(f"  {sigma:.2f}: {shares}   right {float(right.mean()):6.1f}   right or wrong {float(both.mean()):6.1f}")
    return numbers
