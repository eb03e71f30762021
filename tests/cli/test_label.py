"""``semtta label`` as a person uses it, on the two real clips, against a model server on the loopback interface."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "labelers"))
pytest.importorskip("litellm")
from command_line import call
from vlm_server import Server

from semtta.errors import SemttaError
from semtta.estimators import estimators

REAL = Path(__file__).parents[3] / "shared" / "data" / "real"
CLIPS = ("squats", "dribble")
MODEL = "vlm:hosted_vllm/tiny"

real_clips = pytest.mark.skipif(not REAL.exists(), reason="the real clips are not here")


def arguments(server: Server, tmp_path: Path, *more: object) -> list[object]:
    videos = [REAL / f"{name}.mp4" for name in CLIPS]
    keypoints = [part for name in CLIPS for part in ("--keypoints", REAL / f"{name}.npz")]
    return [
        "label", *videos, *keypoints, "--labeler", MODEL, "--api-base", server.base, "--device", "cpu",
        "--out", tmp_path / "labels", "--set", f"vlm.cache_dir={tmp_path / 'cache'}", "--set", "vlm.concurrency=1",
        "--set", "vlm.verify=never", *more,
    ]  # fmt: skip


@real_clips
def test_two_real_clips(monkeypatch, capsys, tmp_path):
    (tmp_path / "truth.csv").write_text("video,start,stop,label\nsquats,0,65,squatting\ndribble,0,40,playing basketball\n")
    with Server() as server:
        # squats come first; the server sees colours only, so it is told what to say
        server.say = lambda body, action: "doing squats" if len(server.bodies) == 1 else "dribbling a ball"
        code, out, err = call(monkeypatch, capsys, *arguments(server, tmp_path, "--dry-run", "--set", "vlm.prices=[2.5,10]"))
        assert code == 0, err
        assert "2 segments, 2 requests to send and 0 answers from the cache" in out
        assert "estimated $0.0" in out
        assert server.requests == 0
        assert not (tmp_path / "labels").exists()

        code, out, err = call(monkeypatch, capsys, *arguments(server, tmp_path, "--review", "--evaluate", tmp_path / "truth.csv"))
        assert code == 0, err
        assert server.requests == 2
        assert all(max(picture.size) <= 512 for picture in server.pictures)
        assert len(server.pictures) == 16
        assert "2 segments: 2 requests, 0 answers from the cache" in out
        assert "100.0 % right" in out
        squats, dribble = (json.loads((tmp_path / "labels" / name / "labels.json").read_text()) for name in CLIPS)
        assert squats[0]["label"] == "squatting"
        assert "doing squats" in squats[0]["reason"]
        assert dribble[0]["label"] == "playing basketball"
        assert (
            "'dribbling a ball' is not among the 58 labels of prior 'infill'; nearest: playing basketball" in dribble[0]["reason"]
        )

        again, out, _ = call(monkeypatch, capsys, *arguments(server, tmp_path))
        assert again == 0
        assert server.requests == 2
        assert "0 requests, 2 answers from the cache" in out
    page = (tmp_path / "labels" / "review.html").read_text()
    assert page.count("<article") == 2
    assert page.count("data:image/jpeg") == 8


@real_clips
def test_labelers_side_by_side_and_the_word_that_pictures_leave(monkeypatch, capsys, caplog, tmp_path):
    from semtta.labelers.remote import LiteLLM

    monkeypatch.setattr(LiteLLM, "_host", lambda self: "api.example.com")
    (tmp_path / "truth.csv").write_text("start,stop,label\n0,40,jumping\n")
    with Server() as server:
        server.say = lambda body, action: "walking"
        code, out, err = call(
            monkeypatch, capsys, "label", REAL / "dribble.mp4", "--keypoints", REAL / "dribble.npz", "--labeler", MODEL,
            "--labeler", "fixed:jumping", "--api-base", server.base, "--evaluate", tmp_path / "truth.csv", "--device", "cpu",
            "--out", tmp_path / "labels", "--set", f"vlm.cache_dir={tmp_path / 'cache'}", "--set", "vlm.verify=never",
        )  # fmt: skip
    assert code == 0, err
    assert "at most 512 px, go to 'hosted_vllm/tiny' (api.example.com)" in caplog.text
    assert {path.name for path in (tmp_path / "labels").iterdir()} == {"vlm_hosted_vllm_tiny", "fixed_jumping"}
    assert "0.0 % right" in out
    assert "100.0 % right" in out
    assert "Against the true labels" in out
    assert json.loads((tmp_path / "labels" / "fixed_jumping" / "evaluation.json").read_text())["accuracy"] == 100


def weights_are_here() -> bool:
    try:
        estimators.create("open")
    except SemttaError:
        return False
    return True


@real_clips
@pytest.mark.skipif(not weights_are_here(), reason="the included weights are not here")
def test_adapt_uses_corrected_labels_and_asks_while_it_crops(monkeypatch, capsys, tmp_path):
    common = ["adapt", REAL / "dribble.mp4", "--keypoints", REAL / "dribble.npz", "--device", "cpu", "--set", "epochs=0"]
    (tmp_path / "review.csv").write_text("video,start,stop,label,proposed\ndribble,0,40,playing basketball,walking\n")
    code, _, err = call(monkeypatch, capsys, *common, "--out", tmp_path / "a", "--labels", tmp_path / "review.csv")
    assert code == 0, err
    (label,) = json.loads((tmp_path / "a" / "dribble" / "labels.json").read_text())
    assert (label["label"], label["source"]) == ("playing basketball", "by hand")

    with Server() as server:
        server.say = lambda body, action: "playing basketball"
        asked = ["--labeler", MODEL, "--api-base", server.base, "--set", f"vlm.cache_dir={tmp_path / 'cache'}"]
        code, out, err = call(monkeypatch, capsys, *common, *asked, "--set", "vlm.verify=never", "--out", tmp_path / "b")
    assert code == 0, err
    (label,) = json.loads((tmp_path / "b" / "dribble" / "labels.json").read_text())
    assert (label["label"], label["source"]) == ("playing basketball", MODEL)
    assert "1 segments: 1 requests" in out


@real_clips
@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--labeler", "vlm"], "vlm:ollama"),
        (["--labeler", "vlm:nonsense"], "provider"),
        (["--labeler", "gpt5o"], "Did you mean 'gpt4o'"),
        (["--labeler", "oracle:x"], "nothing after a colon"),
        (["--labeler", "local:/nowhere"], "config.json"),
        (["--labels", "nowhere.csv"], "nowhere.csv"),
        (["--labels", "a.csv", "--labeler", "oracle"], "either --labeler or --labels"),
        (["--labeler", "oracle", "--evaluate", "nowhere.csv"], "nowhere.csv"),
        (["--labeler", MODEL, "--api-base", "localhost:1"], "http://"),
        (["--labeler", "vlm:hosted_vllm/x", "--api-base", "http://a.example/v1", "--budget", "1"], "vlm.prices"),
        (["--labeler", MODEL, "--set", "vlm.frame=2"], "Did you mean 'labeler.frames'"),
        (["--labeler", MODEL, "--set", "vlm.prompt=99", "--api-base", "http://127.0.0.1:9/v1"], "prompt version 99"),
        (["--keypoints", "a", "--keypoints", "b"], "once for each video"),
    ],
)
def test_bad_input_gives_one_line_and_writes_nothing(monkeypatch, capsys, tmp_path, more, message):
    monkeypatch.setenv("SEMTTA_CACHE", str(tmp_path / "cache"))
    given = [] if "--keypoints" in more else ["--keypoints", REAL / "dribble.npz"]
    code, _, err = call(monkeypatch, capsys, "label", REAL / "dribble.mp4", *given, "--out", tmp_path / "labels", *more)
    lines = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert code == 2
    assert len(lines) == 1
    assert message in lines[0]
    assert not (tmp_path / "labels").exists()
