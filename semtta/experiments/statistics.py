"""Means over clips and seeds, and paired differences with their uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES, LEVEL = 10_000, 0.95


def weighted_mean(values: Sequence[float], weights: Sequence[float]) -> float:
    """``sum(w v) / sum(w)``; with the clips' frame counts as weights, the mean over all frames. NaN if the weights sum to 0."""
    total = math.fsum(weights)
    return math.fsum(v * w for v, w in zip(values, weights, strict=True)) / total if total else math.nan


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and standard deviation (with n - 1 in the denominator; None for a single value)."""
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, None
    return mean, math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))


@dataclass(frozen=True)
class Difference:
    """A paired difference: weighted mean over clips, and its confidence interval (None for fewer than two clips)."""

    mean: float
    low: float | None = None
    high: float | None = None


def paired_difference(
    ours: Sequence[float], theirs: Sequence[float], weights: Sequence[float], seed: int = 0, resamples: int = RESAMPLES
) -> Difference:
    """Weighted mean of ``ours - theirs`` over clips, with its 95 % percentile bootstrap interval over clips.

    Clips are resampled with replacement, each with both of its values (Efron and Tibshirani, 1993, ch. 13).
    """
    difference = np.asarray(ours, float) - np.asarray(theirs, float)
    weight = np.asarray(weights, float)
    mean = float((difference * weight).sum() / weight.sum())
    count = len(difference)
    if count < 2:
        return Difference(mean)
    drawn = np.random.default_rng(seed).integers(count, size=(resamples, count))
    means = (difference * weight)[drawn].sum(1) / weight[drawn].sum(1)
    low, high = np.quantile(means, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Difference(mean, float(low), float(high))
