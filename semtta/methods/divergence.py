"""Runs whose numbers explode: they stop in the epoch where that happens, and are never taken for a result."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from ..errors import SemttaError
from ..settings import AdaptConfig, flatten
from .base import RunState


def require_finite(state: RunState, config: AdaptConfig, kept: bool = False) -> None:
    """SemttaError if a loss of the epoch that is just over, or anything that a checkpoint would keep, is NaN or infinite.

    Called once an epoch: it waits for the device. ``kept``: the epochs before have a checkpoint, and the message says so.
    """
    content = state.state_dict()
    losses = [(name, value) for record in content.get("history", ()) for name, value in record.items()]
    what = next((name for name, value in losses if isinstance(value, float) and not math.isfinite(value)), None)
    what = what or not_finite({name: part for name, part in content.items() if name != "history"})
    if what is not None:
        before = f" The checkpoint keeps epoch {state.epoch - 1}." if kept and state.epoch > 1 else ""
        raise diverged(f"in epoch {state.epoch} of {state.epochs}", what, config, before)


def not_finite(values: Any) -> str | None:
    """The dotted name of the first tensor in nested containers that holds NaN or infinity; None without. Waits once."""
    named = dict(_tensors(values, ""))
    if not named:
        return None
    device = next(iter(named.values())).device
    finite = torch.stack([tensor.isfinite().all().to(device) for tensor in named.values()]).tolist()
    return next((name for name, good in zip(named, finite, strict=True) if not good), None)


def diverged(when: str, what: str, config: AdaptConfig, more: str = "") -> SemttaError:
    """The error of a run that exploded: when, in what, and which settings to lower."""
    found = {key: value for key, value in flatten(config.dump()).items() if key.endswith("learning_rate") and value}
    rates = [
        f"{key} ({found[key]:g})" for key in sorted(found, key=lambda key: not key.startswith("loop.")) if ".min_" not in key
    ]
    return SemttaError(
        f"The run diverged {when} ({what} is not finite): lower {', '.join(rates)} or the weights of the losses, and start again "
        f"with --overwrite.{more}"
    )


def _tensors(values: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(values, Tensor):
        if values.is_floating_point():
            yield name, values.detach()
    elif isinstance(values, (Mapping, list, tuple)):
        items = values.items() if isinstance(values, Mapping) else enumerate(values)
        for key, value in items:
            yield from _tensors(value, f"{name}.{key}".lstrip("."))
