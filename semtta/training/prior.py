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
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import binary_cross_entropy_with_logits, cosine_similarity, cross_entropy

from ..errors import SemttaError, unknown_name
from ..geometry import axis_angle_to_matrix, matrix_from_6d, matrix_to_6d, matrix_to_axis_angle
from ..priors import (
    OPEN_CONFIG,
    OPEN_COSINE_CONFIG,
    InfillConfig,
    InfillPrior,
    MotionCLIP,
    MotionCLIPConfig,
    MotionDictionary,
)
from ..priors.kinematics import pelvis_frame_positions
from ..priors.motionclip import motion_rows
from ..priors.text import encode_labels
from . import mocap
from .loop import fit
from .windows import (
    PART_GROUPS,
    Batch,
    WindowSampler,
    all_labels,
    corrupt,
    group_masks,
    held_out,
    mean_pose,
    smooth6,
    smooth_noise,
)

VARIANTS = ("open", "open-cosine", "infill")
#: About how far the end of the chain moves with each rotation, metres: weights of the gradient-direction loss.
LEVERAGE = torch.tensor(
    [0, 0.8, 0.8, 0.5, 0.45, 0.45, 0.45, 0.13, 0.13, 0.4, 0.05, 0.05]
    + [0.2, 0.5, 0.5, 0.1, 0.5, 0.5, 0.3, 0.3, 0.08, 0.08, 0.03, 0.03]
)  # fmt: skip


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


def tangent_gradient(gradient: Tensor, rotations: Tensor) -> Tensor:
    """Gradient with respect to matrices [..., 3, 3] -> with respect to a right-multiplied rotation vector [..., 3]."""
    a = rotations.mT @ gradient
    return torch.stack((a[..., 2, 1] - a[..., 1, 2], a[..., 0, 2] - a[..., 2, 0], a[..., 1, 0] - a[..., 0, 1]), -1)


