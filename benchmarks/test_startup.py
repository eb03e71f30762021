"""CPU time that starting costs, of a child process each: the help, and importing the package beside importing torch.

    pytest benchmarks/test_startup.py

CPU seconds, since wall time depends on what else the machine does; the median of three.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

import pytest

resource = pytest.importorskip("resource")

ROUNDS = 3
HELP_S = 0.7
OVER_TORCH = 1.15


def cpu_seconds(*arguments: str) -> float:
    """User and system time of ``python ARGUMENTS``, on one thread."""
    times = []
    for _ in range(ROUNDS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(times)


@pytest.mark.parametrize(
    "command", [[], ["adapt"], ["config"], ["train", "prior"]], ids=lambda words: " ".join(words) or "semtta"
)
def test_help_is_quick(command):
    assert cpu_seconds("-m", "semtta", *command, "--help") < HELP_S


def test_importing_costs_no_more_than_torch():
    assert cpu_seconds("-c", "import semtta") < OVER_TORCH * cpu_seconds("-c", "import torch")
