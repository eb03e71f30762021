"""The cache of answers without a model: where it is, and what happens where it cannot be written or locked."""

from __future__ import annotations

import threading

import pytest
from filelock import FileLock

from semtta.errors import SemttaError
from semtta.labelers.answers import Answer
from semtta.labelers.cache import AnswerCache, cache_folder
from semtta.labelers.client import Account, Failed, ModelClient, Unanswered
from semtta.labelers.models import Fault, NoServer, Refusal, Reply, Request, TooLong, TransientFault
from semtta.labelers.settings import VLMSettings

REQUEST = Request("system", "user", (b"jpeg",), Answer)
KEY = "ab" * 32


class Model:
    """Says or raises what it is given, in turn."""

    name, host, identity, concurrency = "model", "", "model", 1

    def __init__(self, *said: Reply | Exception) -> None:
        self.said = list(said)

    def ask(self, request: Request) -> Reply:
        said = self.said.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    def tokens(self, request: Request) -> tuple[int, int]:
        return 10, 10

    def prices(self) -> tuple[float, float]:
        return 1e-3, 1e-3


def client(folder, *said: Reply | Exception, **settings: object) -> ModelClient:
    chosen = VLMSettings(attempts=2, backoff_s=0).model_copy(update=settings)
    return ModelClient(Model(*said), AnswerCache(folder), Account(), chosen, threading.Event())


def test_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("SEMTTA_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path / "labels"
    assert AnswerCache().folder == tmp_path / "labels"
    monkeypatch.delenv("SEMTTA_CACHE")
    assert "semtta" in cache_folder().parts


@pytest.mark.parametrize("name", ["file/folder", "nul\0l"])
def test_a_folder_that_cannot_be_made(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(SemttaError, match="SEMTTA_CACHE"):
        AnswerCache(f"{tmp_path}/{name}")


def test_what_is_kept_comes_back_whole(tmp_path):
    cache, reply = AnswerCache(tmp_path), Reply("said\ud800", 5, 6, True, True)
    cache.put(KEY, reply)
    assert cache.get(KEY) == reply
    assert cache.get("cd" * 32) is None
    for damaged in (b"\xff", b"[" * 100_000, b'{"text": 5}', b"null"):
        (tmp_path / "ab" / f"{KEY}.json").write_bytes(damaged)
        assert cache.get(KEY) is None
    (tmp_path / "ab" / f"{KEY}.json").unlink()
    assert cache.get(KEY) is None


def test_a_full_disk_is_one_line(tmp_path, monkeypatch):
    def full(path, write):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("semtta.labelers.cache.write_atomically", full)
    with pytest.raises(SemttaError, match=r"No space left on device.*SEMTTA_CACHE"):
        AnswerCache(tmp_path).put(KEY, Reply("x"))


def test_a_question_is_claimed_by_one(tmp_path):
    cache, stop = AnswerCache(tmp_path), threading.Event()
    with cache.claim(KEY, stop) as claimed:
        assert claimed
        threading.Timer(0.3, stop.set).start()
        with cache.claim(KEY, stop) as second:
            assert not second  # it waited, until it was stopped
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_without_locks_is_used_without(tmp_path, monkeypatch):
    def refuse(self, *given, **named):
        raise NotImplementedError("no locks here")

    cache = AnswerCache(tmp_path)
    monkeypatch.setattr(FileLock, "acquire", refuse)
    with cache.claim(KEY, threading.Event()) as claimed:
        assert claimed
    assert not list(tmp_path.rglob("*.lock"))


def test_the_lock_of_a_run_that_lives_is_left_alone(tmp_path):
    cache = AnswerCache(tmp_path)
    with cache.claim(KEY, threading.Event()):
        AnswerCache(tmp_path)
        assert (tmp_path / "ab" / f"{KEY}.lock").exists()


def test_what_a_killed_run_left_is_removed(tmp_path):
    cache = AnswerCache(tmp_path)
    cache.put(KEY, Reply("said"))
    (tmp_path / "ab" / f"{KEY}.lock").touch()
    for part in (f".{KEY}-01234567.json", f".{KEY[:40]}-01234567.json"):
        (tmp_path / "ab" / part).touch()
    AnswerCache(tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [f"{KEY}.json"]


def test_faults(tmp_path):
    for fault, kind in ((Fault("odd"), Failed), (TooLong("long"), TooLong), (Refusal("no"), Unanswered)):
        with pytest.raises(kind) as raised:
            client(tmp_path, fault).ask(REQUEST)
        assert type(raised.value) is kind
    with pytest.raises(SemttaError, match="no connection, 2 times"):
        client(tmp_path, NoServer("no connection"), NoServer("no connection")).ask(REQUEST)
    with pytest.raises(Failed, match="the answer was empty, 2 times"):
        client(tmp_path, NoServer("no connection"), Reply("")).ask(REQUEST)
    with pytest.raises(Unanswered, match="cut off at 200 tokens"):
        client(tmp_path, Reply("", cut_off=True)).ask(REQUEST)
    with pytest.raises(Failed, match="asks to wait for 90 s"):
        client(tmp_path, TransientFault("busy", 90)).ask(REQUEST)


def test_stopped_clients_ask_nothing(tmp_path):
    asking = client(tmp_path)
    asking.stop.set()
    with pytest.raises(Unanswered, match="stopped"):
        asking.ask(REQUEST)
    with pytest.raises(Unanswered, match="stopped"):
        asking._send(REQUEST)


def test_a_wait_of_the_server_is_kept_and_the_bill_adds_up(tmp_path):
    asking = client(tmp_path, TransientFault("busy", 0.05), Reply("said", 100, 10))
    asking.model.host = "example.com"
    assert asking.ask(REQUEST).text == "said"
    assert asking.ask(REQUEST).text == "said"  # from the cache
    usage = asking.account.usage
    assert (usage.requests, usage.retries, usage.cached) == (2, 1, 1)
    assert usage.cost == pytest.approx(0.11)
    assert asking.cached(REQUEST) is not None


def test_a_budget_needs_a_price(tmp_path):
    model = Model()
    model.prices = lambda: None
    with pytest.raises(SemttaError, match=r"vlm\.prices"):
        ModelClient(model, AnswerCache(tmp_path), Account(1.0), VLMSettings(), threading.Event())
    asking = ModelClient(model, AnswerCache(tmp_path), Account(), VLMSettings(), threading.Event())
    assert not asking.account.usage.priced
    assert asking.estimate(REQUEST) == 0
