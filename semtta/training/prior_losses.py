"""What the included priors are trained on: one batch's losses of each variant."""

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
    """Spoilt windows on their way to the network's completion; buffers, so that a resumed run goes on with them.

    Adaptation moves a motion step by step and asks again at each step, so the network must judge what it made itself,
    not only fresh corruptions.
    """

    spoilt: Tensor
    clean: Tensor
    mask: Tensor
    label: Tensor
    joints: Tensor
    alive: Tensor
    KEEP = 0.7  # chance that a window goes on another step

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
        """Spoilt, clean, mask, label, joints of fresh windows with the living ones in place of the first."""
        size, alive = len(self.alive), self.alive
        fresh = (spoilt, clean.rotations, clean.mask, clean.label, joints)
        kept = (self.spoilt, self.clean, self.mask, self.label, self.joints)
        first = (torch.where(alive.view(-1, *[1] * (k.ndim - 1)), k, f[:size]) for k, f in zip(kept, fresh, strict=True))
        return tuple(torch.cat((a, f[size:])) for a, f in zip(first, fresh, strict=True))  # type: ignore[return-value]

    @torch.no_grad()
    def advance(self, state: tuple[Tensor, ...], completed: Tensor, generator: torch.Generator) -> None:
        """Move the spoilt joints of ``size`` windows part of the way, 10 to 70 %, to the completion."""
        size = len(self.alive)
        chosen = torch.randperm(len(completed), generator=generator)[:size]
        part = (0.1 + 0.6 * torch.rand(size, 1, 1, 1, generator=generator)) * state[4][chosen][:, None, :, None]
        before, after = (matrix_to_6d(x[chosen], "columns") for x in (state[0], completed))
        self.spoilt.copy_(orthonormalise(before + part * (after - before)))
        for name, value in zip(("clean", "mask", "label", "joints"), state[1:], strict=True):
            getattr(self, name).copy_(value[chosen])
        self.alive.copy_(torch.rand(size, generator=generator) < self.KEEP)


def open_step(model: MotionCLIP, data: WindowSampler, batch: int, generator: torch.Generator) -> Mapping[str, Tensor]:
    """Contrastive loss of the encoder: the label among all labels, for clean windows and their spoilt copies.

    What is left of a spoilt motion tells which labels are possible; how spoilt it is, the completion network says.
    """
    clean = data.sample(batch, generator)
    rotations = imitate_prediction(restyle(clean.rotations, generator), data.mean_six, generator)
    spoilt, _ = corrupt(rotations, data.mean_six, generator)
    text = model.encode_text(data.labels)
    feature = model.encoder(_pelvis_rows(torch.cat((rotations, spoilt))), clean.mask.repeat(2, 1))
    scores = cosine_similarity(feature[:, None], text[None], dim=-1).unflatten(0, (2, batch))
    own = scores[0].gather(1, clean.label[:, None])[:, 0]
    losses = {
        "contrast": cross_entropy(scores[0] / 0.1, clean.label, label_smoothing=0.05),
        "contrast_spoilt": cross_entropy(scores[1] / 0.1, clean.label, label_smoothing=0.05),
        "match": (1 - own).mean(),
        "top1": (scores[0].argmax(-1) == clean.label).float().mean(),
    }
    total = losses["contrast"] + 0.3 * losses["contrast_spoilt"] + 0.3 * losses["match"]
    return {"loss": total, **losses}


