"""The learning rate over the epochs."""

from __future__ import annotations

import math

from ...settings import LoopSettings


def learning_rate(loop: LoopSettings, epoch: int, peak: float | None = None) -> float:
    """Linear warm-up, then a cosine that reaches the minimum in the last epoch (Sec. 5.2).

    ``peak``: by default the loop's. A peak below the minimum stays where it is.
    """
    peak = loop.learning_rate if peak is None else peak
    if epoch < loop.warmup_epochs:
        return peak * (epoch + 1) / loop.warmup_epochs
    span = max(1, loop.epochs - 1 - loop.warmup_epochs)
    floor = min(loop.min_learning_rate, peak)
    return floor + 0.5 * (peak - floor) * (1 + math.cos(math.pi * min(1.0, (epoch - loop.warmup_epochs) / span)))
