"""Trains the network on keypoints, on motions seen by simulated cameras and detectors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..body import Body
from ..estimators.lifter import Lifter, LifterConfig, arrange
from ..geometry import crop_points, image_translation, matrix_from_6d, project_to_image, ray_rotation
from ..io.weights import save_weights
from ..metrics import mpjpe, pa_mpjpe
from ..motions.mocap import MotionClip, load
from ..motions.procedural.generate import SOURCE
from ..motions.windows import WindowSampler, all_labels, held_out, restyle
from ..synthesis.evidence import Limits, Seen, observe, vary
from .loop import fit


@dataclass(frozen=True)
class LifterTraining:
    """Options of a training run."""

    steps: int = 6000
    batch: int = 40
    frames: int = 40
    rate: float = 6e-4
    minutes: float | None = None
    seed: int = 0
    procedural: float = 0.35  # share of the windows from procedural motions, if there are other ones
    varied: float = 0.5  # share of the windows whose poses are varied


def training_loss(model: Lifter, seen: Seen, body: Body) -> dict[str, Tensor]:
    """Weighted terms: joints (metres), rotations, reprojection (half boxes), shape, velocities."""
    features = arrange(seen.keypoints, seen.boxes, seen.diagonal, seen.landmarks)
    with torch.autocast(features.device.type, torch.bfloat16):  # twice as fast, also on a CPU that has it
        known = model.encode(features)
    rotations, betas, camera = model.decode(known.float())
    points = body.keypoints(rotations, betas, "smpl29")
    projected = project(points, camera, seen.boxes)
    distance = (crop_points(projected, seen.boxes) - crop_points(seen.points, seen.boxes)).abs() / 112
    joints = points[:, :, :24] - points[:, :, :1]
    turned = rotations - seen.rotations
    speed = (joints.diff(dim=1) - seen.joints.diff(dim=1)).abs()
    weight = turned.new_ones(24)
    weight[0] = 3
    return {
        "joints": 10 * (joints - seen.joints).abs().mean(),
        "rotations": 2 * (turned.square().mean((-2, -1)) * weight).mean(),
        "points": 5 * distance.clamp(max=1).mean(),
        "shape": 0.01 * (betas - seen.betas[:, None]).square().mean(),
        "speed": 20 * speed.mean(),
    }


def project(points: Tensor, camera: Tensor, boxes: Tensor) -> Tensor:
    """Points [B, T, J, 3] around the body's origin, axes of the ray's frame -> [B, T, J, 2] of the picture, in perspective."""
    one = torch.tensor([1.0, 0, 0]).expand(*boxes.shape[:-1], 3)
    turned = points @ ray_rotation(boxes[..., :2], one).mT
    placed = turned + image_translation(camera, boxes, 1.0, (0.0, 0.0))[..., None, :]
    return project_to_image(torch.cat((placed[..., :2], placed[..., 2:].clamp(min=0.3)), -1), 1.0, (0.0, 0.0))


@torch.no_grad()
def evaluate(model: Lifter, windows: Tensor, body: Body, seed: int = 1) -> dict[str, float]:
    """MPJPE and PA-MPJPE (mm, 24 joints) on windows [B, T, 24, 3, 3], with simulated evidence: with and without landmarks."""
    model.eval()
    seen = observe(windows, body, torch.Generator().manual_seed(seed))
    out = {}
    for name, landmarks in (("", 0 * seen.landmarks), ("+landmarks ", seen.landmarks)):
        rotations, betas, _ = model.regress(arrange(seen.keypoints, seen.boxes, seen.diagonal, landmarks))
        joints = body.joints(rotations, betas)
        out[name + "mpjpe_mm"] = mpjpe(joints, seen.joints).mean().item()
        out[name + "pa_mpjpe_mm"] = pa_mpjpe(joints, seen.joints).mean().item()
    model.train()
    return out


def read_motions(folders: Sequence[Path]) -> tuple[list[MotionClip], list[MotionClip]]:
    """The training motions of several folders, without held-out styles; and every third of their val motions."""
    clips = [clip for folder in folders for clip in load(folder, "train") if not held_out(clip)]
    judged = [clip for folder in folders if any(folder.glob("*_val.npz")) for clip in load(folder, "val")]
    return clips, judged[::3]


def shared_weights(clips: Sequence[MotionClip], weights: Tensor, share: float) -> Tensor:
    """A sampler's weights [N] of its clips, so that procedural ones are drawn with probability ``share`` beside others."""
    made = torch.tensor([clip.source == SOURCE for clip in clips], device=weights.device)
    if not made.any() or made.all():
        return weights
    return weights * torch.where(made, share / weights[made].sum(), (1 - share) / weights[~made].sum())


def train_lifter(
    clips: Sequence[MotionClip], out: Path, body: Body, options: LifterTraining, config: LifterConfig | None = None,
    start: Path | None = None, validation: Sequence[MotionClip] = (), device: torch.device | str = "cpu",
) -> Lifter:  # fmt: skip
    """Train on the clips; resumes from its checkpoint, and writes the weights file ``out`` (float16) at every checkpoint.

    ``start``: a weights file of the same size of network to start from. ``validation``: clips on which it is judged now and then.
    """
    torch.manual_seed(options.seed)
    model = (Lifter(config) if start is None else Lifter.from_checkpoint(start)).to(device).train()
    body = body.to(device)
    sampler = WindowSampler(clips, all_labels(clips), options.frames, speeds=(0.5, 1.3)).to(device)
    sampler.weight = shared_weights(clips, sampler.weight, options.procedural)
    limits = Limits(matrix_from_6d(sampler.six[:: max(1, len(sampler.six) // 20_000)], "columns"))
    judged = None
    if validation:
        judged = WindowSampler(validation, all_labels(validation), options.frames).every().rotations[:256].to(device)

    def step(generator: torch.Generator) -> dict[str, Tensor]:
        with torch.no_grad():
            windows = restyle(sampler.sample(options.batch, generator).rotations, generator)
            chosen = torch.rand(len(windows), generator=generator) < options.varied
            windows = torch.where(chosen[:, None, None, None, None], vary(windows, limits, generator), windows)
            seen = observe(windows, body, generator)
        terms = training_loss(model, seen, body)
        return {"loss": torch.stack(list(terms.values())).sum(), **terms}

    def write(at: int) -> None:
        half = {name: value.half() for name, value in model.state_dict().items()}
        save_weights(out, "lifter", half, **model.metadata(), step=at, options=asdict(options))
        if judged is not None:
            with out.with_suffix(".judged.jsonl").open("a") as file:
                file.write(json.dumps({"step": at, **evaluate(model, judged, body)}) + "\n")

    fit(
        model, step, out, steps=options.steps, rate=options.rate, seed=options.seed, minutes=options.minutes, weight_decay=0.01,
        checkpoint_every=500, on_checkpoint=write, device=device,
    )  # fmt: skip
    return model.eval()
