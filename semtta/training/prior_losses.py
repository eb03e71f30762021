"""The training losses of the included priors: one step's losses for each variant."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cosine_similarity, cross_entropy

from ..geometry import axis_angle_to_matrix, matrix_from_6d, matrix_to_6d
from ..geometry.kinematics import pelvis_frame_positions
from ..motions.windows import PART_GROUPS, Batch, WindowSampler, corrupt, group_masks, orthonormalise, restyle, smooth_noise
from ..priors import InfillPrior, MotionCLIP
from ..priors.motionclip import motion_rows


class Rollout(nn.Module):
    """Corrupted windows that move towards the network's completion over several steps, kept in buffers so that runs resume.

    Adaptation moves a motion gradually and queries the network at each step, so the network must also judge its own partial
    completions, not only fresh corruptions.
    """

    corrupted: Tensor
    clean: Tensor
    mask: Tensor
    label: Tensor
    joints: Tensor
    active: Tensor
    KEEP = 0.7  # probability that a window is kept for another step

    def __init__(self, size: int, length: int) -> None:
        super().__init__()
        identity = torch.eye(3).repeat(size, length, 24, 1, 1)
        self.register_buffer("corrupted", identity)
        self.register_buffer("clean", identity.clone())
        self.register_buffer("mask", torch.ones(size, length, dtype=torch.bool))
        self.register_buffer("label", torch.zeros(size, dtype=torch.long))
        self.register_buffer("joints", torch.zeros(size, 24))
        self.register_buffer("active", torch.zeros(size, dtype=torch.bool))

    def mix(self, clean: Batch, corrupted: Tensor, joints: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Corrupted, clean, mask, label, joints of the fresh windows, the first ones replaced by the active windows."""
        size, active = len(self.active), self.active
        fresh = (corrupted, clean.rotations, clean.mask, clean.label, joints)
        kept = (self.corrupted, self.clean, self.mask, self.label, self.joints)
        first = (torch.where(active.view(-1, *[1] * (k.ndim - 1)), k, f[:size]) for k, f in zip(kept, fresh, strict=True))
        return tuple(torch.cat((a, f[size:])) for a, f in zip(first, fresh, strict=True))  # type: ignore[return-value]

    @torch.no_grad()
    def advance(self, state: tuple[Tensor, ...], completed: Tensor, generator: torch.Generator) -> None:
        """Move the corrupted joints of ``size`` random windows 10 to 70 % of the way to the completion."""
        size = len(self.active)
        chosen = torch.randperm(len(completed), generator=generator)[:size]
        fraction = (0.1 + 0.6 * torch.rand(size, 1, 1, 1, generator=generator)) * state[4][chosen][:, None, :, None]
        before, after = (matrix_to_6d(x[chosen], "columns") for x in (state[0], completed))
        self.corrupted.copy_(orthonormalise(before + fraction * (after - before)))
        for name, value in zip(("clean", "mask", "label", "joints"), state[1:], strict=True):
            getattr(self, name).copy_(value[chosen])
        self.active.copy_(torch.rand(size, generator=generator) < self.KEEP)


def open_step(model: MotionCLIP, data: WindowSampler, batch: int, generator: torch.Generator) -> Mapping[str, Tensor]:
    """Contrastive loss of the encoder: the right label among all labels, for clean windows and their corrupted copies.

    What remains of a corrupted motion shows which labels are possible; how corrupted it is, the completion network tells.
    """
    clean = data.sample(batch, generator)
    rotations = simulate_prediction(restyle(clean.rotations, generator), data.mean_six, generator)
    corrupted, _ = corrupt(rotations, data.mean_six, generator)
    text = model.encode_text(data.labels)
    feature = model.encoder(_pelvis_rows(torch.cat((rotations, corrupted))), clean.mask.repeat(2, 1))
    scores = cosine_similarity(feature[:, None], text[None], dim=-1).unflatten(0, (2, batch))
    matched = scores[0].gather(1, clean.label[:, None])[:, 0]
    losses = {
        "contrast": cross_entropy(scores[0] / 0.1, clean.label, label_smoothing=0.05),
        "contrast_spoilt": cross_entropy(scores[1] / 0.1, clean.label, label_smoothing=0.05),  # named as in recorded curves
        "match": (1 - matched).mean(),
        "top1": (scores[0].argmax(-1) == clean.label).float().mean(),
    }
    total = losses["contrast"] + 0.3 * losses["contrast_spoilt"] + 0.3 * losses["match"]
    return {"loss": total, **losses}


