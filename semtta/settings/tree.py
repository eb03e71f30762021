"""Every setting of an adaptation, as one tree. The defaults are the paper's (Sec. 5.2) where it gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny

from ..registry import NoSettings, Settings

#: Roles of which a run has one part, and roles of which it has several, in order.
SINGLE_ROLES = ("method", "estimator", "body", "denoiser", "prior", "generator", "labeler", "detector")
LISTED_ROLES = ("updaters", "losses", "refiners")
#: The form of a device's name; whether it is here is looked at by ``semtta.devices``.
DEVICE = r"^[a-z]{1,20}(:\d{1,2})?$"


class Part(BaseModel):
    """A part by name, with the settings that it declares."""

    model_config = ConfigDict(frozen=True)

    name: str  # as registered, with its argument after a colon: "vlm:ollama/qwen2.5vl"
    settings: SerializeAsAny[Settings] = NoSettings()

    def dump(self) -> dict[str, Any]:
        """Name and settings as one mapping of plain values."""
        return {"name": self.name, **self.settings.model_dump(mode="json")}


class LoopSettings(Settings):
    """Optimisation, and which frames make a step."""

    epochs: int = Field(6, ge=0, le=1_000_000, description="passes over the clip")
    learning_rate: float = Field(5e-5, gt=0, le=1, description="of Adam, at its peak")
    min_learning_rate: float = Field(1e-6, ge=0, le=1, description="at the end of the cosine schedule")
    warmup_epochs: int = Field(0, ge=0, le=1_000_000, description="linear warm-up; CycleAdapt 3, the paper does not say")
    adam_betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        (0.5, 0.9), description="of Adam"
    )
    trainable: str = Field(
        "all", description="weights that are adapted: all, norm (normalisation layers), last (the last block), lora[:RANK], or a "
        "regular expression of parameter names"
    )  # fmt: skip
    dropout: bool = Field(True, description="adapt in train mode, as CycleAdapt does")
    micro_batch: int | None = Field(
        None, ge=1, le=1_000_000, description="frames per forward pass if a batch does not fit; same gradient"
    )
    segment_frames: int = Field(60, ge=2, le=1_000_000, description="frames of a segment (Sec. 4.1)")
    segment_stride: int = Field(
        30, ge=1, le=1_000_000, description="frames between starts of segments; the paper does not say: 30 visits a frame as "
        "often in 6 epochs as CycleAdapt in 12"
    )  # fmt: skip
    mixed_segments: Literal["keep", "drop"] = Field(
        "keep",
        description="segments whose frames carry different labels: adapt to them without alignment, or leave them out (paper)",
    )
    segment_step: int = Field(
        1, ge=1, le=1_000_000, description="a step uses every n-th frame of its segments; the prior interpolates between"
    )
    batch_segments: int = Field(4, ge=1, le=100_000, description="segments a step")
    min_steps: int = Field(
        1, ge=1, le=1_000_000, description="optimiser steps an epoch, at least: segments of a short clip are drawn again"
    )
    sampling: Literal["similarity", "uniform", "frames"] = Field(
        "similarity", description="draw segments by 1 - sim (paper), or each once, or shuffled single frames (CycleAdapt)"
    )
    batch_frames: int = Field(32, ge=1, le=1_000_000, description="frames a step with the sampling 'frames'")
    shared_shape: bool = Field(
        False, description="one shape from the first step on: all frames are seen with the clip's mean, not each with its own"
    )
    predictions: Literal["eval", "train"] = Field(
        "eval", description="mode of the predictions that update the 2D and feed the denoiser; CycleAdapt: train"
    )
    window_frames: int | None = Field(
        None, ge=2, le=1_000_000, description="a longer clip is adapted to window by window, each from the weights that the one "
        "before left; None: the whole clip at once"
    )  # fmt: skip
    window_overlap: int = Field(
        120, ge=0, le=1_000_000, description="frames that windows share and in which they are blended, at most half a window"
    )
    window_average: float = Field(
        0.5, ge=0, le=1, description="weight of the earlier windows' weights in what is carried on (EMA); 0: the last window's"
    )
    window_reset: float = Field(
        0.5, ge=0, le=1, description="how far a window's first weights are pulled back to the pre-trained ones; 1: all the way"
    )


class EvidenceSettings(Settings):
    """2D evidence (Sec. 4.2)."""

    threshold: float = Field(0.3, ge=0, lt=1, description="keypoints of a confidence above it count")
    joints: Literal["limbs", "limbs+face", "smpl24"] = Field(
        "limbs", description="13 joints as CycleAdapt on 3DPW; with face, pelvis and head as its demo; or all (ground truth)"
    )
    source: Literal["detector", "ground_truth"] = Field(
        "detector", description="ground_truth: the dataset's joints, projected, as BOA and DynaBOA were published with"
    )
    box_scale: float | None = Field(
        None, gt=0, le=10, description="side of the crop / extent of the keypoints; None: the estimator's"
    )
    landmarks: Literal["auto", "never", "always"] = Field(
        "auto", description="3D landmarks beside the keypoints: the detector's own, else BlazePose's if the run looks at them "
        "and its files are here; never; or always"
    )  # fmt: skip
    dataset_camera: bool = Field(
        False, description="see a dataset's clip by the camera that the dataset knows; else by the estimator's assumption"
    )
    repair_swaps: bool = Field(
        False, description="swap joints back in frames where left and right arms, legs or sides of the body change places"
    )


class CropSettings(Settings):
    """How crops are made of pictures, for an estimator that takes crops."""

    resample: Literal["antialias", "opencv"] = Field(
        "antialias", description="a filter that fits the reduction, or the pixels of OpenCV's warpAffine, which the published "
        "networks were trained on"
    )  # fmt: skip


class LabelSettings(Settings):
    """Labels (Sec. 4.1, Appendix B)."""

    frames: int = Field(60, ge=1, le=1_000_000, description="frames that one label covers")


class AdaptConfig(Settings):
    """All settings of one adaptation. Made by ``semtta.build.resolve``, which knows what the parts declare."""

    method: Part = Part(name="semantic")
    estimator: Part = Part(name="open")
    body: Part = Part(name="open")
    denoiser: Part = Part(name="mdnet")
    prior: Part = Part(name="infill")
    generator: Part = Part(name="exemplar")
    labeler: Part = Part(name="auto")
    detector: Part = Part(name="blazepose")
    updaters: tuple[Part, ...] = (Part(name="ema"), Part(name="fill_in"))  # after each epoch, in this order (Eq. 8)
    losses: tuple[Part, ...] = (Part(name="2d"), Part(name="align"), Part(name="pose"), Part(name="shape"))  # Eq. 10
    refiners: tuple[Part, ...] = ()  # after the adaptation, in this order; the paper has none
    loop: LoopSettings = LoopSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    crop: CropSettings = CropSettings()
    labels: LabelSettings = LabelSettings()
    seed: int = Field(0, ge=0, lt=2**50, description="of all random numbers; each epoch has a multiple of it")
    device: str = Field("auto", pattern=DEVICE, description="auto, cpu, cuda, cuda:N or mps")
    threads: int | None = Field(None, ge=1, le=1024, description="threads on the CPU; None: as many as are free and worth it")

    def dump(self) -> dict[str, Any]:
        """Plain nested values, as ``config.yaml`` has them and ``resolve`` takes them."""
        groups = {name: getattr(self, name).model_dump(mode="json") for name in ("loop", "evidence", "crop", "labels")}
        listed = {role: [part.dump() for part in getattr(self, role)] for role in LISTED_ROLES}
        rest = {name: getattr(self, name) for name in ("seed", "device", "threads")}
        return {**{role: getattr(self, role).dump() for role in SINGLE_ROLES}, **listed, **groups, **rest}

    def changed(self, values: Mapping[str, Any]) -> AdaptConfig:
        """A copy with other values of dotted keys: ``config.changed({"loop.epochs": 3, "losses": ()})``.

        Keys of groups and whole fields; a part's settings are replaced by replacing the part.
        """
        config = self
        for key, value in values.items():
            group, _, leaf = key.partition(".")
            new = getattr(config, group).model_copy(update={leaf: value}) if leaf else value
            config = config.model_copy(update={group: new})
        return config
