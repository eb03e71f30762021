"""Executing the runs: in this process, in several processes, or on a Ray cluster. Clips are independent of each other.

All three call ``on_record(job, record)`` in this process as records arrive. If a worker is killed, its run is tried once more
and then recorded as failed; the other runs continue. If this process ends, however it does, its workers end with it (Ray ends
those of a driver that is gone).
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection, wait

import torch

from ..errors import SemttaError, first_line, missing_extra
from ..threads import available_cores
from .runner import Job, Record, failed, run_job

OnRecord = Callable[[Job, Record], None]
Work = Callable[[Job], Record]
RETRIES = 1
ANSWER_S = 5.0  # time limit for a Ray address to answer
LOST = f"the process that ran it was killed ({RETRIES + 1} times): out of memory?"


def execute(
    jobs: Sequence[Job],
    on_record: OnRecord,
    workers: int = 1,
    ray: str | None = None,
    gpus: float | None = None,
    cpus: float = 1,
    work: Callable[..., Record] = run_job,
) -> None:
    """Execute the runs: in this process (``workers`` 1), in several processes, or on the Ray cluster at the address ``ray``.

    ``gpus``, ``cpus``: resources per run on Ray; ``gpus`` None: one GPU if the cluster has any.
    """
    if not jobs:
        return
    if ray is not None:
        on_ray(jobs, on_record, ray, gpus, cpus, work)
    elif workers > 1:
        in_processes(jobs, on_record, min(workers, len(jobs)), partial(work, parallel=workers))
    else:
        for job in jobs:
            on_record(job, work(job))


class _Worker:
    """A process that executes one run after another."""

    def __init__(self, work: Work, threads: int, gpu: int | None) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.gpu = gpu
        self.process = context.Process(target=_serve, args=(theirs, work, threads), daemon=True)
        self.process.start()
        theirs.close()  # so that the connection closes when the process ends

    def send(self, job: Job) -> None:
        if self.gpu is not None and job.settings.config.device in ("auto", "cuda"):
            config = job.settings.config.changed({"device": f"cuda:{self.gpu}"})
            job = replace(job, settings=replace(job.settings, config=config))
        self.connection.send(job)

    def stop(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.join()


def _end_with_parent() -> None:
    """Wait for the parent to end, even by SIGKILL (a pipe closes then), and end this process, whatever it is at."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _serve(connection: Connection, work: Work, threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = str(threads)  # the number that a run takes if its settings give none
    torch.set_num_threads(threads)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            connection.send(work(connection.recv()))


def in_processes(jobs: Sequence[Job], on_record: OnRecord, workers: int, work: Work) -> None:
    """Make the runs in ``workers`` processes, each with its share of the cores and, in turn, one of the GPUs."""
    threads = max(1, available_cores() // workers)
    count = torch.cuda.device_count()
    todo = deque((job, 0) for job in jobs)
    busy: dict[Connection, tuple[_Worker, Job, int]] = {}

    def give(worker: _Worker) -> None:
        if todo:
            job, tries = todo.popleft()
            busy[worker.connection] = (worker, job, tries)
            with contextlib.suppress(OSError):  # already dead: reading from it will show that
                worker.send(job)
        else:
            worker.stop()

    try:
        for i in range(workers):
            give(_Worker(work, threads, i % count if count else None))
        while busy:
            ready = set(wait(list(busy)))
            for connection in [c for c in busy if c in ready]:
                worker, job, tries = busy.pop(connection)
                try:
                    record = connection.recv()
                except (EOFError, OSError):
                    if tries < RETRIES:
                        todo.append((job, tries + 1))
                    else:
                        on_record(job, failed(job, LOST))
                    worker.stop()
                    worker = _Worker(work, threads, worker.gpu)
                else:
                    on_record(job, record)
                give(worker)
    finally:
        for worker, _, _ in busy.values():
            worker.stop()


def on_ray(
    jobs: Sequence[Job], on_record: OnRecord, address: str, gpus: float | None = None, cpus: float = 1,
    work: Callable[..., Record] = run_job,
) -> None:  # fmt: skip
    """Make the runs on a Ray cluster: "HOST:PORT", "ray://HOST:PORT", "auto" (one that runs here) or "local" (start one).

    semtta, its plug-ins and the dataset must be on every node. Raises SemttaError if the address does not answer.
    """
    try:
        import ray
    except ImportError as error:
        raise missing_extra("--ray", "ray", error) from error
    try:
        connect(address)
        share = float(bool(ray.cluster_resources().get("GPU"))) if gpus is None else gpus
        remote = ray.remote(work).options(num_cpus=cpus, num_gpus=share, max_retries=RETRIES)
        pending = {remote.remote(job): job for job in jobs}
        while pending:
            finished, _ = ray.wait(list(pending), num_returns=1)
            for reference in finished:
                job = pending.pop(reference)
                try:
                    record = ray.get(reference)
                except ray.exceptions.WorkerCrashedError:
                    record = failed(job, LOST)
                except ray.exceptions.RayError as error:
                    record = failed(job, f"lost by Ray: {first_line(error)}")
                on_record(job, record)
    finally:
        ray.shutdown()


def connect(address: str) -> None:
    """Connect to the cluster; SemttaError if it does not answer."""
    import ray

    advice = "start one with 'ray start --head', or use --workers"
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host:
        if not port.isdigit():
            raise SemttaError(f"Ray address '{address}': give it as HOST:PORT.")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_S).close()
        except (OSError, OverflowError) as error:
            raise SemttaError(f"No Ray cluster answers at {address} ({error}): {advice}.") from error
    elif address not in ("auto", "local"):
        raise SemttaError(f"Ray address '{address}': give it as HOST:PORT, ray://HOST:PORT, auto or local.")
    dashboard = False if address == "local" else None
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=dashboard)
    except Exception as error:  # Ray raises plain exceptions
        raise SemttaError(f"Ray at {address} cannot be used ({first_line(error)}): {advice}.") from error
