"""The included estimator: a network on keypoints, trained on free motions seen by simulated cameras and detectors."""

from __future__ import annotations

from typing import Any

from .. import assets
from . import open_image
from .base import EstimatorSettings, register
from .lifter import Lifter

#: The network sees the whole neighbourhood of a frame, so a step on four segments costs little more than one on a single one.
#: Chosen on synthwild's val part and on the woman of the two-person clip (docs/results.md). Acceleration: the 2D's noise must
#: not become the body's.
SUITS: dict[str, Any] = {
    "loop.learning_rate": 3e-4, "loop.warmup_epochs": 2, "loop.epochs": 20, "loop.batch_segments": 4, "loop.segment_stride": 15,
    "loop.min_steps": 3, "updaters.ema.alpha": 0.99, "losses.acceleration.weight": 1.0,
    "denoiser": "mdnet", "denoiser.fps": 30.0,
}  # fmt: skip

#: CycleAdapt's steps are on single frames: as many of them, and as many steps. The methods that go frame by frame have the
#: rates of the network on pictures, which were not tried with this one.
METHOD_SUITS: dict[str, dict[str, Any]] = {
    **open_image.METHOD_SUITS,
    "cycleadapt": {"loop.epochs": 30, "loop.warmup_epochs": 3, "loop.batch_frames": 120, "loop.min_steps": 2},
}


@register("open", settings=EstimatorSettings, suits=SUITS, method_suits=METHOD_SUITS)
def open_estimator(settings: EstimatorSettings) -> Lifter:
    """A small network on 2D keypoints and 3D landmarks over time, for the free body; takes no pictures; weights included."""
    return Lifter.from_checkpoint(settings.weights or assets.verify("estimator_open.safetensors"))
