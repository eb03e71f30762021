"""Folders of runs: damaged checkpoints, disks that are full or cannot be written, what killed and replaced runs leave."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import call
from short_clips import tiny_hmr, write_tiny_hmr

from semtta.errors import SemttaError
from semtta.estimators import HMR
from semtta.io.files import remove_leftovers, replacing, replacing_files, write_text
from semtta.pipeline.checkpoint import read_checkpoint, write_checkpoint
from semtta.results import load
from semtta.runs.adapt import adapt_files

LONGEST = 300


class Stopped(Exception):
    pass


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return write_tiny_hmr(tmp_path_factory.mktemp("weights") / "hmr.safetensors")


@pytest.fixture
def command(clip, weights) -> Callable[..., list[object]]:
    """``command(out, **settings)``: arguments of a run that takes a second."""

    def arguments(out: Path, *options: object, **changes: object) -> list[object]:
        chosen = {"estimator.weights": weights, "denoiser": "none", "prior": "none", "epochs": 2, "min_steps": 1, **changes}
        settings = [part for key, value in chosen.items() for part in ("--set", f"{key}={value}")]
        inputs = ["adapt", clip / "walk.mp4", "--keypoints", clip / "keypoints.npz", "--label", "walking"]
        return [*inputs, "--estimator", "hmr", "--device", "cpu", "--out", out, *options, *settings]

    return arguments


@pytest.fixture
def semtta(monkeypatch, capsys):
    """``semtta(*arguments)``: exit code, and the lines that are not of a progress bar."""

    def run(*arguments: object) -> tuple[int, list[str]]:
        code, _, err = call(monkeypatch, capsys, *arguments)
        assert "Traceback" not in err
        return code, [line for line in err.splitlines() if line.startswith("Error")]

    return run


def refusal(found: tuple[int, list[str]], *names: str) -> str:
    code, lines = found
    assert (code, len(lines)) == (2, 1), found
    message = lines[0].removeprefix("Error: ")
    assert len(message) <= LONGEST, message
    for name in names:
        assert name in message
    return message


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- checkpoints -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stopped(clip, weights, tmp_path_factory) -> bytes:
    """The checkpoint of a run after its first epoch of two."""
    out = tmp_path_factory.mktemp("stopped")

    def stop(what: str, done: int, total: int) -> None:
        if what == "adapting" and done == 2:
            raise Stopped

    settings = {"estimator": "hmr", "estimator.weights": str(weights), "denoiser": "none", "prior": "none", "device": "cpu",
                "epochs": 2, "min_steps": 1}  # fmt: skip
    with pytest.raises(Stopped):
        adapt_files([clip / "walk.mp4"], out, clip / "keypoints.npz", "walking", settings=settings, progress=stop)
    return (out / "walk" / "checkpoint.pt").read_bytes()


@pytest.fixture
def interrupted(stopped, tmp_path) -> Path:
    """``out`` with the interrupted run; returns its checkpoint."""
    folder = tmp_path / "out" / "walk"
    folder.mkdir(parents=True)
    (folder / "checkpoint.pt").write_bytes(stopped)
    return folder / "checkpoint.pt"


def changed(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Load a checkpoint, change its content in place (or replace it by what ``change`` returns), and save it."""
    content = torch.load(path, weights_only=True)
    other = change(content)
    torch.save(content if other is None else other, path)


