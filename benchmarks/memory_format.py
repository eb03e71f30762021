"""Which memory format an estimator's images should have on a device: python benchmarks/memory_format.py [cpu|cuda] [COUNT]

For the paper's network (ResNet-50, 224 px) and the included one (112 px), made-up weights, a step of Adam on COUNT inputs: how
far gradients and predictions after the step are from double precision, and the time of forward and backward, either way.
"""

from __future__ import annotations

import copy
import statistics
import sys
import time

import torch
from torch import Tensor

from semtta.estimators import HMR, OPEN_CONFIG, HMRConfig

FORMATS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}


def step(model: HMR, images: Tensor) -> tuple[Tensor, Tensor, float]:
    """Gradients of a smooth loss, predictions after a step of Adam on it, and the seconds of forward and backward."""
    model = copy.deepcopy(model).to(images)
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-5, betas=(0.5, 0.9))
    began = _now(images.device)
    out = model.from_images(images)
    identity = torch.eye(3).to(images)
    ((out.rotations - identity).square().mean() + 1e-3 * out.betas.square().mean() + out.camera.square().mean()).backward()
    seconds = _now(images.device) - began
    gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    optimiser.step()
    with torch.no_grad():
        after = model.from_images(images).rotations
    return gradient.double().cpu(), after.double().cpu(), seconds


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


if __name__ == "__main__":
    device = torch.device(sys.argv[1] if len(sys.argv) > 1 else "cpu")
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 6
    for name, config, frames in (("hmr", HMRConfig(dropout=0.0), 4), ("open-image", OPEN_CONFIG, 20)):
        rows: dict[str, list[tuple[float, float, float]]] = {key: [] for key in FORMATS}
        for seed in range(count):
            torch.manual_seed(seed)
            model = HMR(config)
            images = torch.randn(frames, 3, config.crop_px, config.crop_px, device=device)
            true_gradient, true_after, _ = step(model, images.double())
            for key, memory_format in FORMATS.items():
                laid_out = images.contiguous(memory_format=memory_format)
                step(model, laid_out)  # warms up
                gradient, after, seconds = step(model, laid_out)
                off = float((gradient - true_gradient).norm() / true_gradient.norm())
                rows[key].append((off, float((after - true_after).abs().max()), seconds))
        for key, values in rows.items():
            gradient, after, seconds = (statistics.median(column) for column in zip(*values, strict=True))
            worst = max(value[1] for value in values)
            print(
                f"{name:5} {key:13} gradient {gradient:.1e}, after a step {after:.1e} (worst {worst:.1e}), {1e3 * seconds:.0f} ms"
            )