def cosine_step(
    model: MotionCLIP, data: WindowSampler, typical: Batch, batch: int, generator: torch.Generator
) -> Mapping[str, Tensor]:
    """MotionCLIP's losses: cosine to the text feature; reconstruction of rotations, positions and velocities.

    One addition: a quarter of the reconstructions start from the text feature and have one of the label's ``typical``
    windows for a target. MotionCLIP's decoder sees only motion features in training; with few labels and windows of any
    phase it makes the mean pose of a text feature.
    """
    drawn = data.sample(batch, generator)
    some = torch.randint(len(typical.label), (batch // 4,), generator=generator)
    motion = torch.cat((drawn.rotations, typical.rotations[some]))
    mask, label = torch.cat((drawn.mask, typical.mask[some])), torch.cat((drawn.label, typical.label[some]))
    rows = _pelvis_rows(motion)
    text = model.encode_text([data.labels[i] for i in label.tolist()])
    feature = model.encoder(rows[:batch], mask[:batch])
    assert model.decoder is not None
    made = model.decoder(torch.cat((feature, text[batch:])), rows.shape[-1], mask)
    real = mask[:, None, None]
    six = made.permute(0, 3, 1, 2)[:, :, :24]
    here, there = pelvis_frame_positions(matrix_from_6d(six, "rows")), pelvis_frame_positions(motion)
    losses = {
        "text": (1 - cosine_similarity(feature, text[:batch], dim=-1, eps=1e-6)).mean(),
        "rotations": ((made - rows).square() * real).mean(),
        "positions": ((here - there).square() * mask[..., None, None]).mean(),
        "velocities": ((made.diff(dim=-1) - rows.diff(dim=-1)).square() * real[..., 1:]).mean(),
    }
    total = 10 * losses["text"] + 100 * (losses["rotations"] + losses["positions"] + losses["velocities"])
    return {"loss": total, **losses}


def imitate_prediction(rotations: Tensor, mean_six: Tensor, generator: torch.Generator) -> Tensor:
    """What an estimator might predict of seen joints: pulled to the mean pose, slowly wandering, jittering."""
    batch, length = rotations.shape[:2]
    chance = torch.rand(batch, 3, 1, 1, 1, generator=generator)
    six = matrix_to_6d(rotations, "columns")
    pulled = six + 0.25 * chance[:, 0] * (mean_six - six)
    slow = 0.2 * chance[:, 1] * smooth_noise((batch, 24), length, generator)
    fast = 0.08 * chance[:, 2] * torch.randn(batch, length, 24, 3, generator=generator)
    return orthonormalise(pulled) @ axis_angle_to_matrix(slow + fast)


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
    model: InfillPrior, rollout: Rollout, data: WindowSampler, batch: int, generator: torch.Generator
) -> Mapping[str, Tensor]:
    """Completion of motion; a fifth of the labels is wrong (they train ``match`` only), a tenth is absent.

    Two fifths of the windows are blind: all evidence counts as good although a part is spoilt, as for a caller who does
    not know what the camera saw. The other windows say which joints are not to be believed.
    """
    network, blind = model.network, 2 * batch // 5
    drawn = data.sample(batch, generator)
    drawn = Batch(restyle(drawn.rotations, generator), drawn.mask, drawn.label)
    seen = imitate_prediction(drawn.rotations, network.mean_six, generator)
    first = Batch(*(x[:blind] for x in (drawn.rotations, drawn.mask, drawn.label)))
    state = rollout.mix(first, *corrupt(seen[:blind], network.mean_six, generator))
    spoilt, clean, mask, label, joints = state
    evidence = hide(batch - blind, drawn.mask.shape[1], generator)
    seen = torch.cat((spoilt, seen[blind:]))
    clean = torch.cat((clean, drawn.rotations[blind:]))
    mask = torch.cat((mask, drawn.mask[blind:]))
    true = torch.cat((label, drawn.label[blind:]))
    unsure = torch.cat((joints[:, None].expand(-1, evidence.shape[1], -1), 1 - evidence))
    evidence = torch.cat((torch.ones_like(spoilt[..., 0, 0]), evidence))
    chance = torch.rand(batch, generator=generator)
    other = torch.randint(len(data.labels), (batch,), generator=generator)
    other = torch.where(torch.rand(batch, generator=generator) < 0.3, data.mirror_label[true], other)
    given = torch.where(chance < 0.2, other, true)
    right = given == true
    assert model.dictionary is not None
    text = model.dictionary.text_features[given] * (chance < 0.9)[:, None]
    done = network(seen, evidence, text, mask)
    rollout.advance(state, done.rotations[:blind], generator)
    weight = (right[:, None, None] * mask[..., None]) * (0.25 + unsure)
    count = weight.sum().clamp(min=1)
    turn = (done.rotations - clean).abs().mean((-2, -1))
    here, there = pelvis_frame_positions(done.rotations), pelvis_frame_positions(clean)
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
    blind_weight, blind_apart = weight[:blind] * unsure[:blind], apart[:blind].detach()
    losses["positions_blind"] = (blind_weight * blind_apart).sum() / blind_weight.sum().clamp(min=1)
    return {"loss": total + 0.2 * losses["label"], **losses}


def _pelvis_rows(rotations: Tensor) -> Tensor:
    root = torch.eye(3, dtype=rotations.dtype, device=rotations.device).expand_as(rotations[:, :, :1])
    return motion_rows(torch.cat((root, rotations[:, :, 1:]), 2))
