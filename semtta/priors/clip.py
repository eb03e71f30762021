"""CLIP's text tower: the space that MotionCLIP's motion features live in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import SemttaError, first_line, missing_extra

#: open_clip's name of OpenAI's ViT-B/32. OpenAI's weights need the quick GELU: plain ``ViT-B-32`` gives other features.
CLIP_MODEL, CLIP_WEIGHTS = "ViT-B-32-quickgelu", "openai"


class ClipText:
    """Labels -> CLIP's text features [N, 512], not normalised. The model is made when it is first asked."""

    def __init__(self, model: str = CLIP_MODEL, weights: str | None = CLIP_WEIGHTS) -> None:
        """``weights``: a name or file as open_clip takes them; None leaves them random (for tests)."""
        self.name, self.weights = model, weights
        self._model: Any = None
        self._tokenise: Any = None

    @torch.no_grad()
    def __call__(self, labels: Sequence[str]) -> Tensor:
        """Raw labels, as MotionCLIP takes them: no sentence around them."""
        if self._model is None:
            self._load()
        return self._model.encode_text(self._tokenise(list(labels))).float()

    def _load(self) -> None:
        try:
            import open_clip
        except ImportError as error:
            raise missing_extra("MotionCLIP's text features", "clip", error) from error
        try:
            self._model = open_clip.create_model(self.name, pretrained=self.weights).eval()
        except Exception as error:  # open_clip and what it downloads with raise many kinds
            reason = first_line(error)[:160]
            raise SemttaError(
                f"CLIP's weights '{self.weights}' cannot be loaded ({reason}): they are downloaded once, or use a "
                "prior whose file holds a motion dictionary."
            ) from error
        self._tokenise = open_clip.get_tokenizer(self.name)