class Rollout(nn.Module):
    """Spoilt windows on their way along the prior's own gradient; buffers, so that a resumed run goes on with them.

    A gradient that is only right on fresh corruptions leads off the motions it was trained on within a few steps. Half
    of each batch is therefore what the prior made of the last one, to be judged and corrected like the rest.
    """

    KEEP = 0.8  # chance that a window goes on another step

    def __init__(self, size: int, length: int) -> None:
        super().__init__()
        identity = torch.eye(3).repeat(size, length, 24, 1, 1)
        self.register_buffer("spoilt", identity)
        self.register_buffer("clean", identity.clone())
        self.register_buffer("mask", torch.ones(size, length, dtype=torch.bool))
        self.register_buffer("label", torch.zeros(size, dtype=torch.long))
        self.register_buffer("joints", torch.zeros(size, 24))
        self.register_buffer("alive", torch.zeros(size, dtype=torch.bool))

    def mix(self, clean: Batch, spoilt: Tensor, joints: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Fresh windows with the living ones in place of the first half."""
        size, alive = len(self.alive), self.alive
        fresh = (spoilt, clean.rotations, clean.mask, clean.label, joints)
        kept = (self.spoilt, self.clean, self.mask, self.label, self.joints)
        first = (
            torch.where(alive.view(-1, *[1] * (k.ndim - 1)), k, f[:size]) for k, f in zip(kept, fresh, strict=True)
        )
        return tuple(torch.cat((a, f[size:])) for a, f in zip(first, fresh, strict=True))  # type: ignore[return-value]

    @torch.no_grad()
    def advance(self, state: tuple[Tensor, ...], uphill: Tensor, generator: torch.Generator) -> None:
        """One step of sign descent (Adam's first step) on 20 knots, 0.03 to 0.2 rad."""
        size = len(self.alive)
        length = uphill.shape[1]
        chosen = torch.randperm(len(uphill), generator=generator)[:size]
        knots = torch.nn.functional.adaptive_avg_pool1d(uphill[chosen].flatten(2).mT, 20)
        knots = knots / (knots.abs() + 0.1 * knots.square().mean((1, 2), keepdim=True).sqrt() + 1e-12)
        line = torch.nn.functional.interpolate(knots, size=length, mode="linear", align_corners=True)
        stride = 0.03 * (0.2 / 0.03) ** torch.rand(size, 1, 1, 1, generator=generator)
        turn = stride * line.mT.unflatten(-1, (24, 3)) * state[4][chosen][:, None, :, None]
        self.spoilt.copy_(state[0][chosen] @ axis_angle_to_matrix(turn + 1e-8))
        for name, value in zip(("clean", "mask", "label", "joints"), state[1:], strict=True):
            getattr(self, name).copy_(value[chosen])
        self.alive.copy_(torch.rand(size, generator=generator) < self.KEEP)


def open_step(
    model: MotionCLIP, rollout: Rollout, data: WindowSampler, mean_six: Tensor, batch: int, generator: torch.Generator
) -> Mapping[str, Tensor]:
    """Contrastive + gradient-direction + quality losses on one batch of clean windows and their spoilt copies."""
    drawn = data.sample(batch, generator)
    text = model.encode_text(data.labels)
    state = rollout.mix(drawn, *corrupt(drawn.rotations, mean_six, generator))
    spoilt, clean, mask, label, joints = state
    spoilt = spoilt.requires_grad_()
    with sdpa_kernel(SDPBackend.MATH):  # the fused kernels have no second derivative
        scores = cosine_similarity(model.encoder(_pelvis_rows(clean), mask)[:, None], text[None], dim=-1)
        scores_bad = cosine_similarity(model.encoder(_pelvis_rows(spoilt), mask)[:, None], text[None], dim=-1)
        own, bad = (s.gather(1, label[:, None])[:, 0] for s in (scores, scores_bad))
        (gradient,) = torch.autograd.grad(bad.sum(), spoilt, create_graph=True)
    spoilt = spoilt.detach()
    weight = (joints * LEVERAGE)[:, None, :, None] * mask[..., None, None]
    with torch.no_grad():
        wanted = weight * matrix_to_axis_angle(spoilt.mT @ clean)
        apart = (pelvis_frame_positions(spoilt) - pelvis_frame_positions(clean)).norm(dim=-1)
        error = (apart * joints[:, None]).sum((1, 2)) / (joints.sum(-1) * apart.shape[1])
    found = tangent_gradient(gradient, spoilt) * joints[:, None, :, None]
    rollout.advance(state, found, generator)
    aligned = cosine_similarity(found.flatten(1), wanted.flatten(1), dim=-1, eps=1e-10)
    losses = {
        "contrast": cross_entropy(scores / 0.1, label, label_smoothing=0.05)
        + 0.3 * cross_entropy(scores_bad / 0.1, label),
        "match": (1 - own).mean(),
        "quality": (bad - own.detach() * torch.exp(-error / 0.15)).abs().mean(),
        "direction": (1 - aligned)[error > 0.01].sum() / batch,
    }
    total = losses["contrast"] + 0.5 * losses["match"] + 2 * losses["quality"] + 3 * losses["direction"]
    return {"loss": total, "error": error.mean(), **losses}


def cosine_step(model: MotionCLIP, data: WindowSampler, batch: int, generator: torch.Generator) -> Mapping[str, Tensor]:
    """MotionCLIP's losses: cosine to the text feature; reconstruction of rotations, positions and velocities."""
    clean = data.sample(batch, generator)
    text = model.encode_text([data.labels[i] for i in clean.label.tolist()])
    rows = motion_rows(clean.rotations)
    feature = model.encoder(rows, clean.mask)
    assert model.decoder is not None
    made = model.decoder(feature, rows.shape[-1], clean.mask)
    real = clean.mask[:, None, None]
    six = made.permute(0, 3, 1, 2)[:, :, :24]
    here, there = pelvis_frame_positions(matrix_from_6d(six, "rows")), pelvis_frame_positions(clean.rotations)
    frames = clean.mask[..., None, None]
    losses = {
        "text": (1 - cosine_similarity(feature, text, dim=-1, eps=1e-6)).mean(),
        "rotations": ((made - rows).square() * real).mean(),
        "positions": ((here - there).square() * frames).mean(),
        "velocities": ((made.diff(dim=-1) - rows.diff(dim=-1)).square() * real[..., 1:]).mean(),
    }
    return {"loss": losses["text"] + 100 * (losses["rotations"] + losses["positions"] + losses["velocities"]), **losses}


def imitate_prediction(rotations: Tensor, mean_six: Tensor, generator: torch.Generator) -> Tensor:
    """What an estimator might predict of seen joints: pulled to the mean pose, slowly wandering, jittering."""
    batch, length = rotations.shape[:2]
    chance = torch.rand(batch, 3, 1, 1, 1, generator=generator)
    six = matrix_to_6d(rotations, "columns")
    pulled = six + 0.25 * chance[:, 0] * (mean_six - six)
    slow = 0.2 * chance[:, 1] * smooth_noise((batch, 24), length, generator)
    fast = 0.08 * chance[:, 2] * torch.randn(batch, length, 24, 3, generator=generator)
    return smooth6(pulled) @ axis_angle_to_matrix(slow + fast)


def hide(batch: int, length: int, generator: torch.Generator) -> Tensor:
    """Evidence [batch, length, 24]: part groups hidden for all or part of the time, single joints, whole frames."""
    names = list(PART_GROUPS)
    masks = group_masks(names)
    pick = torch.randint(len(names), (2, batch), generator=generator)
    chance = torch.rand(6, batch, generator=generator)
    hidden = masks[pick[0]]
    hidden = torch.maximum(hidden, masks[pick[1]] * (chance[0] < 0.2)[:, None])
    scattered = (torch.rand(batch, 24, generator=generator) < 0.25).float()
    hidden = torch.where((chance[1] < 0.15)[:, None], scattered, hidden)
    everything = (chance[1] > 0.93)[:, None]  # nobody in view
    hidden = torch.where(everything, torch.ones(()), hidden)
    first = (chance[2] * length * 0.8)[:, None]
    last = first + (0.15 + chance[3])[:, None] * length
    time = torch.arange(length)
    span = ((time >= first) & (time < last)).float()
    span = torch.where((chance[4] < 0.6)[:, None] & ~everything, torch.ones(()), span)
    level = torch.where(chance[5] < 0.7, torch.ones(()), 0.5 + chance[5] / 2)
    none = (torch.rand(batch, generator=generator) < 0.08).float()[:, None, None]  # nothing hidden: denoise
    return (1 - hidden[:, None] * span[..., None] * (1 - none)) * level[:, None, None]


def infill_step(
    model: InfillPrior, data: WindowSampler, batch: int, generator: torch.Generator
) -> Mapping[str, Tensor]:
    """Completion of masked windows; a fifth of the labels is wrong (they train ``match`` only), a tenth is absent."""
    clean = data.sample(batch, generator)
    network = model.network
    evidence = hide(batch, clean.mask.shape[1], generator)
    chance = torch.rand(batch, generator=generator)
    other = torch.randint(len(data.labels), (batch,), generator=generator)
    other = torch.where(torch.rand(batch, generator=generator) < 0.3, data.mirror_label[clean.label], other)
    label = torch.where(chance < 0.2, other, clean.label)
    right = label == clean.label
    assert model.dictionary is not None
    text = model.dictionary.text_features[label] * (chance < 0.9)[:, None]
    seen = imitate_prediction(clean.rotations, network.mean_six, generator)
    done = network(seen, evidence, text, clean.mask)
    weight = (right[:, None, None] * clean.mask[..., None]) * (0.25 + (1 - evidence))
    count = weight.sum().clamp(min=1)
    turn = (done.rotations - clean.rotations).abs().mean((-2, -1))
    here, there = pelvis_frame_positions(done.rotations), pelvis_frame_positions(clean.rotations)
    apart = (here - there).square().sum(-1).add(1e-8).sqrt()
    speed = (here.diff(dim=1) - there.diff(dim=1)).square().sum(-1).add(1e-8).sqrt()
    sharp = (done.error_m.log() - apart.detach().add(1e-3).log()).abs()
    losses = {
        "rotations": (weight * turn).sum() / count,
        "positions": (weight * apart).sum() / count,
        "velocities": (weight[:, 1:] * speed).sum() / count,
        "error": (weight * sharp).sum() / count,
        "label": binary_cross_entropy_with_logits(done.match, right.float()),
    }
    total = 3 * losses["rotations"] + 10 * losses["positions"] + 10 * losses["velocities"] + 0.05 * losses["error"]
    return {"loss": total + 0.2 * losses["label"], **losses}


def _pelvis_rows(rotations: Tensor) -> Tensor:
    root = torch.eye(3).to(rotations).expand_as(rotations[:, :, :1])
    return motion_rows(torch.cat((root, rotations[:, :, 1:]), 2))


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
    prior = MotionCLIP(
        config, dictionary, name=variant, global_rotation="identity" if variant == "open" else "exemplar"
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
        on_checkpoint=lambda at: prior.save(out, trained_steps=at, training=provenance) and None,
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
