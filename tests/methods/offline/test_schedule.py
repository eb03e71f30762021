"""The learning rate over the epochs, by hand."""

from __future__ import annotations

import math

import pytest

from semtta.methods.offline.schedule import learning_rate
from semtta.settings import LoopSettings


def test_learning_rate_is_a_cosine_to_the_minimum():
    settings = LoopSettings(epochs=6, learning_rate=5e-5, min_learning_rate=1e-6)
    rates = [learning_rate(settings, epoch) for epoch in range(6)]
    assert rates[0] == 5e-5
    assert rates[5] == pytest.approx(1e-6)
    assert rates[2] == pytest.approx(1e-6 + 0.5 * 4.9e-5 * (1 + math.cos(math.pi * 2 / 5)))


def test_warm_up_is_cycleadapts():
    settings = LoopSettings(epochs=13, warmup_epochs=3, learning_rate=9e-5, min_learning_rate=1e-6)
    rates = [learning_rate(settings, epoch) for epoch in range(13)]
    assert rates[:4] == pytest.approx([3e-5, 6e-5, 9e-5, 9e-5])
    assert rates[4] == pytest.approx(1e-6 + 0.5 * 8.9e-5 * (1 + math.cos(math.pi / 9)))
    assert rates[12] == pytest.approx(1e-6)


def test_a_peak_below_the_minimum_stays():
    settings = LoopSettings(epochs=4, learning_rate=1e-3, min_learning_rate=1e-6)
    assert [learning_rate(settings, epoch, 1e-7) for epoch in range(4)] == pytest.approx([1e-7] * 4)