def inside(*keys: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value(content[keys[-1]]) if callable(value) else value

    return change


def without(*keys: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        for key in keys[:-1]:
            content = content[key]
        del content[keys[-1]]

    return change


WEIGHT = ("state", "adapted", "fc2.bias")
STRUCTURES = {
    "a list": lambda content: [1, 2], "a number": lambda content: 3, "a tensor": lambda content: torch.zeros(3),
    "empty": lambda content: content.clear(), "no state": without("state"), "no identity": without("identity"),
    "no seal": without("seal"), "seal of another": inside("seal", value="0" * 64), "state of text": inside("state", value="x"),
    "identity of numbers": inside("identity", value=[1]), "no weights": without("state", "adapted"),
    "a weight fewer": without(*WEIGHT), "weights in a list": inside("state", "adapted", value=lambda found: [*found.values()]),
    "weight of text": inside(*WEIGHT, value="x"), "weight of one number": inside(*WEIGHT, value=torch.zeros(1)),
    "weight of another type": inside(*WEIGHT, value=lambda weight: weight.double()),
    "weight that is not finite": inside(*WEIGHT, value=lambda weight: weight * float("nan")),
    "another value": inside(*WEIGHT, value=lambda weight: weight + 1e-6),
    "no optimiser": inside("state", "optimiser", value={}), "moments gone": inside("state", "optimiser", "state", value={}),
    "a shorter clip": inside("state", "prediction", "betas", value=lambda betas: betas[:3]),
    "a longer clip": inside("state", "evidence", "points", value=lambda points: points.repeat(2, 1, 1)),
    "epoch of text": inside("state", "epoch", value="1"), "epoch beyond the last": inside("state", "epoch", value=99),
    "epoch below 0": inside("state", "epoch", value=-1), "no history": inside("state", "history", value=[]),
    "history of text": inside("state", "history", value=["x"]),
}  # fmt: skip
BYTES = {
    "empty file": b"", "text": b"not a checkpoint", "html": b"<!doctype html><title>404</title>",
    "zip": b"PK\x05\x06" + bytes(18), "pickle": b"cposix\nsystem\n(S'touch owned'\ntR.",
}  # fmt: skip


@pytest.mark.parametrize("damage", STRUCTURES)
def test_a_checkpoint_of_another_structure_value_or_length(semtta, command, interrupted, damage):
    changed(interrupted, STRUCTURES[damage])
    check_refused(semtta(*command(interrupted.parents[1], "--resume")), interrupted)


@pytest.mark.parametrize("damage", BYTES)
def test_what_is_no_checkpoint(semtta, command, interrupted, monkeypatch, tmp_path, damage):
    monkeypatch.chdir(tmp_path)
    interrupted.write_bytes(BYTES[damage])
    check_refused(semtta(*command(interrupted.parents[1], "--resume")), interrupted)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9, 0.999])
def test_a_checkpoint_that_is_cut_short(semtta, command, interrupted, share):
    whole = interrupted.read_bytes()
    interrupted.write_bytes(whole[: int(share * len(whole))])
    check_refused(semtta(*command(interrupted.parents[1], "--resume")), interrupted)


def check_refused(found: tuple[int, list[str]], checkpoint: Path) -> None:
    refusal(found, "checkpoint.pt is damaged or not a checkpoint of this version: start again with --overwrite")
    assert [path.name for path in checkpoint.parent.iterdir()] == ["checkpoint.pt"]


def test_the_checkpoint_itself_is_good(semtta, command, interrupted):
    """The tests above would pass if every checkpoint were refused."""
    assert semtta(*command(interrupted.parents[1], "--resume")) == (0, [])
    assert not interrupted.exists()


def test_a_folder_in_place_of_the_checkpoint(semtta, command, tmp_path):
    (tmp_path / "out" / "walk" / "checkpoint.pt").mkdir(parents=True)
    refusal(semtta(*command(tmp_path / "out", "--resume")), "checkpoint.pt is damaged")


@pytest.mark.parametrize("changes", [{"seed": 3}, {"epochs": 5}, {"learning_rate": 1e-2}])
def test_the_checkpoint_of_another_run(semtta, command, interrupted, changes):
    before = files(interrupted.parent)
    refusal(semtta(*command(interrupted.parents[1], "--resume", **changes)), "is of another run", "--overwrite")
    assert files(interrupted.parent) == before


@pytest.mark.parametrize("seed", range(60))
def test_flipped_bits_are_noticed_or_without_effect(stopped, tmp_path, seed):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(stopped)
    whole = torch.load(path, weights_only=True)
    identity = whole["identity"]
    content, generator = bytearray(stopped), np.random.default_rng(seed)
    content[generator.integers(len(content))] ^= 1 << int(generator.integers(8))
    path.write_bytes(content)
    with suppress(SemttaError):  # any other error fails; without one the bit is between the records of the archive
        write_checkpoint(path, read_checkpoint(path, identity), identity)
        assert torch.load(path, weights_only=True)["seal"] == whole["seal"]


def test_after_the_last_epoch_no_moments_are_kept(clip, weights, tmp_path, monkeypatch, stopped):
    """Nothing goes on from them, and they are two thirds of the file, just when the results need room."""
    monkeypatch.setattr("semtta.runs.together.save", lambda *a, **k: (_ for _ in ()).throw(Stopped))
    settings = {"estimator": "hmr", "estimator.weights": str(weights), "denoiser": "none", "prior": "none", "device": "cpu",
                "epochs": 2, "min_steps": 1}  # fmt: skip
    arguments = ([clip / "walk.mp4"], tmp_path, clip / "keypoints.npz", "walking")
    with pytest.raises(Stopped):
        adapt_files(*arguments, settings=settings)
    assert (tmp_path / "walk" / "checkpoint.pt").stat().st_size < 0.5 * len(stopped)
    monkeypatch.undo()
    ((_, result),) = adapt_files(*arguments, settings=settings, resume=True)
    ((_, whole),) = adapt_files(*arguments, settings=settings, overwrite=True)
    assert torch.equal(result.joints, whole.joints)


