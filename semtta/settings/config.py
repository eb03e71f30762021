"""Every setting of an adaptation, the presets, and how they are read from and written to YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import SemttaError, unknown_name
from ..labelers.settings import VLMConfig


class AdaptConfig(BaseModel):
    """Settings of one adaptation. The defaults are the paper's (Sec. 5.2) where it gives them.

    Where the paper is silent, or differs from the public code that it builds on, the field's description says so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # roles
    method: str = Field("semantic", description="how a video is adapted")
    estimator: str = "open"
    body: str = "open"
    denoiser: str = "mdnet"
    prior: str = "open"
    labeler: str = "oracle"
    updaters: tuple[str, ...] = Field(("ema", "fill_in"), description="2D updates after each epoch, in this order (Eq. 8)")
    detector: str = Field("blazepose", description="2D detector for videos without keypoints")
    estimator_weights: str | None = Field(None, description="file; None: the included or imported one")
    denoiser_weights: str | None = None
    prior_weights: str | None = None
    generator: str = Field("exemplar", description="where the priors 'discriminator' and 'unpaired' take motions of a label from")
    generator_source: str | None = Field(
        None, description="exemplar, decoder: a prior (None: open, open-cosine); motiongpt: folder of its joint files"
    )
    body_file: str | None = None

    # optimisation (Sec. 5.2)
    epochs: int = Field(6, ge=0)
    learning_rate: float = Field(5e-5, gt=0)
    min_learning_rate: float = Field(1e-6, ge=0)
    warmup_epochs: int = Field(0, ge=0, description="linear warm-up; CycleAdapt 3, the paper does not say")
    adam_betas: tuple[float, float] = (0.5, 0.9)
    dropout: bool = Field(True, description="adapt in train mode, as CycleAdapt does")
    micro_batch: int | None = Field(None, ge=1, description="frames per forward pass when a batch does not fit; same gradient")

    # segments (Sec. 4.1)
    segment_frames: int = Field(60, ge=2)
    segment_stride: int = Field(
        30, ge=1, description="the paper does not say; 30 visits a frame as often in 6 epochs as CycleAdapt in 12"
    )
    segment_step: int = Field(
        1, ge=1, description="a step runs every so-manieth frame of its segments; the prior fills the gaps by interpolation"
    )
    batch_segments: int = Field(4, ge=1)
    min_steps: int = Field(1, ge=1, description="optimiser steps an epoch at least: a short video's segments are drawn again")
    sampling: Literal["similarity", "uniform", "frames"] = Field(
        "similarity", description="draw segments by 1 - sim (paper), or each once, or shuffled single frames (CycleAdapt)"
    )
    batch_frames: int = Field(32, ge=1, description="batch of the sampling 'frames'")
    unlabelled_2d: bool = Field(True, description="segments without one label still get the 2D and smoothing losses")

    # losses (Eq. 5, 4, 9, 10)
    lambda_2d: float = Field(0.1, ge=0)
    lambda_align: float = Field(0.2, ge=0)
    align_warmup: float = Field(
        0.0, ge=0, le=1, description="share of the epochs in which lambda_align grows from 0: what is seen is fitted first"
    )
    lambda_pose: float = Field(1.0, ge=0, description="weight of the rotations in Eq. 9")
    lambda_shape: float = Field(0.001, ge=0, description="Eq. 9 gives 1, CycleAdapt uses 0.001")
    reduction_2d: Literal["mean", "sum"] = Field(
        "mean", description="over the 29 joints: lambda_2d = 0.1 agrees with CycleAdapt under the mean; Eq. 5 is a sum"
    )

    # 2D evidence and its update (Sec. 4.2)
    keypoint_threshold: float = Field(0.3, ge=0)
    supervised: Literal["limbs", "limbs+face", "smpl24"] = Field(
        "limbs", description="13 joints as CycleAdapt on 3DPW, with face, pelvis and head as its demo, or all (ground truth)"
    )
    ema_alpha: float = Field(0.9, ge=0, le=1)
    fill_threshold: float | None = Field(None, description="sigma; None: the prior's own (MotionCLIP 0.75)")
    fill_joints: Literal["supervised", "smpl24", "smpl29"] = Field("supervised", description="joints that fill-in may touch")
    fill_outside_crop: bool = Field(True, description="whether fill-in may set points outside the crop")
    predictions: Literal["eval", "train"] = Field(
        "eval", description="mode of the predictions that update the 2D and feed the denoiser; CycleAdapt: train"
    )

    # denoiser (CycleAdapt)
    denoiser_learning_rate: float | None = Field(None, description="None: as learning_rate, but 5e-5 at most")
    denoiser_batch: int = Field(32, ge=1, description="windows of 49 frames")

    # labels (Sec. 4.1, Appendix B)
    label_frames: int = Field(60, ge=1, description="frames that one label covers")
    trust_labels: bool = Field(
        False, description="scale a segment's alignment loss by the trust in its label; the paper does not"
    )
    vlm: VLMConfig = Field(VLMConfig(), description="vision-language model")

    # methods that go frame by frame; the defaults are BOA's, other methods change some (docs/methods.md)
    inner_learning_rate: float = Field(8e-6, gt=0, description="step of the lower level")
    frame_2d: float = Field(10.0, ge=0, description="squared 2D distance, crop as [-1, 1]")
    frame_shape: float = Field(2e-6, ge=0, description="squared betas")
    frame_pose: float = Field(1e-4, ge=0, description="Gaussian-mixture pose prior")
    pose_prior_file: str | None = Field(None, description="mixture: SMPLify's gmm_08.pkl or an npz; None: the included one")
    teacher_weight: float = Field(0.1, ge=0)
    teacher_momentum: float = Field(0.1, ge=0, le=1, description="share of the old teacher: 0.1 is a fast one")
    motion_weight: float = Field(0.1, ge=0, description="2D motion over motion_gap frames")
    motion_gap: int = Field(5, ge=1)
    source_images: str | None = Field(None, description="folder of labelled images (semtta synth images); None: source-free")
    source_weight: float = Field(0.1, ge=0)
    source_clusters: int = Field(32, ge=1, description="DynaBOA's retrieval; its code comes with clusters and no number")
    update_threshold: float = Field(3.1e-4, ge=0, description="DynaBOA goes on while the feature's cosine distance is above")
    max_updates: int = Field(7, ge=0, description="DynaBOA's further steps a frame, at most")
    pairs: int = Field(4, ge=1, description="DAPA: rendered images a step")
    pair_noise: float = Field(0.5, ge=0, description="DAPA: spread of their poses, in standard deviations of the pose prior")
    pair_weight: float = Field(1.0, ge=0, description="DAPA: loss on rendered images beside that on the real one")

    # input
    keypoints_from: Literal["detector", "ground_truth"] = Field(
        "detector", description="ground_truth: the projected joints of the dataset, as BOA and DynaBOA were published with"
    )
    box_scale: float | None = Field(None, gt=0, description="side of the crop / extent of the keypoints; None: the estimator's")

    seed: int = 0
    device: str = "auto"
    preset: str = Field("paper", description="the preset that these settings started from")


