"""Evaluation of a trained prior: retrieval, similarities of right and wrong labels, repair, fill-in threshold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..motions import mocap
from ..motions.windows import Batch, WindowSampler, held_out
from ..priors import InfillPrior, MotionCLIP, OpenPrior
from ..types import Motion
from .prior_repair import attempt, cases, print_table
from .prior_thresholds import choose_threshold, fill_in_curve, print_curve


def load_prior(path: str | Path, variant: str) -> MotionCLIP | InfillPrior:
    """The prior in a weights file of a variant of ``semtta.training.prior``."""
    kinds: dict[str, type[MotionCLIP] | type[InfillPrior]] = {"infill": InfillPrior, "open": OpenPrior}
    return kinds.get(variant, MotionCLIP).from_checkpoint(path)


@torch.no_grad()
def retrieval_scores(prior: MotionCLIP | InfillPrior, batch: Batch) -> Tensor:
    """Scores [B, labels] of each window against each label: cosine of features; for ``infill`` its logit."""
    motion = Motion(batch.rotations, batch.mask)
    if isinstance(prior, InfillPrior):
        return torch.stack([prior.complete(motion, [label] * len(batch.label)).match for label in prior.labels], 1)
    feature = prior.encode_motion(prior.with_global_rotation(motion, [prior.labels[0]] * len(batch.label)))
    return torch.cosine_similarity(feature[:, None], prior.encode_text(prior.labels)[None], dim=-1)


@torch.no_grad()
def similarities(prior: MotionCLIP | InfillPrior, batch: Batch, wrong: int = 3) -> tuple[Tensor, Tensor]:
    """Similarity (Eq. 3) of each window with its own label [B] and with ``wrong`` random other labels [wrong * B]."""
    motion = Motion(batch.rotations, batch.mask)
    step = torch.randint(1, len(prior.labels), (wrong, len(batch.label)), generator=torch.Generator().manual_seed(0))
    matched, *others = (
        prior.similarity(motion, [prior.labels[i] for i in index])
        for index in (batch.label.tolist(), *((batch.label + step) % len(prior.labels)).tolist())
    )
    return matched, torch.cat(others)


def retrieval(prior: MotionCLIP | InfillPrior, folder: str | Path) -> dict[str, float]:
    """Retrieval and similarities on clips of ``val`` and of held-out styles (one window per clip, about 200 clips)."""
    numbers: dict[str, float] = {}
    labels = list(prior.labels)
    style = [c for part in ("train", "val") for c in mocap.load(folder, part) if held_out(c)]
    other = [c for c in mocap.load(folder, "val") if not held_out(c)]
    for name, clips in (("val", other), ("val-style", style)):
        clips = [c for c in clips if c.content in labels]
        if not clips:
            continue
        batch = WindowSampler(clips[:: max(len(clips) // 200, 1)], labels, augment=False).every(1)
        numbers[f"retrieval top-1, {name}"] = float((retrieval_scores(prior, batch).argmax(1) == batch.label).float().mean())
        for kind, values in zip(("matched", "mismatched"), similarities(prior, batch), strict=True):
            numbers[f"{kind}, {name}: mean"] = float(values.mean())
            for q in (0.05, 0.5, 0.95):
                numbers[f"{kind}, {name}: quantile {q}"] = float(values.quantile(q))
    return numbers


@torch.no_grad()
def decoded(prior: MotionCLIP, judge: MotionCLIP | InfillPrior, labels: Sequence[str]) -> dict[str, float]:
    """Whether the decoder's motions match their labels, judged by a separately trained prior.

    The fraction of labels that ``judge`` ranks first and among the first three, and the mean ratio of the motion's movement to
    that of the label's exemplar.
    """
    from ..geometry.kinematics import pelvis_frame_positions

    motions = prior.decode(labels, prior.window)
    batch = Batch(motions, torch.ones(motions.shape[:2], dtype=torch.bool), torch.arange(len(labels)))
    scores = retrieval_scores(judge, batch)
    matched = scores.gather(1, torch.tensor([judge.labels.index(label) for label in labels])[:, None])
    rank = (scores > matched).sum(1)
    assert prior.dictionary is not None
    exemplars = torch.stack([prior.dictionary.exemplar(label, prior.window) for label in labels])
    movement = [pelvis_frame_positions(m).diff(dim=1).norm(dim=-1).mean((1, 2)) for m in (motions, exemplars)]
    return {
        "decoded, first of all labels": float((rank == 0).float().mean()),
        "decoded, among the first three": float((rank < 3).float().mean()),
        "decoded, movement as a share of the exemplar's": float((movement[0] / movement[1]).mean()),
    }


def report(
    path: str | Path, variant: str, folder: str | Path, judge: str | Path | None = None, count: int = 12
) -> dict[str, float]:
    """Print and return the numbers of a weights file; ``judge``: a weights file of ``open`` that judges decoded motions."""
    prior = load_prior(path, variant)
    numbers = retrieval(prior, folder)
    if judge is not None and isinstance(prior, MotionCLIP) and prior.decoder is not None:
        numbers |= decoded(prior, OpenPrior.from_checkpoint(judge), prior.labels)
    for key, value in numbers.items():
        print(f"{key:48s} {value:8.3f}", flush=True)
    train = [c for c in mocap.load(folder, "train") if not held_out(c)]
    data = WindowSampler(train, prior.labels, augment=False)
    attempts = [attempt(prior, case, data.mean_six) for case in cases(folder, prior.labels, count)]
    if not attempts:
        print("No held-out motion of walking, running, raising or waving: nothing to repair; the default threshold stays.")
        return numbers
    numbers |= print_table(prior, attempts, data)
    curve = fill_in_curve(prior, attempts)
    print_curve(curve)
    print(f"threshold {choose_threshold(curve):.2f} chosen on these; {prior.threshold:.2f} in the file")
    return numbers | {"threshold": choose_threshold(curve)}
