"""Trains the small HMR on synthetic images: first the regressor alone on simulated joints, then the whole network.

The loss is a weighted sum of terms for the rotations (the global one weighted more), 3D joints, 2D joints, shape, heat maps and
soft-argmax joints. Their weights, AdamW at 6e-4 with a cosine schedule, and the moving average of the network's weights were
chosen by small experiments.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..body import Body
from ..errors import SemttaError
from ..estimators import HMR, OPEN_CONFIG, HMRConfig
from ..geometry import CROP_PX, project_to_crop
from ..io.files import write_atomically
from ..io.weights import load_checkpoint, save_weights
from ..metrics import mpjpe, pa_mpjpe
from ..types import Prediction
from .images import ImageBatch, ImageShards, augment

Report = Callable[[Mapping[str, float]], None]


@dataclass(frozen=True)
class EstimatorTraining:
    """Options of a training run."""

    steps: int = 6000
    head_steps: int = 3000
    batch: int = 96
    learning_rate: float = 6e-4
    smaller: tuple[tuple[float, int], ...] = ((0.4, 64), (0.7, 88))  # image side (px) up to a fraction of the run, for speed
    ema: float = 0.998
    seed: int = 0


def training_loss(prediction: Prediction, batch: ImageBatch, body: Body, images: bool = True) -> dict[str, Tensor]:
    """The terms of the loss, weighted; without ``images`` the heat-map terms are left out."""
    joints = body.keypoints(prediction.rotations, prediction.betas, "smpl29")
    joints = joints - joints[:, :1]
    projected = project_to_crop(joints, prediction.camera)
    rotation_error = (prediction.rotations - batch.rotations).abs().mean((-2, -1))
    inside = ((batch.joints2d > -40) & (batch.joints2d < CROP_PX + 40)).all(-1, keepdim=True)
    terms = {
        "rotation": 2 * (rotation_error.mean() + 3 / 24 * rotation_error[:, 0].mean()),
        "joints3d": 10 * (joints - batch.joints3d).abs().mean(),
        "joints2d": 5 * ((projected - batch.joints2d).abs() * inside / (CROP_PX / 2)).clamp(max=2).mean(),
        "shape": 0.02 * (prediction.betas - batch.betas).square().mean(),
    }
    if images and "joints25d" in prediction.extras:
        estimate, logits = prediction.extras["joints25d"], prediction.extras["heatmaps"]
        target = torch.cat((batch.joints2d / (CROP_PX / 2) - 1, batch.joints3d[..., 2:]), -1)
        in_crop = (target[..., :2].abs() < 1).all(-1)
        terms["soft-argmax"] = 5 * ((estimate[..., :3] - target).abs().mean(-1) * in_crop).mean()
        terms["heatmap"] = 0.3 * (_heatmap_cross_entropy(logits, target[..., :2]) * in_crop).mean()
    return terms


def _heatmap_cross_entropy(logits: Tensor, points: Tensor) -> Tensor:
    """Cross entropy [N, J] of heat maps [N, J, H, W] against a Gaussian at points [N, J, 2] in [-1, 1].

    Its sigma is half a cell: paired limbs are about two cells apart, and with wider targets a single blob for both would cost
    little.
    """
    height, width = logits.shape[-2:]
    xs = (torch.arange(width, device=points.device) + 0.5) * (2 / width) - 1
    ys = (torch.arange(height, device=points.device) + 0.5) * (2 / height) - 1
    gx = -((xs - points[..., :1]) * (width / 2)).square() * 2
    gy = -((ys - points[..., 1:]) * (height / 2)).square() * 2
    target = (gy[..., :, None] + gx[..., None, :]).flatten(-2).softmax(-1)
    return -(target * logits.flatten(-2).log_softmax(-1)).sum(-1)


def simulated_joints(batch: ImageBatch, generator: torch.Generator) -> Tensor:
    """Simulated output of the heat maps [N, 29, 4]: the true joints with noise whose level varies per image and joint."""
    n, j = batch.visible.shape
    device = batch.visible.device
    level = (torch.rand(n, 1, 1, generator=generator) * torch.rand(n, j, 1, generator=generator)).to(device)
    level = torch.where(batch.visible[..., None], level, 2 * level + 0.2)
    noise = torch.randn(n, j, 3, generator=generator).to(device) * level * level.new_tensor([0.1, 0.1, 0.2])
    truth = torch.cat((batch.joints2d / (CROP_PX / 2) - 1, batch.joints3d[..., 2:]), -1)
    return torch.cat(((truth + noise).clamp(-1.1, 1.1), 0.4 / (1 + 6 * level)), -1)


@torch.no_grad()
def evaluate(model: HMR, shards: ImageShards, body: Body, limit: int = 2048, size: int | None = None) -> dict[str, float]:
    """MPJPE, PA-MPJPE (mm, 24 joints), 2D error (crop px), and the fraction of images whose facing is right within 90 degrees."""
    model.eval()
    size = size or model.crop_px
    errors: dict[str, list[Tensor]] = {"mpjpe_mm": [], "pa_mpjpe_mm": [], "facing": [], "joints2d_px": []}
    for start in range(0, min(limit, len(shards)), 128):
        batch = shards.batch(np.arange(start, min(start + 128, limit, len(shards)))).to(model.init_pose.device)
        images = torch.nn.functional.interpolate(batch.images.float(), size=(size, size), mode="area")
        prediction = model.from_images(model.normalise(images))
        joints = body.joints(prediction.rotations, prediction.betas)
        projected = project_to_crop(joints - joints[:, :1], prediction.camera)
        errors["mpjpe_mm"].append(mpjpe(joints, batch.joints3d[:, :24]))
        errors["pa_mpjpe_mm"].append(pa_mpjpe(joints, batch.joints3d[:, :24]))
        errors["joints2d_px"].append((projected - batch.joints2d[:, :24]).norm(dim=-1).mean(-1))
        facing, truth = prediction.rotations[:, 0, :, 2], batch.rotations[:, 0, :, 2]
        errors["facing"].append((facing[:, ::2] * truth[:, ::2]).sum(-1).gt(0).float())
    model.train()
    return {key: torch.cat(values).mean().item() for key, values in errors.items()}


class _State:
    """Model, averaged weights, optimiser and step of a run, with its checkpoint on disk."""

    def __init__(self, model: HMR, options: EstimatorTraining, path: Path) -> None:
        self.model, self.options, self.path, self.step, self.seconds = model, options, path, 0, 0.0
        self.loss: Tensor | None = None
        self.current = model.state_dict()  # shares the model's memory
        self.average = {k: v.detach().clone() for k, v in self.current.items()}
        self.optimiser = torch.optim.AdamW(model.parameters(), lr=options.learning_rate, weight_decay=0.01)

    def load(self) -> None:
        if self.path.exists():
            saved = load_checkpoint(self.path)
            self.model.load_state_dict(saved["model"])
            self.optimiser.load_state_dict(saved["optimiser"])
            for key, value in saved["average"].items():
                self.average[key].copy_(value)
            self.step, self.seconds = saved["step"], saved["seconds"]

    def save(self) -> None:
        """Write the checkpoint; SemttaError if the last loss is not finite (checking every step would stall a GPU)."""
        if self.loss is not None and not torch.isfinite(self.loss):
            raise SemttaError(f"The loss is not finite at step {self.step}: lower the learning rate.")
        state = {
            "model": self.model.state_dict(), "optimiser": self.optimiser.state_dict(), "average": self.average,
            "step": self.step, "seconds": self.seconds,
        }  # fmt: skip
        write_atomically(self.path, lambda p: torch.save(state, p))

    def update(self, loss: Tensor, rate: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.loss = loss.detach()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        weight = 1 - min(self.options.ema, self.step / (self.step + 10))
        torch._foreach_lerp_(list(self.average.values()), list(self.current.values()), weight)


def _batches(count: int, size: int, seed: int, start: int) -> Iterator[tuple[np.ndarray, torch.Generator]]:
    """Endless random batches of indices; step ``k`` is the same whether or not the run was interrupted."""
    step = start
    while True:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        yield torch.randint(count, (size,), generator=generator).numpy(), generator
        step += 1


def train_estimator(
    images: Sequence[str | Path],
    out: str | Path,
    body: Body,
    options: EstimatorTraining | None = None,
    config: HMRConfig = OPEN_CONFIG,
    validation: Mapping[str, str | Path] | None = None,
    report: Report | None = None,
    deadline_s: float | None = None,
    start: str | Path | None = None,
    device: torch.device | str = "cpu",
) -> HMR:
    """Train on the shards in the folders ``images``.

    Writes ``out/estimator.safetensors``, ``curve.jsonl`` and a checkpoint to resume from.

    ``validation``: name -> folder of held-out shards. ``deadline_s``: time budget of the whole run in seconds, at the end of
    which the learning rate reaches zero (for machines of unknown speed); by default ``options.steps`` decides.
    ``start``: weights of the same architecture to start from; the regressor is then not trained alone first.
    """
    options = options or EstimatorTraining()
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    shards = ImageShards(*images)
    held_out = {name: ImageShards(path) for name, path in (validation or {}).items()}
    torch.manual_seed(options.seed)
    model = HMR(config) if start is None else HMR.from_checkpoint(start)
    config, model = model.config, model.to(device)
    if start is not None:
        options = replace(options, head_steps=0)
    body = body.to(device)
    state = _State(model, options, out / "checkpoint.pt")
    state.load()
    model.train()
    last = time.monotonic()

    def record(values: Mapping[str, float]) -> None:
        with (out / "curve.jsonl").open("a") as file:
            file.write(json.dumps(dict(values)) + "\n")
        if report:
            report(values)

    total = options.head_steps + options.steps
    batches = _batches(len(shards), options.batch, options.seed, state.step)
    while state.step < total:
        index, generator = next(batches)
        in_head = state.step < options.head_steps
        if in_head:
            progress = state.step / options.head_steps
        elif deadline_s is not None:
            progress = state.seconds / deadline_s
        else:
            progress = (state.step - options.head_steps) / options.steps
        if progress >= 1:
            break
        warm = state.step if in_head or not options.head_steps else state.step - options.head_steps
        rate = options.learning_rate * min(1.0, (warm + 1) / 200)
        rate *= 0.5 * (1 + math.cos(math.pi * progress)) if not in_head else 1.0
        batch = shards.batch(index, images=not in_head).to(device)
        if in_head:
            width = config.widths[-1] * (4 if config.block == "bottleneck" else 1)
            features = batch.betas.new_zeros(len(index), width)
            joints = simulated_joints(batch, generator)
            prediction = model.regress(torch.cat((features, joints.flatten(1)), 1))
        else:
            size = next((px for share, px in options.smaller if progress < share), config.crop_px)
            batch = augment(batch, size, generator)
            prediction = model.from_images(model.normalise(batch.images))
        terms = training_loss(prediction, batch, body, images=not in_head)
        loss = torch.stack(list(terms.values())).sum()
        state.update(loss, rate)
        now = time.monotonic()
        state.seconds, last = state.seconds + now - last, now
        if state.step % 100 == 0:
            values = {k: v.item() for k, v in terms.items()}
            record({"step": state.step, "seconds": state.seconds, "progress": progress, "rate": rate, **values})
        if state.step % 250 == 0:
            state.save()
        if not in_head and state.step % 1000 == 0:
            _finish(model, state, out, config, held_out, body, record, limit=512)
    state.save()
    return _finish(model, state, out, config, held_out, body, record, limit=4096)


def _finish(
    model: HMR, state: _State, out: Path, config: HMRConfig, held_out: Mapping[str, ImageShards], body: Body, record: Report,
    limit: int,
) -> HMR:  # fmt: skip
    """Write the averaged weights and evaluate them on the held-out shards."""
    averaged = HMR(config).to(model.init_pose.device)
    averaged.load_state_dict(state.average)
    size = config.crop_px
    for name, shards in held_out.items():
        numbers = evaluate(averaged, shards, body, limit, size)
        record({"step": state.step, "seconds": state.seconds, **{f"{name}/{k}": v for k, v in numbers.items()}})
    half = {name: value.half() for name, value in state.average.items()}
    metadata = {"config": config.as_dict(), "step": state.step, "seed": state.options.seed}
    save_weights(out / "estimator.safetensors", "hmr", half, **metadata)
    return averaged.eval()
