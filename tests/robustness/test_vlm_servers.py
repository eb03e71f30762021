"""Hostile and broken model servers: one bad answer neither stops nor stalls a run, and nothing of it reaches the terminal raw."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from command_line import call
from hypothesis import example, given
from hypothesis import settings as trials
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "labelers"))
pytest.importorskip("litellm")
from hostile_answers import ANSWERS, OK, body, sends
from vlm_clips import clip, context, settings, spans
from vlm_server import Server

from semtta.labelers import labelers
from semtta.labelers.answers import Answer, Description, Malformed, Refused, parse
from semtta.pipeline.labels import Labelling

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


@pytest.mark.parametrize(
    "name", ["parts, one of them thinking", "300 MB", "a page", "a redirect to another host", "a body that trickles"]
)
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


def test_two_runs_at_once_ask_nothing_twice(tmp_path):
    names = ["walking", "running", "jumping", "waving", "running", "walking", "jumping"]
    with Server(delay_s=0.1) as server, ThreadPoolExecutor(2) as runs:
        both = [runs.submit(ask, server, tmp_path, names, timeout_s=30) for _ in range(2)]
        (first, one), (second, other) = (run.result() for run in both)
        assert server.requests == 7
    assert [item.label for item in first] == [item.label for item in second] == names
    assert one.requests + other.requests == one.cached + other.cached == 7
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".lock" or path.name.startswith(".")]


def test_the_next_run_removes_what_a_killed_one_left(tmp_path):
    with Server() as server:
        ask(server, tmp_path, ["walking"])
        (answer,) = tmp_path.rglob("*.json")
        answer.with_suffix(".lock").touch()
        answer.with_name(f".{answer.stem}-0123abcd.json").write_text("{")
        _, usage = ask(server, tmp_path, ["walking"])
    assert usage.cached == 1
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [answer]


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, "null", '{"text": 5}', '{"text": "x", "input_tokens": "many"}', '{"other": 1}']
)
def test_a_damaged_answer_in_the_cache_is_asked_for_again(tmp_path, text):
    with Server() as server:
        ask(server, tmp_path, ["walking"])
        (answer,) = tmp_path.rglob("*.json")
        answer.write_text(text)
        found, _ = ask(server, tmp_path, ["walking"])
        assert server.requests == 2
    assert found[0].label == "walking"


# The command


@pytest.fixture
def label(clip, tmp_path) -> list[object]:
    chosen = ["vlm.verify=never", f"vlm.cache_dir={tmp_path / 'cache'}", "vlm.backoff_s=0", "vlm.attempts=2", "labels.frames=2"]
    settings_ = [part for one in chosen for part in ("--set", one)]
    out = ["--out", tmp_path / "labels", "--device", "cpu"]
    return ["label", clip / "walk.mp4", "--keypoints", clip / "keypoints.npz", *settings_, *out]


@pytest.fixture
def no_work(monkeypatch):
    for place in ("semtta.runs.label.locate", "semtta.labelers.vlm.sample_span_frames"):
        monkeypatch.setattr(place, lambda *given: pytest.fail("something was decoded"))


@pytest.mark.parametrize(
    ("model", "variable"),
    [
        ("gpt4o", "OPENAI_API_KEY"), ("vlm:openai/x", "OPENAI_API_KEY"), ("vlm:gemini/gemini-2.5-flash", "GEMINI_API_KEY"),
        ("vlm:anthropic/claude-sonnet-4", "ANTHROPIC_API_KEY"), ("vlm:openrouter/a/b", "OPENROUTER_API_KEY"),
        ("vlm:groq/x", "GROQ_API_KEY"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", [None, " "])
def test_a_missing_key_is_found_before_anything_is_decoded(refused, no_work, label, monkeypatch, model, variable, value):
    for name in ("OPENAI_API_KEY", "GOOGLE_API_KEY", variable):
        monkeypatch.delenv(name, raising=False)
    if value is not None:
        monkeypatch.setenv(variable, value)
    refused(*label, "--labeler", model, names=variable)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("status", "said"), [(401, "Incorrect API key provided: sk-test-1234567"), (403, "no"), (400, "API key not valid.")]
)
def test_a_wrong_key_stops_at_once(refused, label, model, status, said):
    with Server() as server:
        server.instead = lambda handler, action: sends({"error": {"message": said}}, status)(handler)
        variable = "OPENAI_API_KEY" if "openai" in model else "HOSTED_VLLM_API_KEY"
        more = ["--labeler", model, "--api-base", server.base, "--set", "vlm.concurrency=1"]
        message = refused(*label, *more, names=variable)
        assert server.requests == 1
    assert "1234567" not in message


def test_a_key_with_a_line_break(refused, label, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test\n1234567")
    with Server() as server:
        message = refused(*label, "--labeler", MODELS[1], "--api-base", server.base, names="OPENAI_API_KEY")
        assert server.requests == 0
    assert "1234567" not in message


def test_no_credit_stops_at_once(refused, label):
    with Server() as server:
        server.instead = lambda handler, action: sends({"error": {"message": "over", "code": "insufficient_quota"}}, 429)(handler)
        more = ["--labeler", MODELS[0], "--api-base", server.base, "--set", "vlm.concurrency=1"]
        refused(*label, *more, names="credit")
        assert server.requests == 1


@pytest.mark.parametrize("model", MODELS)
def test_a_server_that_is_not_there(refused, label, model):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{free.getsockname()[1]}/v1"  # bound, but nobody listens
        refused(*label, "--labeler", model, "--api-base", base, names=("no connection", "Is the server running"))


@pytest.mark.parametrize("name", ["no reply", "another protocol", "a page", "status 599", "an error of status 200"])
def test_a_server_that_answers_nothing(refused, label, name):
    with Server() as server:
        server.instead = lambda handler, action: ANSWERS[name][0](handler)
        refused(*label, "--labeler", MODELS[0], "--api-base", server.base, names=("answered for no segment", ANSWERS[name][2]))


def test_a_server_that_does_not_do_this_path(refused, label):
    with Server(lambda number, digest: "404") as server:
        refused(*label, "--labeler", MODELS[0], "--api-base", server.base, names="--api-base")


@pytest.mark.parametrize(
    "base",
    [
        "http://[::1/v1", "http://[::1]:port/v1", "http://127.0.0.1:99999/v1", "http://127.0.0.1:0/v1", "http://127.0.0.1:-1/v1",
        "http://", "http:///v1", "http://:8000", "localhost:8000", "ftp://localhost/v1", "file:///etc/passwd", "//host/v1", "",
        "http://\x1b[2Jhost:99999/v1", "http://a" + "b" * 5000, "http://me:secret1234@localhost/v1", "http://ho st:99999",
    ],
)  # fmt: skip
def test_addresses_that_are_none(refused, no_work, label, base):
    message = refused(*label, "--labeler", MODELS[0], "--api-base", base)
    assert "secret1234" not in message


@pytest.mark.parametrize(
    "setting",
    [
        "vlm.margin=.inf", "vlm.margin=.nan", "vlm.margin=-1", "vlm.temperature=.nan", "vlm.timeout_s=.inf", "vlm.timeout_s=0",
        "vlm.backoff_s=.inf", "vlm.max_wait_s=.nan", "vlm.budget=.nan", "vlm.budget=.inf", "vlm.prices=[.nan,1]",
        "vlm.prices=[1]",
        "vlm.prices=[-1,1]", "vlm.clip_threshold=.nan", "vlm.max_tokens=1e30", "vlm.attempts=1000000000", "vlm.frames=0",
        "vlm.size_px=1000000", "vlm.concurrency=-1", "vlm.layout=heap",
    ],
)  # fmt: skip
def test_settings_that_cannot_work(refused, no_work, label, setting):
    refused(
        *label,
        "--labeler",
        MODELS[0],
        "--api-base",
        "http://127.0.0.1:9/v1",
        "--set",
        setting,
        names=setting.partition("=")[0][4:],
    )


def test_nothing_that_a_server_says_reaches_the_terminal_raw(monkeypatch, capsys, label):
    with Server() as server:
        hostile = iter(["escape sequences", "an apology with escape sequences", "a word of 4000 letters"] * 2)
        server.instead = lambda handler, action: ANSWERS[next(hostile)][0](handler)
        more = ["--labeler", MODELS[0], "--api-base", server.base, "--set", "vlm.concurrency=1", "--set", "prior.name=none"]
        code, out, err = call(monkeypatch, capsys, *label, *more)
    assert code == 0, err
    assert (out + err).replace("\n", "").isprintable()
    assert max(map(len, out.splitlines())) < 700


def test_sigterm_keeps_what_is_paid_for(monkeypatch, capsys, label):
    """The request that is under way is finished and kept, no other is sent, and the advice is one that works."""
    leaving, leave = threading.Event(), Labelling.__exit__
    monkeypatch.setattr(Labelling, "__exit__", lambda *given: (leaving.set(), leave(*given))[1])
    with Server() as server:

        def stop(handler, action):
            if server.requests == 1:
                os.kill(os.getpid(), signal.SIGTERM)
                leaving.wait(30)
                time.sleep(2.0)  # on a busy machine the others are given up late
            return False

        server.instead = stop
        more = ["--labeler", MODELS[0], "--api-base", server.base, "--set", "vlm.concurrency=1"]
        code, _, err = call(monkeypatch, capsys, *label, *more)
        assert code == 130
        assert "the same command asks only for the others" in err
        assert server.requests == 1
        code, out, err = call(monkeypatch, capsys, *label, *more)
        assert code == 0, err
        assert "2 requests, 1 answers from the cache" in out
        assert server.requests == 3


# The parser of answers

PIECES = st.sampled_from([
    OK, "{", "}", "[", "]", '"', "'", ",", ":", "\n", "\\", "```json", "<think>", "</think>", "description", "label", "null",
    "1e999", "NaN",
    "Label: walking", "**Description:** x", "I'm sorry", '{"label": ', '{"description": "d"', "\ud800", "\x1b[2J", " " * 50,
    "5" * 5000,
])  # fmt: skip


@trials(max_examples=200, deadline=None)
@given(st.lists(PIECES | st.text(max_size=10), max_size=12).map("".join), st.sampled_from([Answer, Description]))
@example("{" * 20_000, Answer)
@example("\n" * 200_000 + ":", Answer)
def test_any_text_is_understood_refused_or_malformed(text, schema):
    began = time.monotonic()
    said = ""
    try:
        answer = parse(text, schema)
    except (Malformed, Refused) as problem:
        said = str(problem)
    else:
        assert isinstance(answer, schema)
        assert answer.description.isprintable()
        assert len(answer.description.split()) <= 20
        assert len(answer.description) <= 240
        assert isinstance(answer, Answer) is (schema is Answer)
        assert len(getattr(answer, "label", "")) <= 80
        json.dumps(answer.model_dump()).encode()
    assert len(said) <= 200
    assert said.isprintable()
    assert time.monotonic() - began < 20


@trials(max_examples=200, deadline=None)
@given(before=st.text(max_size=40), word=st.text(st.characters(codec="utf-8"), max_size=30))
def test_the_last_answer_after_the_reasoning_counts(before, word):
    answer = json.dumps({"description": "d", "label": f"x{word}"})
    found = parse(f'{before}{{"description": "draft", "label": "draft"}}</think>\n{answer}', Answer)
    assert found.description == "d"
    assert found.label.startswith("x")
