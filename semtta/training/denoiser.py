"""Train the included MDNet (``semtta train denoiser``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi
from pathlib import Path

import torch
from torch import Tensor, nn

from ..denoisers.mdnet import WINDOW, MDNet, denoise, masked_loss, random_mask
from ..geometry import axis_angle_to_matrix, matrix_to_6d
from ..geometry.kinematics import pelvis_frame_positions
from ..motions import mocap
from ..motions.windows import WindowSampler, all_labels, held_out, smooth_noise
from .loop import fit


@dataclass(frozen=True)
class DenoiserTraining:
    """Options of a training run. ``max_pitch`` of the camera and ``noise`` on the inputs are in radians."""

    steps: int = 4000
    batch: int = 256
    rate: float = 1e-3
    seed: int = 0
    max_pitch: float = 0.35
    noise: float = 0.05
    minutes: float | None = None


def random_camera(rotations: Tensor, max_pitch: float, generator: torch.Generator) -> Tensor:
    """Rotations [B, T, 24, 3, 3] from the world (y up) to random cameras (y down, z forward): any heading, limited pitch."""
    batch = len(rotations)
    heading = (torch.rand(batch, generator=generator) * 2 - 1) * pi
    pitch = (torch.rand(batch, generator=generator) * 2 - 1) * max_pitch
    zero = torch.zeros(batch)
    pan = axis_angle_to_matrix(torch.stack((zero, heading, zero), -1))
    tilt = axis_angle_to_matrix(torch.stack((pitch, zero, zero), -1))
    flip = torch.tensor([1.0, -1.0, -1.0]).diag()
    root = (tilt @ flip @ pan)[:, None] @ rotations[:, :, 0]
    return torch.cat((root[:, :, None], rotations[:, :, 1:]), 2)


def perturb(rotations: Tensor, level: float, generator: torch.Generator) -> Tensor:
    """Add noise to rotations [B, T, 24, 3, 3]: up to ``level`` radians per frame, and up to twice that varying slowly."""
    batch, length = rotations.shape[:2]
    amount = torch.rand(batch, 2, 1, 1, 1, generator=generator) * level
    fast = amount[:, 0] * torch.randn(batch, length, 24, 3, generator=generator)
    slow = 2 * amount[:, 1] * smooth_noise((batch, 24), length, generator, knots=12)
    return rotations @ axis_angle_to_matrix(fast + slow)


def train_denoiser(
    folder: str | Path, out: str | Path, training: DenoiserTraining, device: torch.device | str = "cpu"
) -> MDNet:  # fmt: skip
    """Train on the packed motions in ``folder`` (train split, without the held-out styles); writes ``out``.

    The loss is CycleAdapt's (L1 on masked frames) plus half the L1 on all frames; inputs are noisy, targets clean. Resumes from
    its checkpoint.
    """
    out = Path(out)
    clips = [clip for clip in mocap.load(folder, "train") if not held_out(clip)]
    data = WindowSampler(clips, all_labels(clips), WINDOW).to(device)
    torch.manual_seed(training.seed)
    model = MDNet()
    for block in model.blocks:
        nn.init.xavier_uniform_(block.get_parameter("time.weight"), gain=0.1)
    model = model.to(device)

    def step(generator: torch.Generator) -> Mapping[str, Tensor]:
        clean = random_camera(data.sample(training.batch, generator).rotations, training.max_pitch, generator)
        noisy = perturb(clean, training.noise, generator)
        inputs, targets = (matrix_to_6d(r, "columns_interleaved").flatten(2) for r in (noisy, clean))
        mask = random_mask(training.batch, generator, device)
        outputs = model(inputs * ~mask[..., None])
        masked = ((outputs - targets).abs() * mask[..., None]).mean()
        return {"loss": masked + 0.5 * (outputs - targets).abs().mean(), "masked": masked}

    fit(
        model, step, out, steps=training.steps, rate=training.rate, seed=training.seed, minutes=training.minutes,
        device=device, on_checkpoint=lambda at: model.save(out, trained_steps=at, seed=training.seed),
    )  # fmt: skip
    return model.cpu().eval()


@torch.no_grad()
def evaluate(model: MDNet, folder: str | Path, seed: int = 1) -> dict[str, float]:
    """Error (mm, pelvis frame) and jitter (mm / frame^2) of noisy held-out windows, before and after denoising.

    Noise: 0.05 rad per frame and 0.1 rad varying slowly; windows of ``val`` and of held-out styles.
    """
    clips = mocap.load(folder, "val")
    clips += [clip for clip in mocap.load(folder, "train") if held_out(clip)][::20]
    data = WindowSampler([c for c in clips if len(c) >= 90], all_labels(clips), 90, augment=False)
    generator = torch.Generator().manual_seed(seed)
    clean = random_camera(data.sample(100, generator).rotations, 0.35, generator)
    fast = 0.05 * torch.randn(100, 90, 24, 3, generator=generator)
    noisy = clean @ axis_angle_to_matrix(fast + 0.1 * smooth_noise((100, 24), 90, generator, knots=16))
    zero = torch.zeros(90, 10)
    true = pelvis_frame_positions(clean)
    motions = {"input": noisy}
    for kind in ("random", "none"):
        motions[f"mask {kind}"] = torch.stack([denoise(model, r, zero, mask=kind, generator=generator)[0] for r in noisy])
    result = {"jitter true": float(_jitter(true))}
    for name, rotations in motions.items():
        positions = pelvis_frame_positions(rotations)
        result[f"error {name}"] = float((positions - true).norm(dim=-1).mean() * 1000)
        result[f"jitter {name}"] = float(_jitter(positions))
        angle = torch.acos((((rotations.mT @ clean).diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2).clamp(-1, 1))
        result[f"global rotation error {name} (deg)"] = float(angle[:, :, 0].mean() * 180 / pi)
    windows = matrix_to_6d(clean[:, :WINDOW], "columns_interleaved").flatten(2)
    result["masked L1 (clean)"] = float(masked_loss(model, windows, random_mask(len(windows), generator)))
    return result


def _jitter(positions: Tensor) -> Tensor:
    return positions.diff(n=2, dim=1).norm(dim=-1).mean() * 1000
