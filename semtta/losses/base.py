"""What a loss term is, and their sum (Eq. 10)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field
from torch import Tensor

from ..registry import Registry, Settings
from ..settings import Part
from ..types import Evidence, FrameBatch, Landmarks3D, Motion, Prediction, Segment


class TermSettings(Settings):
    """Base of a term's settings."""

    weight: float = Field(1.0, ge=0, le=1e6, description="in Eq. 10; 0: the term is left out")


@dataclass(frozen=True)
class WholeClip:
    """All T frames of a clip, as they were predicted after the last epoch."""

    rotations: Tensor  # [T, 24, 3, 3]
    projected: Tensor  # [T, 29, 2] pixels of the 224 crops
    visible: Tensor  # [T, 24] in [0, 1], how far 2D evidence backs each joint
    places: FrameBatch  # where the crops are


@dataclass(frozen=True)
class StepContext:
    """What a term may look at: one optimiser step on N frames, which are B segments one after the other.

    B is 0 when single frames are drawn. Labelled segments are a subset; ``motion``, ``labels`` and ``trust`` are theirs.
    """

    prediction: Prediction  # of the N frames
    joints: Tensor  # [N, 29, 3] metres, the body at its origin
    projected: Tensor  # [N, 29, 2] pixels of the 224 crop
    evidence: Evidence  # [N, 29] as it is in this epoch
    frames: Tensor  # [N] their numbers in the clip
    segments: Sequence[Segment]  # B
    target: Prediction | None  # [N] what the denoiser and the averaged shape give; None in the first epoch
    prior: Any  # semtta.priors.Prior
    motion: Motion | None  # [B', L, 24, 3, 3] of the labelled segments; None: there are none
    labels: Sequence[str]  # B'
    trust: Tensor  # [B'] in their labels
    progress: float  # share of the epochs that are done, [0, 1)
    landmarks: Landmarks3D | None = None  # [T] of the whole clip: those of the step are landmarks[frames]
    fps: float = 30.0  # of the frames in a segment, on average
    clip: WholeClip | None = None  # None in the first epoch


#: Context and the term's settings -> its value per frame [N] or per segment [B']; None: it has nothing to say.
Term = Callable[..., Tensor | None]

_HERE = {
    "2d": "projection", "align": "alignment", "pose": "smoothing", "shape": "smoothing", "landmarks": "landmarks",
    "acceleration": "acceleration", "depth": "depth", "lean": "lean",
}  # fmt: skip
terms: Registry[Tensor | None] = Registry(
    "loss", {name: f"{__package__}.{module}" for name, module in _HERE.items()}, group="semtta.losses"
)
register = terms.register


@dataclass(frozen=True)
class WeightedTerm:
    """A term of a run."""

    name: str
    call: Callable[[StepContext], Tensor | None]
    settings: TermSettings

    def weight(self, progress: float) -> float:
        """In Eq. 10; grows linearly over the first ``warmup`` of the epochs, if the settings have that."""
        warmup = getattr(self.settings, "warmup", 0.0)
        return self.settings.weight * (min(1.0, progress / warmup) if warmup else 1.0)


def bind(parts: Sequence[Part]) -> list[WeightedTerm]:
    """The terms of a run that have a weight."""
    bound = [WeightedTerm(part.name, terms.bind(part.name, part.settings), part.settings) for part in parts]  # type: ignore[arg-type]
    return [term for term in bound if getattr(term.settings, "weight", 1.0)]


def evaluate_terms(bound: Sequence[WeightedTerm], context: StepContext) -> dict[str, Tensor]:
    """The terms' means by name; those without a value are left out."""
    values = ((term.name, term.call(context)) for term in bound)
    return {name: value.mean() for name, value in values if value is not None}


def overall_loss(values: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Eq. 10: the weighted sum of the terms."""
    return sum((weights[name] * value for name, value in values.items()), start=next(iter(values.values())).new_zeros(()))
