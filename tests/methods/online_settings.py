"""Settings for the tiny problem of the online methods."""

from __future__ import annotations

from typing import Any

from semtta.methods import adaptation_defaults
from semtta.settings.config import AdaptConfig


def settings(method: str, **changes: Any) -> AdaptConfig:
    """The method's own defaults, with rates that a tiny network needs."""
    usual = {**adaptation_defaults(method), "learning_rate": 1e-3, "inner_learning_rate": 1e-3, "segment_frames": 3}
    return AdaptConfig(method=method, **{**usual, **changes})
