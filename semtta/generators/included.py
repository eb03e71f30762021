"""Generators that use a prior: its dictionary or its decoder."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from pydantic import Field
from torch import Tensor

from ..errors import SemttaError
from ..registry import Settings
from .base import register


class _Dictionary(Protocol):
    @property
    def labels(self) -> tuple[str, ...]: ...

    def exemplar(self, label: str, num_frames: int) -> Tensor: ...


class _Decoder(Protocol):
    dictionary: Any

    def decode(self, labels: list[str], num_frames: int) -> Tensor: ...


class ExemplarGenerator:
    """The label's exemplar motion in a dictionary, cropped or repeated to length."""

    def __init__(self, dictionary: _Dictionary) -> None:
        self.dictionary = dictionary

    @property
    def labels(self) -> tuple[str, ...]:
        return self.dictionary.labels

    def generate(self, label: str, num_frames: int) -> Tensor:
        """Rotations [num_frames, 24, 3, 3]."""
        return self.dictionary.exemplar(label, num_frames)


class DecoderGenerator:
    """The motion that a prior's decoder generates from the label's text feature."""

    def __init__(self, prior: _Decoder) -> None:
        self.prior, self.dictionary = prior, prior.dictionary

    @property
    def labels(self) -> tuple[str, ...]:
        return self.dictionary.labels if self.dictionary is not None else ()

    @torch.no_grad()
    def generate(self, label: str, num_frames: int) -> Tensor:
        """Rotations [num_frames, 24, 3, 3]."""
        return self.prior.decode([label], num_frames)[0]


class ExemplarSettings(Settings):
    """Settings of ``exemplar``."""

    source: str = Field("open", description="prior whose dictionary holds the exemplars")


class DecoderSettings(Settings):
    """Settings of ``decoder``."""

    source: str = Field("open-cosine", description="prior that has a decoder")


@register("exemplar", settings=ExemplarSettings, needs=("prior",))
def exemplar(settings: ExemplarSettings, prior: Any) -> ExemplarGenerator:
    """The label's exemplar motion in a prior's dictionary, repeated to length."""
    if getattr(prior, "dictionary", None) is None or prior.dictionary.exemplars is None:
        raise SemttaError(f"Prior '{prior.name}' has no dictionary to take exemplar motions from.")
    return ExemplarGenerator(prior.dictionary)


@register("decoder", settings=DecoderSettings, needs=("prior",))
def decoder(settings: DecoderSettings, prior: Any) -> DecoderGenerator:
    """The motion that a prior's decoder generates for the label."""
    if getattr(prior, "decoder", None) is None:
        raise SemttaError(f"Prior '{prior.name}' has no decoder: generator.source must name one such as 'open-cosine'.")
    return DecoderGenerator(prior)
