"""Trains the network that knows down and contacts from poses (``semtta.refine.ground``).

    python -m semtta.training.ground MOTIONS OUT --minutes 5

``MOTIONS`` holds packed motions with their translations. Half of the windows are poses as recorded, with noise; the others are
what the network on keypoints makes of them when simulated cameras and detectors see them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from ..assets import store
from ..body import Body, Surface, load
from ..constants import SMPL24
from ..constants import mirrored as mirror_map
from ..estimators.lifter import Lifter, arrange
from ..geometry import axis_angle_to_matrix
from ..io.weights import save_weights
from ..motions.mocap import FPS, MotionClip
from ..motions.mocap import load as load_motions
from ..motions.windows import held_out, smooth_noise
from ..refine.ground import GroundNet, features
from ..synthesis.evidence import observe
from ..types import FOOT_POINTS, BodyParams
from .loop import fit

FRAMES = 60
#: A point of the sole stands if it is lower than this above the floor (metres) and slower than this (metres per second).
HEIGHT, SPEED = 0.05, 0.35
#: Contents whose feet stand on other things than the floor.
RAISED = ("climbing", "stepping up")


@dataclass(frozen=True)
class Labelled:
    """N windows of FRAMES frames."""

    rotations: Tensor  # [N, T, 24, 3, 3], index 0 into any frame
    up: Tensor  # [N, T, 3] in that frame
    contacts: Tensor  # [N, T, 4]
    weight: Tensor  # [N] of the contacts in the loss

    def __getitem__(self, index: Tensor) -> Labelled:
        return Labelled(self.rotations[index], self.up[index], self.contacts[index], self.weight[index])


def true_contacts(clip: MotionClip, surface: Surface) -> Tensor:
    """Contacts [T, 4] of a recorded motion, by height over its floor and speed; the floor is where its feet are lowest."""
    rotations = clip.rotations()
    shape = rotations.new_zeros(len(rotations), 10)
    _, feet = surface.points(BodyParams(rotations, shape, torch.from_numpy(clip.trans)))
    height = feet[..., 1] - torch.quantile(feet[..., 1].amin(1), 0.05)
    step = feet.diff(dim=0).norm(dim=-1) * FPS
    speed = (
        torch.cat((step[:1], torch.maximum(step[1:], step[:-1]), step[-1:])) if len(step) > 1 else feet.new_zeros(height.shape)
    )
    return ((height < HEIGHT) & (speed < SPEED)).float()


def windows(clips: Sequence[MotionClip], body: Body, rng: np.random.Generator, count: int) -> Labelled:
    """Random windows of the clips, half of them mirrored; contents count by the square root of their length."""
    surface = Surface(body)
    usable = [clip for clip in clips if len(clip) >= FRAMES]
    lengths: dict[str, int] = {}
    for clip in usable:
        lengths[clip.content] = lengths.get(clip.content, 0) + len(clip)
    weight = np.array([len(clip) / lengths[clip.content] ** 0.5 for clip in usable])
    picked = rng.choice(len(usable), count, p=weight / weight.sum())
    known: dict[int, Tensor] = {}
    swap = list(mirror_map("smpl24"))
    foot = [FOOT_POINTS.index(name) for name in ("R_Ankle", "R_Foot", "L_Ankle", "L_Foot")]
    flip = torch.tensor([-1.0, 1, 1])
    rotations, contacts, weights = [], [], []
    for index in picked.tolist():
        clip = usable[index]
        if index not in known:
            known[index] = true_contacts(clip, surface)
        start = int(rng.integers(len(clip) - FRAMES + 1))
        turned, touching = clip.rotations(start, start + FRAMES), known[index][start : start + FRAMES]
        if rng.random() < 0.5:
            turned, touching = flip[:, None] * turned[:, swap] * flip, touching[:, foot]
        rotations.append(turned)
        contacts.append(touching)
        weights.append(float(clip.content not in RAISED))
    stacked = torch.stack(rotations)
    up = torch.tensor([0.0, 1.0, 0.0]).expand(count, FRAMES, 3)
    return Labelled(stacked, up, torch.stack(contacts), torch.tensor(weights))


@torch.no_grad()
def as_estimated(true: Labelled, body: Body, lifter: Lifter, generator: torch.Generator) -> Labelled:
    """The windows as the network on keypoints gives them, in the frame of the ray to the person."""
    seen = observe(true.rotations, body, generator)
    rotations, _, _ = lifter.regress(arrange(seen.keypoints, seen.boxes, seen.diagonal, seen.landmarks))
    view = seen.rotations[:, :, 0] @ true.rotations[:, :, 0].mT  # y up -> the ray's frame
    return Labelled(rotations, view[..., 1], true.contacts, true.weight)


def disturbed(true: Labelled, generator: torch.Generator) -> Labelled:
    """The windows with slow and white noise on the joints and a tilted root."""
    batch, frames = true.rotations.shape[:2]
    level = torch.rand(batch, 1, 1, 1, generator=generator)
    spread = torch.tensor([1.6 if name.endswith(("Ankle", "Foot", "Knee")) else 1.0 for name in SMPL24])[:, None]
    slow = 0.12 * smooth_noise((batch, 24), frames, generator, knots=8)
    white = 0.015 * torch.randn(batch, frames, 24, 3, generator=generator)
    noise = axis_angle_to_matrix(level * spread * (slow + white))
    return Labelled(true.rotations @ noise, true.up, true.contacts, true.weight)


def losses(model: GroundNet, batch: Labelled) -> dict[str, Tensor]:
    """Gaussian negative log likelihood of the angle to up, and binary cross entropy of the contacts."""
    up, spread, logits = model(features(batch.rotations))
    target = (batch.rotations[:, :, 0].mT @ batch.up[..., None])[..., 0]
    off = (up - target).square().sum(-1)
    likelihood = (0.5 * off / (2 * spread).exp() + 2 * spread).mean()
    contacts = binary_cross_entropy_with_logits(logits, batch.contacts, reduction="none").mean((1, 2))
    return {"up": 0.2 * likelihood, "angle": off.mean(), "contacts": (contacts * batch.weight).mean()}


@torch.no_grad()
def judge(model: GroundNet, batch: Labelled) -> dict[str, float]:
    """Median and 90th percentile of the angle to up (degrees), of one frame and of a window's mean; precision and recall."""
    up, _, logits = model(features(batch.rotations))
    up = (batch.rotations[:, :, 0] @ up[..., None])[..., 0]

    def angle(a: Tensor, b: Tensor) -> Tensor:
        cosine = torch.nn.functional.cosine_similarity(a, b, dim=-1)
        return torch.rad2deg(torch.acos(cosine.clamp(-1, 1)))

    each, whole = angle(up, batch.up), angle(up.mean(1), batch.up.mean(1))
    kept = batch.weight > 0
    found, true = logits[kept] > 0, batch.contacts[kept] > 0.5
    both = (found & true).sum().item()
    return {
        "up_deg": each.median().item(), "up_deg_90": each.flatten()[::7].quantile(0.9).item(),
        "clip_up_deg": whole.median().item(), "clip_up_deg_90": whole.quantile(0.9).item(),
        "precision": both / max(1, found.sum().item()), "recall": both / max(1, true.sum().item()),
    }  # fmt: skip


