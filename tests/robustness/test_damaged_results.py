"""Folders of results that someone edited, cut short or mixed up."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from semtta import results
from semtta.errors import SemttaError

T = 6


@pytest.fixture(scope="module")
def saved(make_result, tmp_path_factory) -> Path:
    return make_result(frames=T).save(tmp_path_factory.mktemp("saved"))


@pytest.fixture
def run(saved, tmp_path_factory) -> Path:
    """A copy of a run's folder, to be damaged; outside the test's folder, in which ``refused`` looks for what is left."""
    return Path(shutil.copytree(saved, tmp_path_factory.mktemp("damaged") / "run"))


def change(path: Path, **changes) -> None:
    """Replace arrays of an npz; None leaves one out."""
    with np.load(path) as file:
        arrays = {key: file[key] for key in file.files}
    np.savez(path, **{key: array for key, array in {**arrays, **changes}.items() if array is not None})


NAN = np.full((T, 72), np.nan, np.float32)
MOTIONS = {
    **{f"without {key}": {key: None} for key in (
        "poses", "trans", "betas_per_frame", "joints", "unadapted_poses", "frame_index", "mocap_framerate", "image_size", "body",
        "name", "source", "camera_focal_px", "camera_center_px",
    )},
    "0 fps": {"mocap_framerate": 0.0},
    "negative fps": {"mocap_framerate": -30.0},
    "NaN fps": {"mocap_framerate": np.nan},
    "text fps": {"mocap_framerate": "thirty"},
    "fps of every frame": {"mocap_framerate": np.full(T, 30.0)},
    "no frames": {key: np.zeros((0, size)) for key, size in (("poses", 72), ("trans", 3), ("joints", 72))},
    "a frame less": {"trans": np.zeros((T - 1, 3))},
    "SMPL-H": {"poses": np.zeros((T, 156))},
    "flat poses": {"poses": np.zeros(T * 72)},
    "one number": {"poses": np.float32(0)},
    "NaN poses": {"poses": NAN},
    "infinite joints": {"joints": np.full((T, 24, 3), np.inf)},
    "complex poses": {"poses": NAN.astype(complex)},
    "text poses": {"poses": np.full((T, 72), "x")},
    "dates": {"trans": np.zeros((T, 3), "datetime64[s]")},
    "fractional frames": {"image_size": np.array([320.0, np.nan])},
    "no picture": {"image_size": np.array([0, 240])},
    "no lens": {"camera_focal_px": 0.0},
    "newer": {"schema_version": 99},
    "text version": {"schema_version": "two"},
    "times that fall": {"time_s": np.arange(T)[::-1] / 30.0},
    "times of others": {"time_s": np.arange(T + 1) / 30.0},
    "names": {"name": np.array(["a", "b"])},
    "bytes": {"body": np.frombuffer(b"open", np.uint8)},
    "objects": {"name": np.array({"a": 1}, dtype=object)},
}  # fmt: skip


@pytest.mark.parametrize("case", MOTIONS)
def test_motion(refused, run, case):
    change(run / "motion.npz", **MOTIONS[case])
    refused("export", run, "--to", "csv", names="motion.npz")
    assert not list(run.glob("*.csv"))


POINTS = {
    "without boxes": {"boxes": None},
    "without xy": {"after_xy": None},
    "of fewer frames": {"before_xy": np.zeros((T - 1, 29, 2)), "before_confidence": np.zeros((T - 1, 29))},
    "of other joints": {"before_joint_set": "body25"},
    "of an unknown set": {"after_joint_set": "hands99"},
    "in 3D": {"after_xy": np.zeros((T, 29, 3))},
    "without a joint": {"after_confidence": np.zeros((T, 28))},
}


@pytest.mark.parametrize("case", POINTS)
def test_keypoints(refused, run, case):
    change(run / "keypoints.npz", **POINTS[case])
    refused("export", run, "--to", "csv", names="keypoints.npz")


TEXTS = {
    "labels.json": ["{}", "null", "[1]", '[{"start": 0}]', '[{"start": 0, "stop": 1e999, "label": "x"}]', "[" * 100_000,
                    '[{"start": 0, "stop": 600, "label": "of another clip"}]', '[{"start": 4, "stop": 2}]', "not json", "\x00"],
    "history.jsonl": ["[1]", "{", '"text"', "1\n2", "{'epoch': 1}"],
    "metrics.json": ["[]", "", "{", "1", "nan of json"],
    "config.yaml": ["- a\n- b", "a: [", "!!python/object:os.system {}", "just text", "1: {2: 3}", "&a [*a]", "\x00", "a: \x07"],
}  # fmt: skip


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in TEXTS.items() for text in texts])
def test_texts(refused, run, name, text):
    (run / name).write_text(text)
    refused("export", run, "--to", "csv", names=name)


@pytest.mark.parametrize("name", ["motion.npz", "keypoints.npz", "labels.json", "metrics.json", "history.jsonl", "config.yaml"])
def test_files(refused, run, name):
    path = run / name
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2] if name.endswith("npz") else b"\xff\xfe\x00", b"\xff" * 50):
        path.write_bytes(content)
        refused("view", run, "--no-show", names=name)
    path.unlink()
    refused("view", run, "--no-show", names=name if name != "motion.npz" else "No result")
    assert not (run / "viewer.html").exists()


@pytest.mark.parametrize("seed", range(8))
def test_flipped_bytes(saved, run, seed):
    """What is read is what was written, or nothing is."""
    random = np.random.default_rng(seed)
    path = run / ("motion.npz" if seed % 2 else "keypoints.npz")
    data = np.frombuffer(path.read_bytes(), np.uint8).copy()
    data[random.integers(0, len(data), 3)] ^= random.integers(1, 256, 3, dtype=np.uint8)
    path.write_bytes(data.tobytes())
    try:
        read, refusal = results.load(run), path.name
    except SemttaError as error:
        read, refusal = results.load(saved), str(error)
    assert path.name in refusal
    assert "\n" not in refusal
    assert np.isfinite(read.joints.numpy()).all()


def test_a_folder_of_another_kind(refused, run, tmp_path):
    (tmp_path / "empty").mkdir()
    refused("view", tmp_path / "empty", "--no-show", names="No result")
    refused("view", tmp_path / "nowhere", "--no-show", names="No result")
    refused("view", run / "motion.npz", "--no-show", names="No result")
    for index in range(20):
        shutil.copytree(run, run.parent / "many" / f"clip-{index}")
    refused("export", run.parent / "many", "--to", "csv", names=("several runs", "15 more"))


def test_what_is_not_of_the_first_version_is_optional(run):
    """A folder of an earlier version has no times and no messages; one of a later may hold more."""
    change(run / "motion.npz", time_s=None, messages=None, gender=None, more=np.zeros(3))
    read = results.load(run)
    assert (read.times_s, read.messages, read.gender) == (None, (), "neutral")
    history = [json.dumps({"epoch": 1, "note": "one\u2028line"}, ensure_ascii=False), ""]
    (run / "history.jsonl").write_text("\n".join(history), encoding="utf-8")
    assert results.load(run).history[0]["note"] == "one\u2028line"
