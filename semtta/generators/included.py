"""Generators that come with a prior."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from ..errors import SemttaError
from .base import register


class _Dictionary(Protocol):
    @property
    def labels(self) -> tuple[str, ...]: ...

    def exemplar(self, label: str, num_frames: int) -> Tensor: ...


class _Decoder(Protocol):
    dictionary: Any

    def decode(self, labels: list[str], num_frames: int) -> Tensor: ...


class ExemplarGenerator:
    """The dictionary's motion of the label, cropped or repeated to length."""

    def __init__(self, dictionary: _Dictionary) -> None:
        self.dictionary = dictionary

    @property
    def labels(self) -> tuple[str, ...]:
        return self.dictionary.labels

    def generate(self, label: str, num_frames: int) -> Tensor:
        """Rotations [num_frames, 24, 3, 3]."""
        return self.dictionary.exemplar(label, num_frames)


class DecoderGenerator:
    """What a prior's decoder makes of the label's text feature."""

    def __init__(self, prior: _Decoder) -> None:
        self.prior, self.dictionary = prior, prior.dictionary

    @property
    def labels(self) -> tuple[str, ...]:
        return self.dictionary.labels if self.dictionary is not None else ()

    @torch.no_grad()
    def generate(self, label: str, num_frames: int) -> Tensor:
        """Rotations [num_frames, 24, 3, 3]."""
        return self.prior.decode([label], num_frames)[0]


@register("exemplar")
def exemplar(prior: Any) -> ExemplarGenerator:
    """From the dictionary of a prior."""
    if getattr(prior, "dictionary", None) is None or prior.dictionary.exemplars is None:
        raise SemttaError(f"Prior '{prior.name}' has no dictionary to take exemplar motions from.")
    return ExemplarGenerator(prior.dictionary)


@register("decoder")
def decoder(prior: Any) -> DecoderGenerator:
    """From the decoder of a prior."""
    if getattr(prior, "decoder", None) is None:
        raise SemttaError(f"Prior '{prior.name}' has no decoder: generator_source must name one such as 'open-cosine'.")
    return DecoderGenerator(prior)
