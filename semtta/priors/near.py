"""Which labels are near to other words: by meaning, and without a text encoder by words and letters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import lru_cache

import torch
from torch import Tensor

from ..errors import LONGEST, SemttaError
from .text import encode_labels, normalised_label


def near_in_meaning(text: str, labels: Sequence[str], features: Tensor | None = None) -> list[tuple[str, float]]:
    """All labels with the cosine in [-1, 1] of their text features and those of "a person is TEXT", best first.

    ``features`` [N, D] are the labels' own; where they are another encoder's (MotionCLIP's are CLIP's) or None, the labels are
    encoded too. SemttaError if the encoder is not installed.
    """
    wanted = encode_labels([text])[0]
    if features is None or features.shape[1] != len(wanted):
        features = label_features(tuple(labels))
    scores = torch.cosine_similarity(features, wanted.to(features), dim=-1).tolist()
    return sorted(zip(labels, scores, strict=True), key=lambda pair: -pair[1])


def near_in_words(text: str, labels: Sequence[str]) -> list[str]:
    """All labels, those first that share most of their words with the text, then those whose letters are most alike."""
    matcher = SequenceMatcher(b=normalised_label(text[:LONGEST]), autojunk=False)
    stems = {word[:4] for word in re.findall(r"[a-z0-9]+", text.lower())}

    def likeness(label: str) -> tuple[float, float]:
        words = normalised_label(label).split()
        matcher.set_seq1(" ".join(words)[:LONGEST])
        return sum(word[:4] in stems for word in words) / max(1, len(words)), matcher.ratio()

    return sorted(labels, key=likeness, reverse=True)


def nearest(text: str, labels: Sequence[str], features: Tensor | None = None) -> list[tuple[str, float | None]]:
    """All labels, nearest first: ``near_in_meaning``, or without the encoder ``near_in_words``, which gives no similarity."""
    try:
        return [*near_in_meaning(text, labels, features)]
    except SemttaError:
        return [(label, None) for label in near_in_words(text, labels)]


@lru_cache(maxsize=2)
def label_features(labels: tuple[str, ...]) -> Tensor:
    """Text features [N, 384] of labels; kept, for large dictionaries take seconds."""
    return torch.cat([encode_labels(labels[i : i + 256]) for i in range(0, len(labels), 256)])
