"""Named sets of settings. A preset stands above what suits the parts, and below what the user sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preset:
    """Settings by dotted key; ``methods`` adds those of a method of that name."""

    description: str
    values: Mapping[str, Any] = field(default_factory=dict)
    methods: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


#: Sec. 5.2, and for what the paper leaves open the choice that docs/methods.md gives the reason of. Only sigma and the
#: dictionary belong to the prior.
_PAPER: dict[str, Any] = {
    "method": "semantic", "denoiser": "mdnet", "prior": "open", "updaters": ("ema", "fill_in"),
    "labeler": "auto", "labeler.otherwise": "gpt4o", "loop.mixed_segments": "drop",
    "loop.epochs": 6, "loop.learning_rate": 5e-5, "loop.min_learning_rate": 1e-6, "loop.warmup_epochs": 0,
    "loop.adam_betas": (0.5, 0.9), "loop.trainable": "all", "loop.dropout": True,
    "loop.segment_frames": 60, "loop.segment_stride": 30, "loop.segment_step": 1, "loop.batch_segments": 4, "loop.min_steps": 1,
    "loop.sampling": "similarity", "loop.batch_frames": 32, "loop.predictions": "eval",
    "loop.window_frames": None, "loop.shared_shape": False,
    "losses.2d.weight": 0.1, "losses.2d.reduction": "mean", "losses.2d.unlabelled": True,
    "losses.align.weight": 0.2, "losses.align.warmup": 0.0, "losses.align.use_trust": False,
    "losses.pose.weight": 1.0, "losses.shape.weight": 0.001,
    "updaters.ema.alpha": 0.9, "updaters.fill_in.joints": "supervised", "updaters.fill_in.outside_crop": True,
    "evidence.threshold": 0.3, "evidence.joints": "limbs", "evidence.source": "detector", "labels.frames": 60,
    "evidence.landmarks": "never", "evidence.repair_swaps": False, "evidence.dataset_camera": False,
    "losses.landmarks.weight": 0.0, "losses.acceleration.weight": 0.0, "losses.depth.weight": 0.0,
    "crop.resample": "opencv",
    "denoiser.learning_rate": 5e-5, "denoiser.batch": 32, "denoiser.fps": None, "refiners": (),
}  # fmt: skip

#: What CycleAdapt's public code (Nam et al., ICCV 2023) does otherwise.
_CYCLEADAPT_LOOP: dict[str, Any] = {
    "loop.epochs": 13, "loop.warmup_epochs": 3, "loop.sampling": "frames", "loop.batch_frames": 32, "loop.predictions": "train",
}  # fmt: skip
#: The methods that the paper compares with, as they were published.
_PAPER_METHODS: dict[str, dict[str, Any]] = {
    "cycleadapt": _CYCLEADAPT_LOOP,
    "boa": {"loop.epochs": 1, "loop.learning_rate": 3e-6, "loop.adam_betas": (0.5, 0.999)},
    "dynaboa": {"loop.epochs": 1, "loop.learning_rate": 3e-6, "loop.adam_betas": (0.5, 0.9)},
    "dapa": {"loop.epochs": 1, "loop.learning_rate": 5e-5, "loop.adam_betas": (0.9, 0.999)},
}  # fmt: skip
_CYCLEADAPT: dict[str, Any] = {
    **{key: value for key, value in _PAPER.items() if key != "labeler.otherwise"}, **_CYCLEADAPT_LOOP,
    "method": "cycleadapt", "prior": "none", "labeler": "none", "updaters": (),
    "losses.align.weight": 0.0,
}  # fmt: skip

#: What the tables of docs/results.md of 27 November 2026 were made with: the image network `open-image` at its own rate, 20
#: frames that span two seconds a step (docs/results.md has how it was chosen).
_TABLES: dict[str, Any] = {
    "estimator": "open-image", "body": "open", "denoiser": "mdnet", "prior": "infill",
    "loop.learning_rate": 3e-4, "loop.warmup_epochs": 2, "loop.epochs": 15, "loop.batch_segments": 1,
    "loop.segment_frames": 60, "loop.segment_stride": 6, "loop.segment_step": 3, "loop.min_steps": 10,
    "loop.predictions": "train", "loop.window_frames": None, "loop.shared_shape": False,
    "updaters.ema.alpha": 0.99, "evidence.landmarks": "never", "evidence.repair_swaps": False,
    "evidence.dataset_camera": False, "losses.landmarks.weight": 0.0,
    "losses.acceleration.weight": 0.0, "losses.depth.weight": 0.0, "denoiser.fps": None, "refiners": (),
}  # fmt: skip
_TABLES_METHODS: dict[str, dict[str, Any]] = {
    "cycleadapt": {
        "loop.epochs": 30, "loop.warmup_epochs": 3, "loop.batch_frames": 20, "loop.min_steps": 4, "loop.sampling": "frames",
    },
    "boa": {"loop.epochs": 1, "loop.adam_betas": (0.5, 0.999), "loop.learning_rate": 1e-4, "method.inner_learning_rate": 2.67e-4},
    "dynaboa": {"loop.epochs": 1, "loop.learning_rate": 1e-4, "method.inner_learning_rate": 2.67e-4},
    "dapa": {"loop.epochs": 1, "loop.adam_betas": (0.9, 0.999), "loop.learning_rate": 5e-5, "method.pair_weight": 0.1},
}  # fmt: skip

#: What no paper has.
_BEST: dict[str, Any] = {
    "evidence.repair_swaps": True, "evidence.dataset_camera": True, "refiners": ("shape", "root", "ankles", "floor", "contact"),
    "loop.window_frames": 1800,
}  # fmt: skip

PRESETS: dict[str, Preset] = {
    "best": Preset("the included parts with what suits them; the default", _BEST),
    "paper": Preset("Sec. 5.2 of the paper, whatever the parts", _PAPER, _PAPER_METHODS),
    "cycleadapt": Preset("CycleAdapt as its public code runs it", _CYCLEADAPT),
    "fast": Preset(
        "a first look: few epochs and segments",
        {**_BEST, "loop.epochs": 3, "loop.segment_stride": 60, "loop.warmup_epochs": 0},
    ),
    "tables": Preset("what the tables of docs/results.md were made with", _TABLES, _TABLES_METHODS),
}
