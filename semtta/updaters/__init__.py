"""Updaters: 2D keypoints + prediction + similarity -> 2D keypoints (Sec. 4.2)."""

from ..types import Evidence
from .base import UpdateRules, compose, ema, fill_in, register, updaters

__all__ = ["Evidence", "UpdateRules", "compose", "ema", "fill_in", "register", "updaters"]
