"""The real loop on the included clip beside the passes of its network: the factor between the rows is what it adds.

It is measured in turn, and watched over time, by ``semtta bench`` and ``benchmarks/check_history.py``.
"""

from __future__ import annotations

import pytest


@pytest.mark.benchmark(group="an epoch of the loop, and its network's own passes")
@pytest.mark.parametrize("work", ["network", "loop"])
def test_epoch(benchmark, epoch, work):
    benchmark.pedantic(getattr(epoch, work), rounds=3, warmup_rounds=1)
    assert epoch.state.history[-1]["loss_2d"] > 0