# --- disks -----------------------------------------------------------------------------------------------------------


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file may be larger than ``size`` bytes: the system refuses to write on, as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [0, 100, 5_000, 50_000, 150_000])
def test_no_room_for_a_checkpoint(semtta, command, tmp_path, size):
    out = tmp_path / "out"
    with room_for(size):
        found = semtta(*command(out))
    refusal(found, "Cannot write to", "checkpoint.pt", "MB are needed", "--out")
    assert not out.exists()


def test_no_room_for_a_later_checkpoint_and_then_there_is(semtta, command, interrupted):
    out = interrupted.parents[1]
    with room_for(10_000):
        refusal(semtta(*command(out, "--resume")), "checkpoint.pt", "the same command with --resume then goes on")
    assert [path.name for path in interrupted.parent.iterdir()] == ["checkpoint.pt"]
    assert semtta(*command(out, "--resume")) == (0, [])
    assert len(load(out).history) == 2


@pytest.mark.parametrize(
    ("size", "file"), [(100, "motion.npz"), (8_000, "motion.npz"), (25_000, "overlay.mp4"), (150_000, "report.html")]
)
def test_no_room_for_results_keeps_those_of_before(semtta, command, tmp_path, size, file):
    out = tmp_path / "out"
    assert semtta(*command(out, method="none")) == (0, [])
    assert semtta("export", out, "--to", "bvh") == (0, [])
    before = files(out)
    with room_for(size):
        refusal(semtta(*command(out, "--overwrite", method="none", seed=1)), f"walk/{file} (File too large", "MB are free")
    assert files(out) == before


@pytest.mark.parametrize("size", [0, 1_000, 100_000])
def test_no_room_for_the_viewer(semtta, command, tmp_path, size):
    out = tmp_path / "out"
    assert semtta(*command(out, method="none")) == (0, [])
    assert semtta("view", out, "--no-show") == (0, [])
    before = files(out)
    with room_for(size):
        refusal(semtta("view", out, "--no-show"), "viewer.html (File too large", "MB are needed")
    assert files(out) == before


@pytest.mark.parametrize("kind", ["hmr", "regressor-h36m"])
def test_no_room_for_an_import(semtta, monkeypatch, tmp_path, kind):
    monkeypatch.setenv("SEMTTA_HOME", str(tmp_path / "home"))
    source = tmp_path / ("network.pt" if kind == "hmr" else "J_regressor_h36m.npy")
    if kind == "hmr":
        torch.save({"model": tiny_hmr().state_dict()}, source)
        monkeypatch.setattr(HMR, "from_checkpoint", classmethod(lambda cls, path: tiny_hmr()))
    else:
        np.save(source, np.full((17, 6890), 1 / 6890))
    assert semtta("assets", "import", kind, source) == (0, [])
    before = files(tmp_path / "home")
    with room_for(20_000):
        found = semtta("assets", "import", kind, source)
    refusal(found, "Cannot write to", "MB are needed", "SEMTTA_HOME")
    assert files(tmp_path / "home") == before


@pytest.mark.parametrize("what", ["out", "out/walk", "out/walk/motion.npz"])
def test_something_is_in_the_way(semtta, command, tmp_path, what):
    place = tmp_path / what
    if place.suffix:
        place.mkdir(parents=True)
        (place / "precious").touch()
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("precious")
    before = files(tmp_path)
    found = semtta(*command(tmp_path / "out", "--overwrite", method="none"))
    refusal(found, "Cannot write to", "--out")
    assert files(tmp_path) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="an administrator may write everywhere")
def test_a_folder_that_is_read_only(semtta, command, tmp_path):
    out = tmp_path / "out"
    out.mkdir(mode=0o555)
    refusal(semtta(*command(out)), "Permission denied", "--out")
    assert list(out.iterdir()) == []


# --- what is left ----------------------------------------------------------------------------------------------------

LEFT = (".motion-1a2b3c4d.npz", ".checkpoint-00000000.pt", ".overlay-deadbeef.mp4", ".files-12345678")


