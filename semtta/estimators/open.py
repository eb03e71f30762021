"""The included estimator: a small HMR trained on synthetic images of the ``open`` body."""

from __future__ import annotations

from pathlib import Path

from .. import assets
from .base import register
from .hmr import HMR, HMRConfig

#: A ResNet of basic blocks at 112 pixels with soft-argmax joints; no dropout, since it must learn from few images.
OPEN_CONFIG = HMRConfig(
    block="basic", depths=(1, 1, 2, 1), widths=(32, 64, 160, 320), stem=32, crop_px=112, dropout=0.0, activation=True,
    joint_maps=29,
)  # fmt: skip


@register("open")
def open_estimator(weights: str | Path | None = None) -> HMR:
    """The small network with the included weights, or with ``weights`` (its own training's output)."""
    model = HMR.from_checkpoint(weights or assets.verify("estimator_open.safetensors"))
    model.name = "open"
    # a small network needs a larger rate than the paper's 5e-5 (docs/results.md)
    model.adaptation_defaults = {"learning_rate": 3e-4, "epochs": 10}
    return model
