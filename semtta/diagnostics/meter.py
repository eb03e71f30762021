"""Time and memory of pieces of work that are run in turn, and the hardware that they ran on."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..types import Progress
from ..version import __version__

Work = Callable[[], object]
#: A round of short work runs it often enough to last so many seconds, but not more often than ``_MOST`` times.
_AT_LEAST_S, _MOST = 0.2, 100


@dataclass(frozen=True)
class Measurement:
    """What one run of a piece of work takes, in every round."""

    seconds: tuple[float, ...]  # elapsed, the device's queued work included
    cpu_seconds: tuple[float, ...]  # of all threads of this process
    peak_mb: float  # most memory while it ran: PyTorch's on CUDA, the process's otherwise
    added_mb: float  # how much of that was taken after it began

    @property
    def median_s(self) -> float:
        """Elapsed seconds, median over the rounds."""
        return statistics.median(self.seconds)

    @property
    def median_cpu_s(self) -> float:
        """Processor seconds, median over the rounds."""
        return statistics.median(self.cpu_seconds)

    def over(self, other: Measurement, cpu: bool = False) -> float:
        """How many times as long it takes as ``other``: median over the rounds, in each of which both were run."""
        pairs = zip(self.cpu_seconds, other.cpu_seconds, strict=True) if cpu else zip(self.seconds, other.seconds, strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)

    def record(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return {
            "seconds": self.median_s, "cpu_seconds": self.median_cpu_s, "peak_mb": self.peak_mb, "added_mb": self.added_mb,
            "rounds": list(self.seconds), "cpu_rounds": list(self.cpu_seconds),
        }  # fmt: skip


def measure(
    works: Mapping[str, Work], rounds: int, device: torch.device, progress: Progress | None = None, what: str = "measuring"
) -> dict[str, Measurement]:
    """Run all pieces of work ``rounds`` times in turn, so that what slows the machine for a while slows them alike.

    The time of a round before them is not counted: in it is compiled and loaded what has to be, and the number of repeats
    is chosen. Its memory is.
    """
    repeats: dict[str, int] = {}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    memory: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for turn in range(rounds + 1):
        for place, (name, work) in enumerate(works.items()):
            if progress is not None:
                progress(what, turn * len(works) + place, (rounds + 1) * len(works))
            time_taken, memory_taken = _run(work, repeats.get(name, 1), device)
            memory[name].append(memory_taken)
            if name in repeats:
                times[name].append(time_taken)
            else:
                repeats[name] = max(1, min(_MOST, round(_AT_LEAST_S / max(time_taken[0], 1e-9))))
    if progress is not None:
        progress(what, (rounds + 1) * len(works), (rounds + 1) * len(works))
    found = {}
    for name in works:
        (elapsed, cpu), (peak, added) = zip(*times[name], strict=True), zip(*memory[name], strict=True)
        found[name] = Measurement(elapsed, cpu, max(peak), max(added))
    return found


def _run(work: Work, times: int, device: torch.device) -> tuple[tuple[float, float], tuple[float, float]]:
    """Elapsed and processor seconds of one of ``times`` runs; megabytes at most, and more than before."""
    wait(device)
    before = _start_memory(device)
    cpu, began = time.process_time(), time.perf_counter()
    for _ in range(times):
        work()
    wait(device)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    peak = _peak_memory(device)
    return (seconds / times, cpu / times), (peak / 1e6, max(0.0, peak - before) / 1e6)


def wait(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _start_memory(device: torch.device) -> float:
    """Bytes in use; the peak counts anew from here on (on a CPU where the system allows it: Linux)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # resets the process's peak
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, AttributeError):
        return _peak_memory(device)


def _peak_memory(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def hardware(device: torch.device) -> dict[str, Any]:
    """What the numbers belong to: ``machine`` is all that should make them alike, ``load`` what else went on."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    threads = torch.get_num_threads()
    cpu = _cpu_name()
    return {
        "machine": f"{gpu or device.type.upper()}, {cpu}, {cpus} CPUs, {threads} {'thread' if threads == 1 else 'threads'}",
        "device": str(device), "gpu": gpu, "cpu": cpu, "cpus": cpus, "threads": threads,
        "load": [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "versions": {"semtta": __version__, "torch": str(torch.__version__), "python": platform.python_version()},
    }  # fmt: skip


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
