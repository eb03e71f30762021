"""Trains the network that says which way is up for a pelvis, by what is seen of the pose (loss term ``lean``).

    python -m semtta.training.lean MOTIONS... --out OUT

``MOTIONS`` are folders of packed motions. It takes half a minute of one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..geometry.kinematics import pelvis_frame_positions
from ..io.weights import save_weights
from ..losses.lean import UpNetwork
from ..motions.mocap import MotionClip
from ..motions.windows import WindowSampler, all_labels, group_masks, mirror, orthonormalise
from .lifter import read_motions, shared_weights
from .loop import fit

#: Joints by position that are hidden together; rotations' groups that end there.
_HIDDEN = ("legs", "left leg", "right leg", "shanks", "left arm", "right arm", "arms", "forearms")
NOISE_M = 0.02
#: Poses a step.
BATCH = 512


def draw_poses(sampler: WindowSampler, weights: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Random poses: joints in the pelvis's frame [N, 24, 3], which are seen [N, 24], and where up is [N, 3].

    Half of them mirrored; in two thirds a group of joints is hidden; joints are disturbed by ``NOISE_M``.
    """
    clip = torch.multinomial(weights, count, replacement=True, generator=generator)
    chance = torch.rand(count, 3, generator=generator)
    frame = sampler.starts[clip] + (chance[:, 0] * sampler.lengths[clip]).long()
    rotations = orthonormalise(sampler.six[frame])
    flip = chance[:, 1] < 0.5
    rotations = torch.where(flip[:, None, None, None], mirror(rotations, sampler.mirror_joint), rotations)
    groups = group_masks(_HIDDEN)[torch.randint(len(_HIDDEN), (count,), generator=generator)]
    groups[:, (1, 2, 16, 17)] = 0  # hips and shoulders lie at the near ends
    seen = 1 - groups * (chance[:, 2:] < 2 / 3)
    positions = pelvis_frame_positions(rotations)
    positions = positions + NOISE_M * torch.randn(positions.shape, generator=generator)
    return positions, seen, rotations[:, 0, 1]  # R^T (0, 1, 0)


def likelihood_loss(up: Tensor, error: Tensor, truth: Tensor) -> Tensor:
    """Negative log-likelihood [N], up to a constant, of the true direction [N, 3]: a Gaussian about each of two axes."""
    squared = 2 - 2 * (up * truth).sum(-1)
    return squared / (2 * error.square()) + 2 * error.log()


@torch.no_grad()
def evaluate(model: UpNetwork, sampler: WindowSampler, seed: int = 1) -> dict[str, float]:
    """Mean angle from the true up, degrees, with legs seen and hidden; and of a pelvis that is always upright."""
    positions, _, truth = draw_poses(sampler, sampler.weight, 4000, torch.Generator().manual_seed(seed))
    legs = group_masks(("legs",))[0]
    legs[[1, 2]] = 0
    out = {}
    for name, seen in (("seen", torch.ones(24)), ("legs hidden", 1 - legs)):
        up, error = model(positions, seen.expand(len(positions), 24))
        out[f"{name}, degrees"] = _degrees(up, truth)
        out[f"{name}, expected"] = torch.rad2deg(error).mean().item()
    return {**out, "upright, degrees": _degrees(torch.tensor([0.0, 1, 0]), truth)}


def _degrees(up: Tensor, truth: Tensor) -> float:
    return torch.rad2deg((up * truth).sum(-1).clamp(-1, 1).arccos()).mean().item()


def train_lean(
    clips: Sequence[MotionClip], out: Path, validation: Sequence[MotionClip] = (), steps: int = 3000,
    procedural: float = 0.35, seed: int = 0,
) -> dict[str, float]:  # fmt: skip
    """Train on the clips and write the weights file; returns the errors on ``validation``."""
    torch.manual_seed(seed)
    model = UpNetwork()
    sampler = WindowSampler(clips, all_labels(clips))
    weights = shared_weights(clips, sampler.weight, procedural)

    def step(generator: torch.Generator) -> Mapping[str, Tensor]:
        positions, seen, truth = draw_poses(sampler, weights, BATCH, generator)
        up, error = model(positions, seen)
        return {"loss": likelihood_loss(up, error, truth).mean()}

    fit(model, step, out, steps=steps, rate=2e-3, seed=seed, checkpoint_every=1000)
    save_weights(out, "lean", {name: value.half() for name, value in model.state_dict().items()})
    judged = WindowSampler(validation or clips, all_labels(validation or clips))
    return evaluate(UpNetwork.from_checkpoint(out), judged)


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """The command; prints and returns the errors on the motions' val part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("motions", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("lean.safetensors"))
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    clips, judged = read_motions(options.motions)
    scores = train_lean(clips, options.out, judged, options.steps, seed=options.seed)
    for name, value in scores.items():
        print(f"{name}: {value:.1f}")
    return scores


if __name__ == "__main__":
    main()
