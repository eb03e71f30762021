"""Labels from a model behind a real HTTP interface: litellm sends the requests, the server looks at the pictures."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from semtta.errors import SemttaError
from semtta.labelers import labelers
from semtta.testing import check_labeler
from semtta.types import SegmentLabel, Video

pytest.importorskip("litellm")
import vlm_clips as clips
from vlm_clips import actions, clip, context, settings, spans
from vlm_server import COLORS, FAULTS, Server

MODEL = "vlm:hosted_vllm/tiny"


def run(video: Video, base: str, cache: object, model: str = MODEL, **changes: object):
    labeler = labelers.create(model, settings(base, cache, **changes))
    found = labeler.label(video, spans(video), context())
    return found, labeler.usage


def test_every_segment_is_labelled_from_its_pictures(tmp_path):
    names = actions(6)
    with Server(delay_s=0.2) as server:
        found, usage = run(clip(names), server.base, tmp_path)
    assert [item.label for item in found] == names
    assert [(item.start, item.stop) for item in found] == spans(clip(names))
    assert all(item.source == MODEL and "colour" in item.description for item in found)
    assert (usage.segments, usage.requests, usage.cached, usage.retries) == (6, 6, 0, 0)
    assert (usage.input_tokens, usage.output_tokens) == (6000, 120)
    assert not server.problems
    assert len(server.pictures) == 12
    assert 1 < server.most_at_a_time <= 4
    body = server.bodies[0]
    assert body["response_format"]["type"] == "json_schema"
    assert all(name in body["messages"][0]["content"] for name in (*COLORS, "at most 20 words", '"None"'))


@pytest.mark.parametrize("layout", ["frames", "sheet"])
def test_sixty_segments_with_faults(tmp_path, layout):
    """A fifth of the requests go wrong, in every way (so 56 at least are needed); nothing that was answered is asked again."""
    names = actions(60)

    def fault(number: int, digest: str) -> str | None:
        return FAULTS[number // 5 % len(FAULTS)] if number % 5 == 1 else None

    with Server(fault) as server:
        server.refused = {"waving"}
        found, usage = run(clip(names), server.base, tmp_path, layout=layout, concurrency=8, attempts=6)
        first = server.requests
        assert [item.label for item in found] == [None if name == "waving" else name for name in names]
        assert all("refuses" in item.reason for item, name in zip(found, names, strict=True) if name == "waving")
        assert max(server.answered.values()) == 1
        assert set(FAULTS) <= set(server.faults)
        assert usage.requests == first > 60
        assert not server.problems
        again, cached = run(clip(names), server.base, tmp_path, layout=layout, concurrency=8, attempts=6)
        assert server.requests == first
    assert again == found
    assert cached.requests == 0
    assert cached.cached >= 60


def test_killed_half_way_only_the_rest_is_asked_for(tmp_path):
    count = 24
    with Server(delay_s=0.05) as server:
        program = [sys.executable, clips.__file__, server.base, str(tmp_path), str(count)]
        with subprocess.Popen(program) as process:
            for _ in range(3000):
                if len(server.answered) >= count // 2 or process.poll() is not None:
                    break
                time.sleep(0.1)
            process.send_signal(signal.SIGKILL)
        kept = sum(not path.name.startswith(".") for path in tmp_path.rglob("*.json"))  # others were being written
        assert process.returncode == -signal.SIGKILL
        assert count // 2 - 3 <= kept < count
        time.sleep(0.5)  # what was under way arrives
        before = server.requests
        found, usage = run(clip(actions(count)), server.base, tmp_path, concurrency=3)
        assert [item.label for item in found] == actions(count)
        assert server.requests - before == usage.requests == count - kept
        assert usage.cached == kept
        assert sum(server.numbers.values()) - len(server.numbers) <= 3  # those under way when it was killed


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("500", "server error 500, 2 times"),
        ("drop", "2 times"),
        ("empty", "the answer was empty, 2 times"),
        ("malformed", "not as asked for"),
        ("truncated", "not as asked for"),
        ("refusal", "refuses"),
        ("filter", "The response was filtered"),
        ("timeout", "no answer in 1 s, 2 times"),
        ("429 long", "asks to wait for 3600 s"),
        ("no json", "2 times"),
    ],
)
def test_what_does_not_pass_leaves_one_segment_unlabelled(tmp_path, fault, reason):
    with Server(lambda number, digest: fault) as server:
        changes = {"attempts": 2, "concurrency": 1, **({"timeout_s": 1} if fault == "timeout" else {})}
        found, _ = run(clip(["walking"]), server.base, tmp_path, **changes)
        assert found[0].label is None
        assert reason in found[0].reason
        number = server.requests
        server.fault = lambda number, digest: fault if digest in doomed else None
        doomed = set(server.numbers)
        found, _ = run(clip(["walking", "running"]), server.base, tmp_path / "other", **changes)
        assert [item.label for item in found] == [None, "running"]
        assert server.requests == 2 * number + 1


def test_a_server_without_structured_output_is_asked_without(tmp_path):
    with Server(lambda number, digest: "no schema") as server:
        found, _ = run(clip(["walking", "running", "jumping"]), server.base, tmp_path, concurrency=1)
    assert [item.label for item in found] == ["walking", "running", "jumping"]
    assert ["response_format" in body for body in server.bodies] == [True, False, False, False]


def test_retry_after_is_waited_for_by_all(tmp_path):
    with Server(lambda number, digest: "429" if number == 0 else None) as server:
        began = time.monotonic()
        found, usage = run(clip(["walking", "running"]), server.base, tmp_path, concurrency=1, backoff_s=0)
        assert time.monotonic() - began >= 0.2
    assert [item.label for item in found] == ["walking", "running"]
    assert usage.retries == 1


@pytest.mark.parametrize(("fault", "message"), [("401", "key"), ("404", "no model")])
def test_what_every_request_would_suffer_stops_the_run(tmp_path, monkeypatch, fault, message):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-1234")
    with Server(lambda number, digest: fault) as server, pytest.raises(SemttaError, match=message) as caught:
        run(clip(actions(30)), server.base, tmp_path, "vlm:openai/tiny")
    assert server.requests < 10
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None  # nor in a traceback
    assert caught.value.__suppress_context__


def test_keys_reach_the_server_and_nothing_else(tmp_path, monkeypatch, caplog, capfd):
    secret = "sk-very-secret-1234"
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    kinds = iter(["500", "429", "malformed", "drop", "empty", None, "500", "500"])
    with caplog.at_level(logging.DEBUG), Server(lambda number, digest: next(kinds, "500")) as server:
        found, usage = run(clip(["walking", "running"]), server.base, tmp_path, "vlm:openai/tiny", concurrency=1)
    assert server.keys == {f"Bearer {secret}"}
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    out = capfd.readouterr()
    semtta_log = "".join(record.getMessage() for record in caplog.records if record.name.startswith("semtta"))
    assert secret not in f"{written} {found} {usage.summary()} {out.out} {out.err} {semtta_log}"


def test_budget_is_not_passed(tmp_path):
    # 1000 tokens in and 20 out: $0.0104 a request at these prices
    prices = {"prices": (10.0, 20.0), "concurrency": 4}
    with Server(delay_s=0.01) as server:
        found, usage = run(clip(actions(12)), server.base, tmp_path, budget=0.05, **prices)
        assert 0 < usage.cost <= 0.05
        assert usage.cost == pytest.approx(0.0104 * server.requests)
        unlabelled = [item for item in found if item.label is None]
        assert len(unlabelled) == 12 - server.requests
        assert all("budget" in item.reason for item in unlabelled)
        # what was answered costs nothing the second time, so the same budget goes further
        first = server.requests
        found, usage = run(clip(actions(12)), server.base, tmp_path, budget=0.05, **prices)
        assert sum(item.label is not None for item in found) == server.requests > first
        assert server.most_at_a_time > 1
    with pytest.raises(SemttaError, match=r"vlm.prices"):
        run(clip(actions(1)), "http://elsewhere.example/v1", tmp_path / "x", budget=1.0)


def test_estimate_sends_nothing_and_counts_what_is_missing(tmp_path):
    video = clip(actions(5))
    with Server() as server:
        labeler, told = labelers.create(MODEL, settings(server.base, tmp_path, prices=(10.0, 20.0))), context()
        before = labeler.estimate(video, spans(video), told)
        assert server.requests == 0
        assert (before.segments, before.requests, before.cached) == (5, 5, 0)
        assert before.output_tokens == 5 * 200
        assert before.cost == pytest.approx((before.input_tokens * 10 + 1000 * 20) / 1e6)
        labeler.label(video, spans(video)[:2], told)
        after = labeler.estimate(video, spans(video), told)
    assert (after.requests, after.cached) == (3, 2)


def test_price_of_gpt4o_is_litellms(tmp_path):
    from semtta.labelers.remote import LiteLLM

    model = LiteLLM("gpt-4o", clips.FAST)
    assert model.prices() == (2.5e-06, 1e-05)
    assert model.host == "openai"


def test_long_dictionary_is_described_first_and_looked_up(tmp_path):
    video = clip(["walking", "jumping"])
    asked: list[tuple[str, int]] = []

    def nearest(text: str, count: int) -> list[str]:
        asked.append((text, count))
        return [name for name in COLORS if name in text] + ["hopping"]

    def say(body, action):
        offered = body["messages"][0]["content"].split("one label a line:\n")[1].splitlines()
        assert offered == [action, "hopping"]
        assert f"is {action} across" in body["messages"][-1]["content"][-1]["text"]
        return action

    with Server() as server:
        server.say = lambda body, action: say(body, action) if "one label a line" in str(body["messages"][0]) else action
        told = context(nearest=nearest)
        labeler = labelers.create(MODEL, settings(server.base, tmp_path, dictionary_tokens=1, candidates=7))
        found = labeler.label(video, spans(video), told)
        estimate = labeler.estimate(video, spans(video), told)
    assert [item.label for item in found] == ["walking", "jumping"]
    assert server.requests == 4
    assert asked[0][1] == 7
    assert (estimate.requests, estimate.cached) == (0, 4)


def test_a_dictionary_that_turns_out_too_long_goes_the_same_way(tmp_path):
    with Server() as server:
        server.fault = lambda number, digest: "context" if number == 0 else None
        told = context(nearest=lambda text, count: ["walking"])
        video = clip(["walking"])
        found = labelers.create(MODEL, settings(server.base, tmp_path)).label(video, spans(video), told)
    assert found[0].label == "walking"
    assert server.requests == 3


def test_answers_outside_the_dictionary(tmp_path):
    def resolve(label: str) -> tuple[str | None, float, str]:
        if label == "strolling":
            return "walking", 0.8, "'strolling' replaced by the nearest label 'walking' (0.80)"
        return None, 0.2, f"no label is near '{label}' (best 'x', 0.20)"

    words = {"walking": "strolling", "running": "juggling", "jumping": "None"}
    with Server() as server:
        server.say = lambda body, action: words[action]
        video = clip(list(words))
        labeler = labelers.create(MODEL, settings(server.base, tmp_path))
        found = labeler.label(video, spans(video), context(resolve=resolve))
    assert [item.label for item in found] == ["walking", None, None]
    assert "'strolling' replaced by the nearest label 'walking'" in found[0].reason
    assert "no label is near 'juggling'" in found[1].reason
    assert "finds no label" in found[2].reason


def test_remote_models_are_announced_once(tmp_path, caplog):
    from semtta.labelers.remote import LiteLLM
    from semtta.labelers.vlm import VisionLanguageLabeler

    class Elsewhere(LiteLLM):
        def __init__(self, name, settings):
            super().__init__(name, settings)
            self.host = "api.example.com"

    with Server() as server:
        priced = settings(server.base, tmp_path, prices=(1.0, 1.0))
        labeler = VisionLanguageLabeler("x", lambda settings, device: Elsewhere("hosted_vllm/tiny", settings), priced)
        for name in ("walking", "running"):
            labeler.label(clip([name]), spans(clip([name])), context())
    told = [record.getMessage() for record in caplog.records if "leave this machine" in record.getMessage()]
    assert len(told) == 1
    assert "api.example.com" in told[0]
    assert "512 px" in told[0]


@pytest.mark.parametrize(
    ("base", "message"),
    [("localhost:8000", "http://"), ("http://me:pass1234@host/v1", "environment"), ("http://host/v1?key=abc", "environment")],
)
def test_addresses_that_are_wrong_or_hold_secrets(tmp_path, base, message):
    with pytest.raises(SemttaError, match=message) as caught:
        run(clip(["walking"]), base, tmp_path)
    assert "pass1234" not in str(caught.value)


def test_stopping_sends_nothing_more(tmp_path):
    with Server() as server:
        told = context()
        told.stop.set()
        labeler = labelers.create(MODEL, settings(server.base, tmp_path))
        found = labeler.label(clip(actions(3)), spans(clip(actions(3))), told)
    assert server.requests == 0
    assert [item.reason for item in found] == ["not asked: labelling was stopped"] * 3


def test_an_unwritable_cache_is_refused_before_anything_is_sent(tmp_path):
    (tmp_path / "file").write_text("")
    with Server() as server, pytest.raises(SemttaError, match="SEMTTA_CACHE"):
        run(clip(["walking"]), server.base, tmp_path / "file")
    assert server.requests == 0


@pytest.mark.parametrize("name", ["vlm", "local", "file"])
def test_names_that_need_an_argument(name):
    with pytest.raises(SemttaError, match=name):
        labelers.create(name)


def test_conformance(tmp_path):
    with Server() as server:
        check_labeler(labelers.create(MODEL, settings(server.base, tmp_path)), clip(["walking"]), context())


def test_a_video_that_ends_early(tmp_path):
    whole = clip(["walking", "running", "jumping"])
    video = replace(whole, frames=list(whole.frames)[:9])
    with Server() as server, pytest.raises(SemttaError, match="no longer decodes"):
        labelers.create(MODEL, settings(server.base, tmp_path)).label(video, [(0, 4), (4, 8), (8, 12)], context())


def test_defaults():
    assert labelers.create(MODEL).settings.clip_threshold == 0.3
    assert SegmentLabel(0, 1, "x").trust == 1.0
