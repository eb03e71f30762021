"""Hostile and broken model servers: one bad answer neither stops nor stalls a run, and nothing of it reaches the terminal raw."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "labelers"))
pytest.importorskip("litellm")
from hostile_answers import ANSWERS, OK, body, sends
from vlm_clips import clip, context, settings, spans
from vlm_server import Server

from semtta.labelers import labelers

MODELS = ("vlm:hosted_vllm/tiny", "vlm:openai/tiny")  # litellm sends them through two different clients


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-1234567")


def ask(server: Server, cache: Path, names: list[str], model: str = MODELS[0], **changes: object):
    chosen = {"attempts": 2, "concurrency": 2, "backoff_s": 0.0, "timeout_s": 1.0, **changes}
    labeler = labelers.create(model, settings(server.base, cache, **chosen))
    video = clip(names)
    return labeler.label(video, spans(video), context()), labeler.usage


@pytest.mark.parametrize("name", ANSWERS)
def test_one_bad_answer_costs_one_segment_at_most(tmp_path, name):
    send, label, reason = ANSWERS[name]
    slow = "trickle" in name or name == "silence"
    with Server() as server:
        server.instead = lambda handler, action: send(handler) if action == "walking" else False
        began = time.monotonic()
        found, usage = ask(server, tmp_path, ["walking", "jumping"], **({"attempts": 1} if slow else {"timeout_s": 20}))
        took = time.monotonic() - began
    assert found[0].label == label
    assert found[1].label == "jumping"
    assert reason in found[0].reason
    assert (found[0].reason != "") == (label is None)
    assert took < 40
    for text in (found[0].reason, found[0].description):
        assert text.isprintable()
        assert len(text) <= 300
    assert usage.requests <= 4
    assert getattr(server._http, "sent", 0) < 40 << 20  # what the system takes into its buffers, not 300 MB


@pytest.mark.parametrize("name", ["parts, one of them thinking", "300 MB", "a page", "a redirect to another host", "a body that trickles"])
def test_the_limits_hold_in_litellms_other_client(tmp_path, name):
    send, label, reason = ANSWERS[name]
    with Server() as server:
        server.instead = lambda handler, action: send(handler) if action == "walking" else False
        timeout = 1.0 if "trickle" in name else 20.0
        found, _ = ask(server, tmp_path, ["walking", "jumping"], MODELS[1], attempts=1, timeout_s=timeout)
    assert [item.label for item in found] == [label, "jumping"]
    assert reason in found[0].reason


@pytest.mark.parametrize("model", MODELS)
def test_pictures_do_not_follow_a_redirect_to_another_host(tmp_path, model):
    with Server() as other, Server() as server:
        server.instead = lambda handler, action: sends({}, 307, Location=f"{other.base}/chat/completions")(handler)
        found, _ = ask(server, tmp_path, ["walking"], model)
    assert found[0].label is None
    assert other.requests == 0


def test_a_redirect_within_the_server_is_followed(tmp_path):
    with Server() as server:
        moved = sends({}, 307, Location="/v2/chat/completions")
        server.instead = lambda handler, action: moved(handler) if handler.path.startswith("/v1") else False
        found, _ = ask(server, tmp_path, ["walking"])
    assert found[0].label == "walking"


def test_what_is_cut_off_is_asked_once(tmp_path):
    with Server() as server:
        server.instead = lambda handler, action: ANSWERS["reasoning only, cut off"][0](handler)
        _, usage = ask(server, tmp_path, ["walking"], attempts=4)
        assert server.requests == usage.requests == 1


def test_a_form_that_is_not_understood_is_asked_once_and_no_server_error(tmp_path):
    with Server() as server:
        server.instead = lambda handler, action: ANSWERS["content that is a number"][0](handler)
        found, _ = ask(server, tmp_path, ["walking"], attempts=4)
        assert server.requests == 1
    assert "form that is not understood" in found[0].reason


def test_false_counts_do_not_lower_the_bill(tmp_path):
    with Server() as server:
        usage = {"prompt_tokens": -1000, "completion_tokens": 1e300, "total_tokens": 0}
        server.instead = lambda handler, action: sends(body(OK, usage=usage))(handler)
        _, used = ask(server, tmp_path, ["walking"], prices=(10.0, 20.0))
    assert used.cost >= 0
