"""Updaters: 2D keypoints + prediction + similarity -> 2D keypoints (Sec. 4.2)."""

from .base import Evidence, UpdateRules, compose, ema, fill_in, register, updaters

__all__ = ["Evidence", "UpdateRules", "compose", "ema", "fill_in", "register", "updaters"]
