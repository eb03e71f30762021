"""Updaters: 2D evidence + prediction + similarity -> 2D evidence (Sec. 4.2)."""

from ..types import Evidence
from .base import EMASettings, FillInSettings, UpdateContext, Updater, bind, ema, fill_in, register, update, updaters
