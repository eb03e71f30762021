"""Settings for the tiny problem of the online methods."""

from __future__ import annotations

from typing import Any

from semtta.build import make_config
from semtta.methods import methods
from semtta.settings import AdaptConfig, LoopSettings


def settings(method: str, **changes: Any) -> AdaptConfig:
    """What suits the method, with rates that a tiny network needs; ``changes``: the loop's, the method's, or the seed."""
    entry = methods.entry(method)
    usual = {"learning_rate": 1e-3, "inner_learning_rate": 1e-3, "segment_frames": 3, **changes}
    own = {f"method.{key}": value for key, value in usual.items() if key in entry.settings.model_fields}
    loop = {f"loop.{key}": value for key, value in usual.items() if key in LoopSettings.model_fields}
    seed = {"seed": usual.get("seed", 0)}
    return make_config({"method": method, **entry.suits, **loop, **own, **seed})
