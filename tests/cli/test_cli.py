"""The command as a person uses it: results written, and one clear line with exit code 2 for what is wrong."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from command_line import call
from short_clips import write_clip

from semtta import assets

pytestmark = pytest.mark.skipif(
    not Path(assets.__file__).with_name("estimator_open.safetensors").exists(), reason="the included weights are not here"
)
FRAMES = 14


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """The first frames of the demo clip with their keypoints."""
    folder = tmp_path_factory.mktemp("clip")
    write_clip(folder, FRAMES)
    return folder


def adapt_arguments(clip: Path, out: Path, *more: object) -> list[object]:
    return [
        "adapt", clip / "walk.mp4", "--keypoints", clip / "keypoints.npz", "--out", out, "--device", "cpu",
        "--set", "epochs=1", *more,
    ]  # fmt: skip


def test_adapt_writes_every_file(monkeypatch, capsys, clip, tmp_path):
    code, _, err = call(monkeypatch, capsys, *adapt_arguments(clip, tmp_path, "--label", "walking", "--seed", 3))
    assert code == 0, err
    folder = tmp_path / "walk"
    files = {path.name for path in folder.iterdir()}
    expected = "motion.npz keypoints.npz labels.json metrics.json history.jsonl config.yaml overlay.mp4 report.html"
    assert files == set(expected.split())
    with np.load(folder / "motion.npz") as motion:
        assert motion["poses"].shape == (FRAMES, 72)
        assert motion["trans"].shape == (FRAMES, 3)
        assert motion["betas"].shape == (10,)
        assert float(motion["mocap_framerate"]) == 30
        assert motion["joints"].shape == (FRAMES, 24, 3)
        assert motion["frame_index"].tolist() == list(range(FRAMES))
        assert np.isfinite(motion["joints"]).all()
    assert json.loads((folder / "labels.json").read_text())
    assert len((folder / "history.jsonl").read_text().splitlines()) == 1
    assert yaml.safe_load((folder / "config.yaml").read_text())["settings"]["seed"] == 3
    page = (folder / "report.html").read_text().replace("http://www.w3.org", "")
    assert not re.search("https?:", page)
    # another run does not overwrite it; --resume leaves it as it is
    code, _, err = call(monkeypatch, capsys, *adapt_arguments(clip, tmp_path, "--label", "walking"))
    assert code == 2
    assert "--resume" in err
    before = (folder / "motion.npz").stat().st_mtime_ns
    assert call(monkeypatch, capsys, *adapt_arguments(clip, tmp_path, "--label", "walking", "--seed", 3, "--resume"))[0] == 0
    assert (folder / "motion.npz").stat().st_mtime_ns == before
    for to in ("npz", "bvh", "glb", "csv"):
        assert call(monkeypatch, capsys, "export", folder, "--to", to)[0] == 0
    assert call(monkeypatch, capsys, "view", folder, "--no-show")[0] == 0
    assert (folder / "viewer.html").exists()


def test_settings_of_a_run_repeat_it(monkeypatch, capsys, clip, tmp_path):
    assert call(monkeypatch, capsys, *adapt_arguments(clip, tmp_path / "a", "--label", "walking"))[0] == 0
    config = tmp_path / "a" / "walk" / "config.yaml"
    arguments = ["adapt", clip / "walk.mp4", "--keypoints", clip / "keypoints.npz", "--label", "walking"]
    assert call(monkeypatch, capsys, *arguments, "--config", config, "--out", tmp_path / "b")[0] == 0
    first, second = (np.load(tmp_path / x / "walk" / "motion.npz") for x in "ab")
    np.testing.assert_array_equal(first["poses"], second["poses"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--estimator", "opne"], "Did you mean 'open'"),
        (["--prior", "motionklip"], "Unknown prior"),
        (["--labeler", "retrival"], "Did you mean 'retrieval'"),
        (["--updater", "emma"], "Did you mean 'ema'"),
        (["--method", "cycle"], "Unknown method"),
        (["--body", "smlp"], "Unknown body"),
        (["--denoiser", "mdnett"], "Did you mean 'mdnet'"),
        (["--detector", "blaze"], "Unknown detector"),
        (["--preset", "papr"], "Did you mean 'paper'"),
        (["--set", "epoch=3"], "Did you mean 'loop.epochs'"),
        (["--set", "epochs"], "key=value"),
        (["--set", "epochs=many"], "epochs"),
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
        (["--keypoints", "nowhere.zip"], "nowhere.zip"),
        (["--person", "4"], "person"),
        (["--estimator", "hmr"], "semtta assets import hmr"),
        (["--prior", "unpaired", "--set", "prior.weights=x.safetensors"], "prior.weights"),
        (["--labeler", "fixed"], "--label"),
    ],
)
def test_bad_arguments_give_one_line(monkeypatch, capsys, clip, tmp_path, arguments, message):
    code, _, err = call(monkeypatch, capsys, *adapt_arguments(clip, tmp_path, *arguments))
    line = [text for text in err.splitlines() if text.startswith("Error: ")]
    assert code == 2
    assert len(line) == 1
    assert message in line[0]
    assert "Traceback" not in err
    assert not list(tmp_path.rglob("motion.npz"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is here")
def test_cuda_without_one(monkeypatch, capsys, clip, tmp_path):
    code, _, err = call(monkeypatch, capsys, *adapt_arguments(clip, tmp_path, "--device", "cuda"))
    assert code == 2
    assert "no CUDA device" in err


def test_missing_and_broken_videos(monkeypatch, capsys, tmp_path):
    (tmp_path / "text.mp4").write_text("not a video")
    for name in ("absent.mp4", "text.mp4"):
        code, _, err = call(monkeypatch, capsys, "adapt", tmp_path / name, "--out", tmp_path / "out")
        assert code == 2
        assert name in err


def test_unwritable_output(monkeypatch, capsys, clip, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = call(monkeypatch, capsys, *adapt_arguments(clip, tmp_path / "file"))
    assert code == 2
    assert "--out" in err


def test_corrupted_weights(monkeypatch, capsys, clip, tmp_path):
    included = Path(assets.__file__).with_name("estimator_open.safetensors").read_bytes()
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(included[: len(included) // 2])
    code, _, err = call(monkeypatch, capsys, *adapt_arguments(clip, tmp_path, "--set", f"estimator.weights={damaged}"))
    assert code == 2
    assert "damaged" in err


def test_nothing_seen_writes_the_unadapted_result(monkeypatch, capsys, clip, tmp_path):
    np.savez(tmp_path / "none.npz", keypoints=np.zeros((FRAMES, 25, 3), np.float32))
    arguments = adapt_arguments(clip, tmp_path, "--label", "walking", "--keypoints", tmp_path / "none.npz")
    code, out, err = call(monkeypatch, capsys, *arguments)
    assert code == 0, err
    assert "nothing could be adapted" in " ".join(out.split())
    assert (tmp_path / "walk" / "motion.npz").exists()


@pytest.mark.parametrize("frames", [1, 2, 61])
def test_short_and_odd_lengths(monkeypatch, capsys, tmp_path, frames):
    write_clip(tmp_path, frames)
    arguments = adapt_arguments(tmp_path, tmp_path / "out", "--label", "walking", "--set", "segment_stride=60")
    assert call(monkeypatch, capsys, *arguments)[0] == 0
    assert len(np.load(tmp_path / "out" / "walk" / "motion.npz")["poses"]) == frames


def test_ctrl_c_leaves_the_last_epoch_and_resume_goes_on(clip, tmp_path):
    command = [sys.executable, "-c", "from semtta_cli.main import main; main()"]
    arguments = [str(a) for a in adapt_arguments(clip, tmp_path, "--label", "walking", "--set", "epochs=400")]
    checkpoint = tmp_path / "walk" / "checkpoint.pt"
    # a test run in the background of a shell ignores Ctrl-C, and its children would too
    listening = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen([*command, *arguments], stderr=subprocess.PIPE, text=True, preexec_fn=listening) as run:
        try:
            for _ in range(1200):
                if checkpoint.exists() or run.poll() is not None:
                    break
                time.sleep(0.1)
            run.send_signal(signal.SIGINT)
            _, err = run.communicate(timeout=120)
        finally:
            run.kill()
    assert run.returncode == 130, err
    assert "--resume" in err
    saved = torch.load(checkpoint, weights_only=True)
    assert saved["state"]["epoch"] >= 1
    assert not (tmp_path / "walk" / "motion.npz").exists()
    # other settings are refused, the same ones go on
    other = subprocess.run([*command, *arguments, "--resume", "--seed", "9"], capture_output=True, text=True)
    assert other.returncode == 2
    assert "seed is 9, was 0" in " ".join(other.stderr.split())


@pytest.mark.parametrize("command", ["", "adapt", "demo", "label", "train", "synth", "assets", "export", "view", "doctor"])
def test_help_teaches(monkeypatch, capsys, command):
    code, out, _ = call(monkeypatch, capsys, *command.split(), "--help")
    assert code == 0
    assert "Usage" in out


@pytest.mark.parametrize("command", [["plugins"], ["doctor"], ["assets", "list"], ["assets", "verify"]])
def test_lists(monkeypatch, capsys, command):
    code, out, err = call(monkeypatch, capsys, *command)
    assert code == 0, err
    assert "open" in out
