"""The included estimator: a network on keypoints, trained on free motions seen by simulated cameras and detectors."""

from __future__ import annotations

from typing import Any

from .. import assets
from .base import EstimatorSettings, register
from .lifter import Lifter

SUITS: dict[str, Any] = {}


@register("open", settings=EstimatorSettings, suits=SUITS)
def open_estimator(settings: EstimatorSettings) -> Lifter:
    """A small network on 2D keypoints and 3D landmarks over time, for the free body; takes no pictures; weights included."""
    return Lifter.from_checkpoint(settings.weights or assets.verify("estimator_open.safetensors"))