#: What each preset changes. What suits the estimator and the prior applies on top, then what the user sets.
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "cycleadapt": {
        "method": "cycleadapt", "prior": "none", "updaters": (), "labeler": "none", "epochs": 13, "warmup_epochs": 3,
        "sampling": "frames", "predictions": "train", "lambda_align": 0.0,
    },
    "best": {"prior": "infill"},
    "fast": {"epochs": 3, "segment_stride": 60},
}  # fmt: skip


def resolve(
    preset: str = "paper",
    overrides: Mapping[str, Any] | None = None,
    part_defaults: Mapping[str, Any] | None = None,
) -> AdaptConfig:
    """Preset, then what suits estimator and prior, then what the user set: an AdaptConfig. SemttaError on bad settings."""
    if preset not in PRESETS:
        raise unknown_name("preset", preset, PRESETS)
    settings = {**PRESETS[preset], **(part_defaults or {}), **(overrides or {}), "preset": preset}
    return validate(settings)


def validate(settings: Mapping[str, Any]) -> AdaptConfig:
    """AdaptConfig from a mapping, with one clear line for the first thing that is wrong."""
    for key in settings:
        if key not in AdaptConfig.model_fields:
            raise unknown_name("setting", key, AdaptConfig.model_fields)
    try:
        return AdaptConfig(**settings)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SemttaError(f"Setting {key}={first['input']!r}: {first['msg']}.") from error


def parse_assignments(items: Sequence[str]) -> dict[str, Any]:
    """``["epochs=3", "updaters=[ema]", "vlm.frames=4"]`` -> mapping, nested at the dot; values are YAML."""
    parsed: dict[str, Any] = {}
    for item in items:
        key, separator, value = item.partition("=")
        if not separator:
            raise SemttaError(f"--set {item}: write it as key=value.")
        try:
            loaded = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise SemttaError(f"--set {item}: the value is not readable.") from error
        outer, dot, inner = key.strip().partition(".")
        loaded = _number(loaded) if isinstance(loaded, str) else loaded
        parsed = merge(parsed, {outer: {inner: loaded} if dot else loaded})
    return parsed


def merge(settings: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``settings`` with those of ``over``; groups (``vlm``) are merged, not replaced."""
    groups = {k: {**settings[k], **v} for k, v in over.items() if isinstance(v, dict) and isinstance(settings.get(k), dict)}
    return {**settings, **over, **groups}


def _number(text: str) -> float | str:
    """YAML reads ``3e-4`` as text."""
    try:
        return float(text)
    except ValueError:
        return text


def read(path: str | Path) -> dict[str, Any]:
    """Settings from a YAML file: a ``config.yaml`` of a run, or any mapping of settings."""
    try:
        loaded = yaml.safe_load(Path(path).read_text())
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise SemttaError(f"Cannot read the settings in {path} ({str(error).splitlines()[0]}).") from error
    if not isinstance(loaded, dict):
        raise SemttaError(f"{path} is not a mapping of settings.")
    settings = loaded.get("settings", loaded)
    return {k: _number(v) if isinstance(v, str) else v for k, v in settings.items()}
