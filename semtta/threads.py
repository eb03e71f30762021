"""How many CPU threads a run should use, and how they wait for each other.

PyTorch takes a thread for every core. Its OpenMP threads spin while they wait, which is fast on an idle machine; beside
another busy process the thread that all wait for may not even be running, and a step of adaptation, made of thousands of
small parallel operations, takes ten to twenty times as long as on one thread. So a run uses the cores that are free at its
start, no more threads than its work can feed, and they sleep while they wait.

``prepare_environment()`` comes before anything imports torch; the ``semtta`` command calls it. Importing semtta as a library
changes nothing: call it first thing in your own program, or set OMP_WAIT_POLICY=PASSIVE in the shell. Then::

    batch = estimator_batch * operations(lambda: estimator(one_frame))
    with use_threads(choose_threads(batch, requested)):
        ...

On a busy machine the choice can differ between two runs, and sums in another order differ in the last digits. Give a number,
or set OMP_NUM_THREADS, where results must agree to the bit.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path

#: What makes OpenMP's threads sleep while they wait: GNU's (torch's wheels for Linux), and Intel's and LLVM's (macOS, Windows).
PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}
#: Floating-point operations of a batch's forward pass that are worth a thread. Measured (benchmarks/threads_beside_busy.py):
#: below it a second thread saves less than it costs as soon as anything else runs.
OPERATIONS_PER_THREAD = 8e9
SAMPLE_S = 0.2  # how long other processes are watched; the kernel counts in steps of 0.01 s


def prepare_environment(environment: MutableMapping[str, str] = os.environ) -> bool:
    """Make OpenMP's threads sleep while they wait, unless the user has set how they wait.

    Returns:
        Whether it counts in this process: False if torch has been imported, as OpenMP reads its variables once. Processes
        that are started later inherit them all the same.
    """
    if not PASSIVE.keys() & environment.keys():  # all or none: GOMP_SPINCOUNT would undo the user's OMP_WAIT_POLICY
        environment.update(PASSIVE)
    return "torch" not in sys.modules


def choose_threads(
    work: float,
    requested: int | None = None,
    environment: Mapping[str, str] = os.environ,
    free: Callable[[], float] | None = None,
) -> int:
    """The number of threads for one process.

    Args:
        work: floating-point operations of a batch's forward pass on the CPU (``operations``); 0 if a GPU does it.
        requested: the user's number, which wins, within the cores that this process may run on; None: automatic.
        environment: its OMP_NUM_THREADS counts as the user's number if ``requested`` is None.
        free: says how many cores are free; None: ``free_cores``. It is asked only if the work can feed two threads.

    Returns:
        At least 1, at most the cores that this process may run on.
    """
    if requested is None:
        with suppress(ValueError):  # "4,2": for nested regions, the outer one first
            requested = int(environment.get("OMP_NUM_THREADS", "").split(",")[0])
    if requested is not None:
        return max(1, min(requested, len(affinity())))
    useful = int(work / OPERATIONS_PER_THREAD)
    return 1 if useful < 2 else max(1, min(useful, int((free or free_cores)() + 0.5)))


@contextmanager
def use_threads(count: int) -> Iterator[None]:
    """Let torch's operations use ``count`` threads each within the block.

    The pool that runs whole operators side by side is left alone: nothing here uses it, and torch lets it be set only once.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def operations(run: Callable[[], object]) -> int:
    """Floating-point operations of matrix products, convolutions and attention in one call of ``run``, which is called once."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def free_cores(seconds: float = SAMPLE_S, proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> float:
    """Cores that this process may use and that no other process uses now: what ``available_cores`` says, less their load.

    Where the system does not tell its load (no /proc), all that are available.
    """
    cores = affinity()
    return max(0.0, min(available_cores(cores, proc, cgroups), len(cores) - busy_cores(cores, seconds, proc / "stat")))


def available_cores(
    cores: Collection[int] | None = None, proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")
) -> int:
    """Cores that this process may use: those of its affinity (``cores``), and no more than its cgroups' quota of CPU time."""
    cores = affinity() if cores is None else cores
    return max(1, int(min(len(cores), _quota(proc / "self" / "cgroup", cgroups))))


def affinity() -> Collection[int]:
    """Numbers of the cores that this process may run on; all where the system does not tell."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return range(os.cpu_count() or 1)


def busy_cores(cores: Collection[int], seconds: float = SAMPLE_S, stat: Path = Path("/proc/stat")) -> float:
    """How many of ``cores`` other processes, or the machine's host, keep busy, measured for ``seconds``; 0 if unknown."""
    try:
        before, own, began = busy_seconds(cores, stat), time.process_time(), time.perf_counter()
        time.sleep(seconds)
        after = busy_seconds(cores, stat)
    except (OSError, ValueError, IndexError):
        return 0.0
    others = after - before - (time.process_time() - own)
    return min(float(len(cores)), max(0.0, others / (time.perf_counter() - began)))


def busy_seconds(cores: Collection[int], stat: Path = Path("/proc/stat")) -> float:
    """Seconds since the start in which ``cores`` were neither idle nor waiting for a disk (man 5 proc)."""
    names = {f"cpu{core}" for core in cores}
    rows = [row.split() for row in stat.read_text().splitlines()]
    ticks = [[int(value) for value in row[1:9]] for row in rows if row and row[0] in names]
    return sum(sum(row) - row[3] - row[4] for row in ticks) / os.sysconf("SC_CLK_TCK")


def _quota(membership: Path, cgroups: Path) -> float:
    """The least quota, in cores, of this process's cgroup and those above it; infinite where there is none.

    ``membership`` has a line "0::/path" (version 2) or "4:cpu,cpuacct:/path" (version 1); within a container the path may
    be the host's and not be found, then the container's own files at the top count.
    """
    least = float("inf")
    with suppress(OSError, ValueError):
        for line in membership.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            root = cgroups / "cpu" if controllers else cgroups
            inner = root / path.strip("/")
            for folder in (inner, *inner.parents[: len(inner.parts) - len(root.parts)]):
                least = min(least, _folder_quota(folder))
    return least


def _folder_quota(folder: Path) -> float:
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        with suppress(OSError, ValueError):
            quota, period = " ".join((folder / name).read_text() for name in names).split()
            return float(quota) / float(period) if quota not in ("max", "-1") else float("inf")
    return float("inf")
