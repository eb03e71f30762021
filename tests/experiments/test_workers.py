"""Who makes the runs: a worker that is killed costs its clip, not the study."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from types import SimpleNamespace

import pytest

from semtta.errors import SemttaError
from semtta.experiments.runner import make_plan
from semtta.experiments.workers import LOST, _Worker, connect, execute


@pytest.fixture
def jobs(make_small):
    """Three clips of one row that costs little."""
    rows = [{"name": "none", "settings": {"method": "none", "labeler": "none", "prior": "none"}}]
    return make_plan(make_small(rows=rows, views={"v": {"table": "errors", "title": "t"}})).jobs()


def collect(jobs, **options):
    found = []
    execute(jobs, lambda job, record: found.append((job.track, record["status"], record)), **options)
    return found


def test_in_this_process(jobs):
    assert [found[:2] for found in collect(jobs)] == [("walk_a", "done"), ("walk_b", "done"), ("walk_c", "done")]
    assert collect([]) == []


def test_killed_processes_cost_their_clip_only(jobs, outside):
    (outside / "kill-walk_a").write_text("x")  # once: the second try goes well
    (outside / "kill-walk_b").write_text("xx")  # as often as it is tried
    found = collect(jobs, workers=2)
    status = {track: (state, record) for track, state, record in found}
    assert sorted(status) == ["walk_a", "walk_b", "walk_c"]
    assert status["walk_a"][0] == status["walk_c"][0] == "done"
    assert status["walk_b"] == ("failed", status["walk_b"][1])
    assert status["walk_b"][1]["error"] == LOST
    assert status["walk_c"][1]["parallel"] == 2


def test_a_worker_has_its_gpu_unless_the_device_is_chosen(jobs):
    sent = []
    worker = object.__new__(_Worker)  # without its process
    worker.gpu, worker.connection = 1, SimpleNamespace(send=sent.append)
    settings = jobs[0].settings
    free = replace(jobs[0], settings=replace(settings, config=settings.config.changed({"device": "auto"})))
    for job in (free, jobs[0]):
        worker.send(job)
    assert [job.settings.config.device for job in sent] == ["cuda:1", "cpu"]
    assert sent[0].file == free.file  # the record is the same one


@pytest.mark.slow
@pytest.mark.skipif("SEMTTA_LONG" not in os.environ, reason="most of a minute: SEMTTA_LONG=1 runs it")
def test_ray_workers_one_of_which_is_killed(jobs, outside, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    (outside / "kill-walk_a").write_text("x")
    (outside / "kill-walk_b").write_text("xx")
    try:
        records = collect(jobs, ray="local", cpus=(os.cpu_count() or 1) / 2)
    except SemttaError as error:
        if "timed out during startup" not in str(error):
            raise
        pytest.skip("Ray does not start here within its 30 seconds")
    found = {track: (state, record) for track, state, record in records}
    assert {track: state for track, (state, _) in found.items()} == {"walk_a": "done", "walk_b": "failed", "walk_c": "done"}
    assert found["walk_b"][1]["error"] == LOST
    assert found["walk_c"][1]["metrics"]["mpjpe"] > 0


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}"])
def test_a_ray_address_that_does_not_answer(address):
    pytest.importorskip("ray")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(SemttaError, match="No Ray cluster answers") as error:
            connect(address.format(port=closed.getsockname()[1]))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("address", ["somewhere", "host:port", "ray://"])
def test_no_ray_address(address):
    pytest.importorskip("ray")
    with pytest.raises(SemttaError, match="HOST:PORT"):
        connect(address)
