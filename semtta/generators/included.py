"""Generators that come with the included priors."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from ..errors import SemttaError
from .base import register


class _Dictionary(Protocol):
    def exemplar(self, label: str, num_frames: int) -> Tensor: ...


class _Decoder(Protocol):
    def decode(self, labels: list[str], num_frames: int) -> Tensor: ...


class ExemplarGenerator:
    """The dictionary's motion of the label, cropped or repeated to length."""

    def __init__(self, dictionary: _Dictionary) -> None:
        self.dictionary = dictionary

    def generate(self, label: str, num_frames: int) -> Tensor:
        """Rotations [num_frames, 24, 3, 3]."""
        return self.dictionary.exemplar(label, num_frames)


class DecoderGenerator:
    """What a prior's decoder makes of the label's text feature."""

    def __init__(self, prior: _Decoder) -> None:
        self.prior = prior

    @torch.no_grad()
    def generate(self, label: str, num_frames: int) -> Tensor:
        """Rotations [num_frames, 24, 3, 3]."""
        return self.prior.decode([label], num_frames)[0]


@register("exemplar")
def exemplar(prior: str = "open") -> ExemplarGenerator:
    """From the dictionary of an included prior."""
    from ..priors import priors

    dictionary = priors.create(prior).dictionary
    if dictionary is None:
        raise SemttaError(f"Prior '{prior}' has no dictionary to take exemplar motions from.")
    return ExemplarGenerator(dictionary)


@register("decoder")
def decoder(prior: str = "open-cosine") -> DecoderGenerator:
    """From the decoder of an included prior."""
    from ..priors import priors

    return DecoderGenerator(priors.create(prior))  # type: ignore[arg-type]
