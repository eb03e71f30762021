"""The included priors: MotionCLIP's architecture, smaller, trained on free motions in a sentence encoder's space.

``open-cosine`` is trained as MotionCLIP is (cosine and reconstruction). ``open`` is trained so that its gradient is of
use: contrastive text alignment through a learnt projection, a gradient-direction loss and a quality loss on spoilt
motion (``semtta.training.prior``). It sees motion in the pelvis frame. It can harm where the start is already good: let
2D evidence and an anchor speak there too.
"""

from __future__ import annotations

from pathlib import Path

from .. import assets
from .base import register
from .motionclip import MotionCLIP, MotionCLIPConfig
from .text import SENTENCE_DIM

OPEN_CONFIG = MotionCLIPConfig(
    width=128, layers=4, heads=4, feedforward=256, dropout=0.0, patch=5, decoder=False, text_dim=SENTENCE_DIM
)
OPEN_COSINE_CONFIG = MotionCLIPConfig(
    width=128, layers=4, heads=4, feedforward=256, dropout=0.1, patch=5, decoder=True, text_dim=SENTENCE_DIM
)


@register("open")
def open_prior(weights: str | Path | None = None) -> MotionCLIP:
    """The included prior whose gradient repairs hidden joints."""
    return MotionCLIP.from_checkpoint(weights or assets.verify("prior_open.safetensors"))


@register("open-cosine")
def open_cosine_prior(weights: str | Path | None = None) -> MotionCLIP:
    """The included prior trained as MotionCLIP is, for comparison; has a decoder."""
    return MotionCLIP.from_checkpoint(weights or assets.verify("prior_open-cosine.safetensors"))
