"""Means, deviations and intervals against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from semtta.experiments.statistics import mean_and_deviation, paired_difference, weighted_mean


def test_mean_is_over_frames_not_clips():
    assert weighted_mean([100, 40], [10, 50]) == pytest.approx((1000 + 2000) / 60)  # 50, not 70
    assert math.isnan(weighted_mean([1.0], [0]))


def test_deviation_is_that_of_a_sample():
    assert mean_and_deviation([70, 72, 77]) == (pytest.approx(73), pytest.approx(math.sqrt((9 + 1 + 16) / 2)))
    assert mean_and_deviation([70.0]) == (70.0, None)


def test_difference_is_paired_and_weighted():
    found = paired_difference([60, 50], [62, 58], [30, 10])
    assert found.mean == pytest.approx((-2 * 30 - 8 * 10) / 40)  # -3.5
    # Two clips: the draws are (a, a), (a, b), (b, a), (b, b) with means -2, -3.5, -3.5, -8, each in a quarter of cases.
    assert (found.low, found.high) == (-8, -2)
    assert found == paired_difference([60, 50], [62, 58], [30, 10])  # the seed is fixed


def test_interval_is_numpys_of_the_same_draws():
    ours, theirs, weights = [3.0, 5, 4, 9], [4.0, 4, 6, 10], [1, 2, 3, 4]
    drawn = np.random.default_rng(7).integers(4, size=(500, 4))
    difference = np.array([-1.0, 1, -2, -1])
    means = [np.average(difference[row], weights=np.array(weights)[row]) for row in drawn]
    found = paired_difference(ours, theirs, weights, seed=7, resamples=500)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, (0.025, 0.975))))


def test_a_constant_difference_is_certain_and_one_clip_is_not():
    sure = paired_difference([10, 20, 30], [12, 22, 32], [5, 6, 7])
    assert (sure.mean, sure.low, sure.high) == pytest.approx((-2, -2, -2))
    assert paired_difference([10], [12], [5]).low is None