def cosine_step(
    model: MotionCLIP, data: WindowSampler, typical: Batch, batch: int, generator: torch.Generator
) -> Mapping[str, Tensor]:
    """MotionCLIP's losses: cosine to the text feature; reconstruction of rotations, positions and velocities.

    One addition: a quarter of the reconstructions decode the text feature, with one of the label's ``typical`` windows as the
    target. MotionCLIP's decoder sees only motion features in training; with few labels and windows of any phase it would
    decode a text feature to the mean pose.
    """
    drawn = data.sample(batch, generator)
    pick = torch.randint(len(typical.label), (batch // 4,), generator=generator)
    motion = torch.cat((drawn.rotations, typical.rotations[pick]))
    mask, label = torch.cat((drawn.mask, typical.mask[pick])), torch.cat((drawn.label, typical.label[pick]))
    rows = _pelvis_rows(motion)
    text = model.encode_text([data.labels[i] for i in label.tolist()])
    feature = model.encoder(rows[:batch], mask[:batch])
    assert model.decoder is not None
    decoded = model.decoder(torch.cat((feature, text[batch:])), rows.shape[-1], mask)
    real = mask[:, None, None]
    six = decoded.permute(0, 3, 1, 2)[:, :, :24]
    predicted, target = pelvis_frame_positions(matrix_from_6d(six, "rows")), pelvis_frame_positions(motion)
    losses = {
        "text": (1 - cosine_similarity(feature, text[:batch], dim=-1, eps=1e-6)).mean(),
        "rotations": ((decoded - rows).square() * real).mean(),
        "positions": ((predicted - target).square() * mask[..., None, None]).mean(),
        "velocities": ((decoded.diff(dim=-1) - rows.diff(dim=-1)).square() * real[..., 1:]).mean(),
    }
    total = 10 * losses["text"] + 100 * (losses["rotations"] + losses["positions"] + losses["velocities"])
    return {"loss": total, **losses}


def simulate_prediction(rotations: Tensor, mean_six: Tensor, generator: torch.Generator) -> Tensor:
    """Simulated predictions of visible joints [B, T, 24, 3, 3]: shrunk towards the mean pose, with slow and per-frame noise."""
    batch, length = rotations.shape[:2]
    chance = torch.rand(batch, 3, 1, 1, 1, generator=generator)
    six = matrix_to_6d(rotations, "columns")
    shrunk = six + 0.25 * chance[:, 0] * (mean_six - six)
    slow = 0.2 * chance[:, 1] * smooth_noise((batch, 24), length, generator)
    fast = 0.08 * chance[:, 2] * torch.randn(batch, length, 24, 3, generator=generator)
    return orthonormalise(shrunk) @ axis_angle_to_matrix(slow + fast)


def sample_visibility(batch: int, length: int, generator: torch.Generator) -> Tensor:
    """Random visibility [batch, length, 24] in [0, 1]: part groups for all or part of the time, single joints, everything."""
    names = list(PART_GROUPS)
    masks = group_masks(names)
    pick = torch.randint(len(names), (2, batch), generator=generator)
    chance = torch.rand(6, batch, generator=generator)
    hidden = masks[pick[0]]
    hidden = torch.maximum(hidden, masks[pick[1]] * (chance[0] < 0.2)[:, None])
    scattered = (torch.rand(batch, 24, generator=generator) < 0.25).float()
    hidden = torch.where((chance[1] < 0.15)[:, None], scattered, hidden)
    everything = (chance[1] > 0.93)[:, None]  # nothing is visible
    hidden = torch.where(everything, torch.ones(()), hidden)
    first = (chance[2] * length * 0.8)[:, None]
    last = first + (0.15 + chance[3])[:, None] * length
    time = torch.arange(length)
    span = ((time >= first) & (time < last)).float()
    span = torch.where((chance[4] < 0.6)[:, None] & ~everything, torch.ones(()), span)
    level = torch.where(chance[5] < 0.7, torch.ones(()), 0.5 + chance[5] / 2)
    none = (torch.rand(batch, generator=generator) < 0.08).float()[:, None, None]  # nothing is hidden: pure denoising
    return (1 - hidden[:, None] * span[..., None] * (1 - none)) * level[:, None, None]


def infill_step(
    model: InfillPrior, rollout: Rollout, data: WindowSampler, batch: int, generator: torch.Generator,
    words: tuple[Tensor, Tensor],
) -> Mapping[str, Tensor]:  # fmt: skip
    """Losses of motion completion; a fifth of the labels are wrong (these train ``match`` only), a tenth are missing.

    Two fifths of the windows are blind: every joint counts as visible although a part is corrupted, as for a caller who does
    not know what the camera saw. For the other windows the evidence tells which joints are unreliable. ``words`` are the
    labels' wordings (``paraphrases.wordings``): each window is told one of its label's.
    """
    network, blind = model.network, 2 * batch // 5
    drawn = data.sample(batch, generator)
    drawn = Batch(restyle(drawn.rotations, generator), drawn.mask, drawn.label)
    seen = simulate_prediction(drawn.rotations, network.mean_six, generator)
    first = Batch(*(x[:blind] for x in (drawn.rotations, drawn.mask, drawn.label)))
    state = rollout.mix(first, *corrupt(seen[:blind], network.mean_six, generator))
    corrupted, clean, mask, label, joints = state
    evidence = sample_visibility(batch - blind, drawn.mask.shape[1], generator)
    seen = torch.cat((corrupted, seen[blind:]))
    clean = torch.cat((clean, drawn.rotations[blind:]))
    mask = torch.cat((mask, drawn.mask[blind:]))
    true = torch.cat((label, drawn.label[blind:]))
    hidden = torch.cat((joints[:, None].expand(-1, evidence.shape[1], -1), 1 - evidence))
    evidence = torch.cat((torch.ones_like(corrupted[..., 0, 0]), evidence))
    chance = torch.rand(batch, generator=generator)
    other = torch.randint(len(data.labels), (batch,), generator=generator)
    other = torch.where(torch.rand(batch, generator=generator) < 0.3, data.mirror_label[true], other)
    labels = torch.where(chance < 0.2, other, true)
    right = labels == true
    features, table = words
    pick = torch.randint(table.shape[1], (batch,), generator=generator)
    text = features[table[labels, pick]] * (chance < 0.9)[:, None]
    completion = network(seen, evidence, text, mask)
    rollout.advance(state, completion.rotations[:blind], generator)
    weight = (right[:, None, None] * mask[..., None]) * (0.25 + hidden)
    count = weight.sum().clamp(min=1)
    rotation_error = (completion.rotations - clean).abs().mean((-2, -1))
    predicted, target = pelvis_frame_positions(completion.rotations), pelvis_frame_positions(clean)
    distance = (predicted - target).square().sum(-1).add(1e-8).sqrt()
    velocity_error = (predicted.diff(dim=1) - target.diff(dim=1)).square().sum(-1).add(1e-8).sqrt()
    estimate_error = (completion.error_m.log() - distance.detach().add(1e-3).log()).abs()
    losses = {
        "rotations": (weight * rotation_error).sum() / count,
        "positions": (weight * distance).sum() / count,
        "velocities": (weight[:, 1:] * velocity_error).sum() / count,
        "error": (weight * estimate_error).sum() / count,
        "label": binary_cross_entropy_with_logits(completion.match, right.float()),
    }
    total = 3 * losses["rotations"] + 10 * losses["positions"] + 10 * losses["velocities"] + 0.05 * losses["error"]
    blind_weight, blind_distance = weight[:blind] * hidden[:blind], distance[:blind].detach()
    losses["positions_blind"] = (blind_weight * blind_distance).sum() / blind_weight.sum().clamp(min=1)
    return {"loss": total + 0.2 * losses["label"], **losses}


def _pelvis_rows(rotations: Tensor) -> Tensor:
    root = torch.eye(3, dtype=rotations.dtype, device=rotations.device).expand_as(rotations[:, :, :1])
    return motion_rows(torch.cat((root, rotations[:, :, 1:]), 2))
