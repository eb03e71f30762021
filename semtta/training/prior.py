"""Train the included motion priors: ``python -m semtta.training.prior MOCAP OUT --variant open``.

Variants:
    open: contrastive text alignment through a learnt projection + gradient-direction loss + quality loss.
    open-cosine: MotionCLIP's own losses (cosine to the text feature, reconstruction).
    infill: label-conditioned completion of masked motion.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import SemttaError, unknown_name
from ..kinematics import pelvis_frame_positions
from ..priors import (
    OPEN_CONFIG,
    OPEN_COSINE_CONFIG,
    InfillConfig,
    InfillPrior,
    MotionCLIP,
    MotionCLIPConfig,
    MotionDictionary,
)
from ..priors.text import encode_labels
from . import mocap
from .loop import fit
from .prior_losses import Rollout, cosine_step, infill_step, open_step
from .windows import WindowSampler, all_labels, held_out, mean_pose

VARIANTS = ("open", "open-cosine", "infill")
#: Default sigma of Eq. 6, from the curves in docs/prior.md; that of ``open-cosine`` is the paper's for MotionCLIP.
THRESHOLDS = {"open": 0.4, "open-cosine": 0.75, "infill": 0.2}


@dataclass(frozen=True)
class PriorTraining:
    """What a run needs to know. Steps are of ``batch`` windows; ``minutes`` shortens the schedule to a time budget."""

    variant: str = "open"
    steps: int = 3000
    batch: int = 32
    rate: float = 6e-4
    seed: int = 0
    device: str = "cpu"
    minutes: float | None = None


def build_dictionary(data: WindowSampler) -> MotionDictionary:
    """Text features of the sampler's labels and, for each, the window nearest to the label's mean motion energy."""
    windows = data.every(3)
    energy = pelvis_frame_positions(windows.rotations).diff(dim=1).norm(dim=-1).mean((1, 2))
    flipped = data.mirrored(windows)
    exemplars = []
    for index in range(len(data.labels)):
        source = windows if bool((windows.label == index).any()) else flipped
        rows = (source.label == index).nonzero()[:, 0]
        whole = rows[source.mask[rows].all(-1)]
        rows = whole if len(whole) else rows
        middle = (energy[rows] - energy[rows].quantile(0.6)).abs().argmin()
        exemplars.append(source.rotations[rows[middle]])
    return MotionDictionary(tuple(data.labels), encode_labels(data.labels), torch.stack(exemplars))


def build(variant: str, data: WindowSampler, dictionary: MotionDictionary) -> MotionCLIP | InfillPrior:
    """An untrained prior of a variant, its statistics taken from the data."""
    center = dictionary.text_features.mean(0)
    if variant == "infill":
        infill = InfillPrior(InfillConfig(), dictionary)
        infill.network.mean_six.copy_(mean_pose(data))
        infill.network.text_center.copy_(center)
        return infill
    if variant not in VARIANTS:
        raise unknown_name("prior variant", variant, VARIANTS)
    config: MotionCLIPConfig = OPEN_CONFIG if variant == "open" else OPEN_COSINE_CONFIG
    threshold = THRESHOLDS[variant]
    prior = MotionCLIP(
        config,
        dictionary,
        name=variant,
        global_rotation="identity" if variant == "open" else "exemplar",
        threshold=threshold,
    )
    if variant == "open":
        prior.text_center.copy_(center)
        nn.init.orthogonal_(prior.text_projection.weight)
    else:  # a fixed projection that keeps the labels' cosines exactly
        span = torch.cat((dictionary.text_features, torch.randn(center.numel(), center.numel())))
        basis = torch.linalg.qr(span[: center.numel()].mT).Q.mT[: config.width]
        with torch.no_grad():
            prior.text_projection.weight.zero_()[: len(basis)].copy_(basis)
        prior.text_projection.requires_grad_(False)
    return prior


def train_prior(folder: str | Path, out: str | Path, training: PriorTraining) -> MotionCLIP | InfillPrior:
    """Train a variant on the packed motions in ``folder`` (train split, without the held-out styles); writes ``out``.

    Goes on from ``OUT.checkpoint.pt`` when there is one. The weights file is rewritten at every checkpoint.
    """
    out = Path(out)
    clips = [clip for clip in mocap.load(folder, "train") if not held_out(clip)]
    data = WindowSampler(clips, all_labels(clips))
    torch.manual_seed(training.seed)
    prior = build(training.variant, data, build_dictionary(data)).train()
    mean_six = mean_pose(data)

    rollout = Rollout(training.batch // 2, data.length)
    trained = nn.ModuleDict({"prior": prior, "rollout": rollout}) if training.variant == "open" else prior

    def step(generator: torch.Generator) -> Mapping[str, Tensor]:
        if isinstance(prior, InfillPrior):
            return infill_step(prior, data, training.batch, generator)
        if training.variant == "open":
            return open_step(prior, rollout, data, mean_six, training.batch, generator)
        return cosine_step(prior, data, training.batch, generator)

    provenance = {"steps": training.steps, "batch": training.batch, "rate": training.rate, "seed": training.seed}
    fit(
        trained, step, out, steps=training.steps, rate=training.rate, seed=training.seed, minutes=training.minutes,
        on_checkpoint=lambda at: prior.save(out, trained_steps=at, training=provenance),
    )  # fmt: skip
    return prior.eval()


def main(arguments: list[str] | None = None) -> None:
    """Command line: train, then evaluate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mocap", type=Path, help="folder of packed motions")
    parser.add_argument("out", type=Path, help="weights file to write (.safetensors)")
    parser.add_argument("--variant", default="open", choices=VARIANTS)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=6e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, help="time budget that shortens the schedule")
    parser.add_argument("--evaluate", action="store_true", help="only print the numbers of an existing weights file")
    args = parser.parse_args(arguments)
    try:
        if not args.evaluate:
            options = {k: getattr(args, k) for k in ("variant", "steps", "batch", "rate", "seed", "minutes")}
            train_prior(args.mocap, args.out, PriorTraining(**options))
        from .prior_report import report

        report(args.out, args.variant, args.mocap)
    except SemttaError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