def test_the_next_run_removes_what_killed_ones_left(semtta, command, tmp_path):
    folder = tmp_path / "out" / "walk"
    for name in LEFT:
        (folder / name).mkdir(parents=True) if "files" in name else write_text(folder / name, "half")
    (folder / ".files-12345678" / "motion.npz").touch()
    write_text(folder / ".notes", "mine")
    write_text(folder / "my-1a2b3c4d.txt", "mine")
    assert semtta(*command(tmp_path / "out", method="none")) == (0, [])
    left = {path.name for path in folder.iterdir()}
    assert not left & set(LEFT)
    assert {".notes", "my-1a2b3c4d.txt", "motion.npz"} <= left


def test_leftovers_of_one_file(tmp_path):
    for name in LEFT:
        (tmp_path / name).touch()
    remove_leftovers(tmp_path, of=tmp_path / "motion.npz")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(set(LEFT) - {".motion-1a2b3c4d.npz"})
    remove_leftovers(tmp_path / "nowhere")


def test_a_run_that_fails_leaves_no_folder_that_was_not_there(semtta, command, tmp_path):
    there = tmp_path / "there"
    there.mkdir()
    for out in (tmp_path / "new" / "deep", there):
        refusal(semtta(*command(out, trainable="nothing")), "loop.trainable=nothing")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert list(there.iterdir()) == []


def test_a_run_of_another_person_that_fails_leaves_nothing(command, clip, weights, tmp_path):
    with np.load(clip / "keypoints.npz") as data:
        arrays = {key: data[key] for key in data.files}
    two = np.stack((arrays["keypoints"], arrays["keypoints"] * [0.5, 0.5, 1.0]), 1)
    np.savez(tmp_path / "two.npz", **{**arrays, "keypoints": two})
    settings = {"estimator": "hmr", "estimator.weights": str(weights), "trainable": "nothing", "device": "cpu", "prior": "none"}
    with pytest.raises(SemttaError, match=r"loop\.trainable=nothing"):
        adapt_files([clip / "walk.mp4"], tmp_path / "out", tmp_path / "two.npz", "walking", person=1, settings=settings)
    assert [path.name for path in tmp_path.iterdir()] == ["two.npz"]


def test_overwriting_removes_what_was_made_of_the_earlier_run(semtta, command, tmp_path):
    out, folder = tmp_path / "out", tmp_path / "out" / "walk"
    assert semtta(*command(out, method="none")) == (0, [])
    for to in ("bvh", "csv", "npz"):
        assert semtta("export", out, "--to", to) == (0, [])
    assert semtta("view", out, "--no-show") == (0, [])
    made = {"walk.bvh", "walk.csv", "walk.npz", "viewer.html"}
    write_text(folder / "walk.txt", "mine")
    assert made <= {path.name for path in folder.iterdir()}
    assert semtta(*command(out, "--resume", method="none")) == (0, [])
    assert made <= {path.name for path in folder.iterdir()}  # kept as it was
    assert semtta(*command(out, "--overwrite", method="none", seed=1)) == (0, [])
    left = {path.name for path in folder.iterdir()}
    assert not made & left
    assert {"walk.txt", "motion.npz", "report.html"} <= left


# --- the writer ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device"), r"No space left on device: 5\.0 MB are needed, [\d.]+ MB are free"),
        (OSError(30, "Read-only file system"), r"\(Read-only file system\)"),
        (ValueError("I/O error (os error 28)"), r"No space left on device: 5\.0 MB"),
    ],
)
def test_the_writer_says_what_the_system_says(tmp_path, error, words):
    with pytest.raises(SemttaError, match=rf"^Cannot write to .*x\.txt .*{words}"), replacing(tmp_path / "x.txt", 5_000_000):
        raise error
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_reading_is_none_of_writing(tmp_path):
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "x.txt"):
        Path("/nowhere/video.mp4").read_bytes()
    with pytest.raises(KeyError), replacing(tmp_path / "x.txt"):
        raise KeyError("x")
    with pytest.raises(SemttaError, match=r"^mine$"), replacing(tmp_path / "x.txt"):
        raise SemttaError("mine") from OSError(28, "full")


def test_files_that_belong_together_come_together(tmp_path):
    write_text(tmp_path / "a", "old")
    with suppress(KeyError), replacing_files(tmp_path) as new:
        write_text(new / "a", "new")
        raise KeyError
    assert files(tmp_path) == {"a": b"old"}
    with replacing_files(tmp_path) as new:
        write_text(new / "a", "new")
        write_text(new / "b", "new")
    assert files(tmp_path) == {"a": b"new", "b": b"new"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