def train_ground(
    clips: Sequence[MotionClip], validation: Sequence[MotionClip], out: Path, body: Body, lifter: Lifter, *, steps: int = 3000,
    minutes: float | None = None, pool: int = 3072, seed: int = 0,
) -> dict[str, dict[str, float]]:  # fmt: skip
    """Train on the clips, write the weights ``out`` (float16), and return how good it is on windows of other clips."""
    torch.manual_seed(seed)
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    true = windows(clips, body, rng, pool)
    parts = [as_estimated(true[rows], body, lifter, generator) for rows in torch.arange(pool).split(48)]
    seen = Labelled(torch.cat([p.rotations for p in parts]), torch.cat([p.up for p in parts]), true.contacts, true.weight)
    held = windows(validation, body, np.random.default_rng(seed + 1), 384)
    tests = {"recorded": held, "estimated": as_estimated(held, body, lifter, torch.Generator().manual_seed(seed + 1))}
    model = GroundNet().train()

    def step(own: torch.Generator) -> dict[str, Tensor]:
        rows, others = (torch.randint(pool, (24,), generator=own) for _ in range(2))
        first, second = losses(model, disturbed(true[rows], own)), losses(model, seen[others])
        terms = {name: first[name] + second[name] for name in first}
        return {"loss": terms["up"] + terms["contacts"], **terms}

    def write(at: int) -> None:
        half = {name: value.half() for name, value in model.state_dict().items()}
        save_weights(out, "ground", half, width=model.head.in_features, step=at)

    fit(model, step, out, steps=steps, rate=2e-3, seed=seed, minutes=minutes, weight_decay=0.02, checkpoint_every=500,
        on_checkpoint=write)  # fmt: skip
    model.eval()
    return {name: judge(model, test) for name, test in tests.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("motions", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    clips = [clip for clip in load_motions(given.motions, "train") if not held_out(clip)]
    lifter = Lifter.from_checkpoint(store.verify("estimator_open.safetensors")).eval()
    found = train_ground(
        clips,
        load_motions(given.motions, "val"),
        given.out,
        load("open"),
        lifter,
        steps=given.steps,
        minutes=given.minutes,
        seed=given.seed,
    )
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
