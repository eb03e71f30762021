"""What the included priors are trained on: one batch's losses of each variant."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import binary_cross_entropy_with_logits, cosine_similarity, cross_entropy

from ..geometry import axis_angle_to_matrix, matrix_from_6d, matrix_to_6d, matrix_to_axis_angle
from ..kinematics import pelvis_frame_positions
from ..priors import InfillPrior, MotionCLIP
from ..priors.motionclip import motion_rows
from .windows import PART_GROUPS, Batch, WindowSampler, corrupt, group_masks, smooth6, smooth_noise

#: About how far the end of the chain moves with each rotation, metres: weights of the gradient-direction loss.
LEVERAGE = torch.tensor([
    0, 0.8, 0.8, 0.5, 0.45, 0.45, 0.45, 0.13, 0.13, 0.4, 0.05, 0.05,
    0.2, 0.5, 0.5, 0.1, 0.5, 0.5, 0.3, 0.3, 0.08, 0.08, 0.03, 0.03,
])  # fmt: skip


def tangent_gradient(gradient: Tensor, rotations: Tensor) -> Tensor:
    """Gradient with respect to matrices [..., 3, 3] -> with respect to a right-multiplied rotation vector [..., 3]."""
    a = rotations.mT @ gradient
    return torch.stack((a[..., 2, 1] - a[..., 1, 2], a[..., 0, 2] - a[..., 2, 0], a[..., 1, 0] - a[..., 0, 1]), -1)


class Rollout(nn.Module):
    """Spoilt windows on their way along the prior's own gradient; buffers, so that a resumed run goes on with them.

    A gradient that is only right on fresh corruptions leads off the motions it was trained on within a few steps. Half
    of each batch is therefore what the prior made of the last one, to be judged and corrected like the rest.
    """

    spoilt: Tensor
    clean: Tensor
    mask: Tensor
    label: Tensor
    joints: Tensor
    alive: Tensor
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
