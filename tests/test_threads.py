"""Threads: what is free by fake system files, what the user asks for, and what is put back."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from semtta import threads
from semtta.threads import OPERATIONS_PER_THREAD, PASSIVE

BIG = 1000 * OPERATIONS_PER_THREAD


@pytest.fixture
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "affinity", lambda: range(8))


def tree(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("membership", "files", "cores"),
    [
        ("0::/job\n", {"job/cpu.max": "300000 100000\n"}, 3),
        ("0::/pod/job\n", {"pod/cpu.max": "250000 100000", "pod/job/cpu.max": "max 100000"}, 2),  # the one above counts
        ("0::/pod/job\n", {"pod/cpu.max": "max 100000", "pod/job/cpu.max": "400000 100000"}, 4),
        ("0::/of/the/host\n", {"cpu.max": "200000 100000"}, 2),  # in a container
        ("0::/\n", {"cpu.max": "50000 100000"}, 1),  # half a core is still one
        ("0::/job\n", {"job/cpu.max": "max 100000"}, 8),
        ("5:cpu,cpuacct:/job\n", {"cpu/job/cpu.cfs_quota_us": "200000", "cpu/job/cpu.cfs_period_us": "100000"}, 2),
        ("5:cpu:/job\n0::/\n", {"cpu/job/cpu.cfs_quota_us": "-1", "cpu/job/cpu.cfs_period_us": "100000"}, 8),
        ("4:cpuset:/job\n", {"job/cpu.max": "100000 100000"}, 8),  # another controller's line
        ("0::/job\n", {"job/cpu.max": "unreadable"}, 8),
        ("0::/job\n", {}, 8),
    ],
)  # fmt: skip
def test_quota(tmp_path: Path, membership: str, files: dict[str, str], cores: int):
    proc = tree(tmp_path / "proc", {"self/cgroup": membership})
    assert threads.available_cores(range(8), proc, tree(tmp_path / "groups", files)) == cores


def test_quota_never_gives_more_than_the_affinity(tmp_path: Path):
    proc = tree(tmp_path / "proc", {"self/cgroup": "0::/\n"})
    groups = tree(tmp_path / "groups", {"cpu.max": "6400000 100000"})
    assert threads.available_cores({3, 5}, proc, groups) == 2


def test_a_system_that_does_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    assert threads.available_cores(proc=tmp_path, cgroups=tmp_path) == 6
    assert threads.free_cores(0.01, tmp_path, tmp_path) == 6


def stat(*busy: int) -> str:
    """/proc/stat of cores that were busy, and as long idle and waiting, for so many ticks."""
    return (
        "cpu 9 9 9 9\n" + "".join(f"cpu{i} {ticks} 0 0 {ticks} {ticks} 0 0 0 0 0\n" for i, ticks in enumerate(busy)) + "intr 1\n"
    )


@pytest.mark.parametrize(
    ("cores", "ticks", "own", "busy"),
    [
        ({0, 1}, (100, 0, 0), 0.0, 1.0),
        ({1, 2}, (100, 0, 50), 0.0, 0.5),  # core 0 is not ours
        ({0, 1, 2}, (100, 100, 50), 0.0, 2.5),
        ({0, 1}, (100, 0, 0), 0.75, 0.25),  # what this process does itself is no load
        ({0, 1}, (0, 0, 0), 0.5, 0.0),
    ],
)
def test_load_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: set[int], ticks: tuple[int, ...], own: float, busy: float
):
    """A second passes in which the cores work for ``ticks`` hundredths and this process for ``own`` seconds."""
    file = tree(tmp_path, {"stat": stat(10, 20, 30)}) / "stat"

    def sleep(seconds: float) -> None:
        file.write_text(stat(*(a + b for a, b in zip((10, 20, 30), ticks, strict=True))))

    used, now = iter((5.0, 5.0 + own)), iter((7.0, 8.0))
    clock = SimpleNamespace(sleep=sleep, process_time=lambda: next(used), perf_counter=lambda: next(now))
    monkeypatch.setattr(threads, "time", clock)
    monkeypatch.setattr("os.sysconf", lambda name: 100)
    assert threads.busy_cores(cores, 1.0, file) == pytest.approx(busy)


def test_free_is_what_the_quota_leaves_and_what_others_leave(tmp_path: Path, eight: None, monkeypatch: pytest.MonkeyPatch):
    proc = tree(tmp_path / "proc", {"self/cgroup": "0::/\n"})
    groups = tree(tmp_path / "groups", {"cpu.max": "300000 100000"})
    for busy, free in ((0.0, 3.0), (4.0, 3.0), (6.5, 1.5), (8.0, 0.0)):
        monkeypatch.setattr(threads, "busy_cores", lambda *_, busy=busy: busy)
        assert threads.free_cores(proc=proc, cgroups=groups) == free


@pytest.mark.parametrize(("requested", "count"), [(1, 1), (3, 3), (8, 8), (99, 8), (0, 1), (-2, 1)])
def test_what_is_asked_for_wins(eight: None, requested: int, count: int):
    assert threads.choose_threads(0, requested, {"OMP_NUM_THREADS": "2"}, lambda: 1.0) == count


@pytest.mark.parametrize(("value", "count"), [("2", 2), ("4,2", 4), ("99", 8), ("many", 5), ("", 5)])
def test_omp_num_threads_is_asking(eight: None, value: str, count: int):
    assert threads.choose_threads(BIG, None, {"OMP_NUM_THREADS": value}, lambda: 5.0) == count


@pytest.mark.parametrize(("free", "count"), [(0.0, 1), (0.9, 1), (1.4, 1), (1.9, 2), (4.0, 4), (7.6, 8)])
def test_automatic_uses_what_is_free(eight: None, free: float, count: int):
    assert threads.choose_threads(BIG, None, {}, lambda: free) == count


def test_automatic_uses_no_more_than_the_work_can_feed():
    assert [threads.choose_threads(x * OPERATIONS_PER_THREAD, None, {}, lambda: 8.0) for x in (2, 3.9, 20)] == [2, 3, 8]


def test_small_work_does_not_even_look():
    def never() -> float:
        raise AssertionError("the load was measured")

    assert threads.choose_threads(1.9 * OPERATIONS_PER_THREAD, None, {}, never) == 1
    assert threads.choose_threads(0, None, {}, never) == 1


def test_a_busy_process_is_seen():
    """On the real files: a process that spins on a core of ours takes about that core."""
    if not Path("/proc/stat").exists():
        pytest.skip("no /proc/stat")
    with subprocess.Popen([sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=subprocess.PIPE) as spin:
        try:
            assert spin.stdout is not None
            spin.stdout.readline()
            busy = threads.busy_cores(threads.affinity(), 0.5)
        finally:
            spin.kill()
    assert busy > 0.6


def test_use_threads_puts_the_number_back():
    before = torch.get_num_threads()
    within = 0
    with suppress(ZeroDivisionError), threads.use_threads(before + 1):
        within = torch.get_num_threads()
        _ = 1 / 0
    assert (within, torch.get_num_threads()) == (before + 1, before)


def test_operations_of_a_product():
    """[2, 3] by [3, 5]: 2 * 3 * 5 products and as many sums; no gradient is kept."""
    a, b = torch.ones(2, 3, requires_grad=True), torch.ones(3, 5)
    kept = []
    assert threads.operations(lambda: kept.append(a @ b)) == 60
    assert not kept[0].requires_grad


def test_waiting_becomes_passive_unless_the_user_says_how_to_wait():
    environment: dict[str, str] = {"HOME": "/"}
    assert threads.prepare_environment(environment) is False  # torch is here already
    assert environment == {"HOME": "/", **PASSIVE}
    for theirs in ({"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "500"}, {"KMP_BLOCKTIME": "200"}):
        mine = dict(theirs)
        threads.prepare_environment(mine)
        assert mine == theirs


def test_importing_loads_no_torch_and_sets_nothing():
    """The module by itself, as the command loads it before torch."""
    code = (
        "import os, sys, importlib.util as u; before = dict(os.environ); "
        f"s = u.spec_from_file_location('threads', {threads.__file__!r}); m = u.module_from_spec(s); s.loader.exec_module(m); "
        "assert dict(os.environ) == before; assert 'torch' not in sys.modules; assert m.prepare_environment(); "
        "print(os.environ['OMP_WAIT_POLICY'])"
    )
    clean = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], env=clean, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "PASSIVE"
