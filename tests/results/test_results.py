"""The files of a run: what is in them, that they come back, and that they are never half written."""

import json
import os
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
import yaml

from semtta import assets, metrics, results
from semtta.body import body_of
from semtta.errors import SemttaError
from semtta.io.arrays import read_npz
from semtta.io.files import plain, replacing, write_npz, write_text
from semtta.io.run_folder import clip_folder
from semtta.types import GroundTruth


@pytest.fixture
def result(make_result):
    confidence = torch.linspace(0, 1, 12 * 24).view(12, 24)
    return make_result(fixed_shape=False, metrics={"seconds": 1.5, "tensor": torch.tensor([1.0, 2.0])}, confidence=confidence)


def same(a, b):
    """Equal tensors (poses to rounding), equal everything else."""
    if isinstance(a, torch.Tensor):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
    elif hasattr(a, "__dataclass_fields__"):
        for field in fields(a):
            same(getattr(a, field.name), getattr(b, field.name))
    else:
        assert plain(a) == plain(b)


def test_everything_comes_back(result, tmp_path):
    place = result.save(tmp_path)
    assert place == tmp_path / "walk on the spot"
    loaded = results.load(place)
    same(result, loaded)
    same(loaded, results.load(tmp_path))  # the only clip
    assert isinstance(loaded.size, tuple)
    assert isinstance(loaded.labels, tuple)


def test_a_run_with_a_body_file_keeps_to_that_file(result, tmp_path):
    with np.load(assets.verify("open_body.npz")) as arrays:
        taller = {**arrays, "v_template": arrays["v_template"] * 1.1}
    np.savez(tmp_path / "taller.npz", **taller)
    config = {"settings": {"body": {"name": str(tmp_path / "taller.npz")}}}
    loaded = results.load(replace(result, config=config).save(tmp_path / "run"))
    ratio = body_of(loaded).v_template.norm() / body_of(result).v_template.norm()
    assert ratio.item() == pytest.approx(1.1)
    (tmp_path / "taller.npz").unlink()
    with pytest.raises(SemttaError, match=r"taller\.npz"):
        body_of(loaded)


def test_motion_file_has_the_keys_of_amass(result, tmp_path):
    place = result.save(tmp_path)
    with np.load(place / "motion.npz") as motion:
        assert motion["poses"].shape == (12, 72)
        assert motion["trans"].shape == (12, 3)
        assert motion["betas"].shape == (10,)
        assert motion["mocap_framerate"] == 30
        assert str(motion["gender"]) == "neutral"
        assert str(motion["body"]) == "open"
        assert motion["schema_version"] == results.SCHEMA_VERSION
        assert motion["camera_focal_px"] == 600
        assert motion["camera_center_px"].tolist() == [160, 120]
        assert motion["joints"].shape == (12, 24, 3)
        assert motion["frame_index"].dtype == np.int64
        np.testing.assert_allclose(motion["betas"], motion["betas_per_frame"].mean(0))


def test_text_files_are_readable_without_semtta(result, tmp_path):
    place = result.save(tmp_path)
    first, second = json.loads((place / "labels.json").read_text())
    assert (first["segment"], first["start"], first["stop"], first["label"]) == (0, 0, 6, "walking")
    assert {"description", "source", "clip_score", "reason"} <= set(first)
    assert second["label"] is None
    assert [json.loads(line)["epoch"] for line in (place / "history.jsonl").open()] == [1, 2, 3, 4, 5, 6]
    assert yaml.safe_load((place / "config.yaml").read_text())["preset"] == "paper"
    assert json.loads((place / "metrics.json").read_text()) == {"seconds": 1.5, "tensor": [1.0, 2.0]}


def test_metrics_are_measured_when_the_body_is_known(make_result, open_body, tmp_path):
    place = make_result().save(tmp_path, body=open_body)
    table = json.loads((place / "metrics.json").read_text())
    assert table["after"]["reprojection_px"] < table["before"]["reprojection_px"]


def test_not_a_number_becomes_null(result, tmp_path):
    place = replace(result, metrics={"error": float("nan")}).save(tmp_path)
    assert json.loads((place / "metrics.json").read_text()) == {"error": None}


def test_a_failure_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def half_a_file():
        with replacing(path) as temporary:
            temporary.write_text("ne")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        half_a_file()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_a_second_run_replaces_the_first(result, tmp_path):
    result.save(tmp_path)
    replace(result, fps=25.0).save(tmp_path)
    assert results.load(tmp_path).fps == 25.0
    assert sorted(os.listdir(tmp_path / "walk on the spot")) == sorted(
        ["motion.npz", "keypoints.npz", "labels.json", "metrics.json", "history.jsonl", "config.yaml"]
    )


@pytest.mark.parametrize("file", ["motion.npz", "keypoints.npz", "labels.json", "history.jsonl"])
def test_damaged_and_missing_files_are_named(result, tmp_path, file):
    place = result.save(tmp_path)
    whole = (place / file).read_bytes()
    (place / file).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SemttaError, match=rf"{file} is not .*damaged|{file} is not a whole file"):
        results.load(place)
    (place / file).unlink()
    with pytest.raises(SemttaError, match=f"{file}"):
        results.load(place)


def test_one_clear_line_for_no_result_and_for_several(result, tmp_path):
    with pytest.raises(SemttaError, match="No result in"):
        results.load(tmp_path)
    result.save(tmp_path)
    replace(result, name="b").save(tmp_path)
    with pytest.raises(SemttaError, match=r"several runs \(b, walk on the spot\)"):
        results.load(tmp_path)


def test_a_folder_that_cannot_be_written(result, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SemttaError, match=r"Cannot write to .*--out"):
        result.save(tmp_path / "file")


def test_a_newer_file_is_refused(result, tmp_path):
    place = result.save(tmp_path)
    motion = read_npz(place / "motion.npz")
    write_npz(place / "motion.npz", **{**motion, "schema_version": 99})
    with pytest.raises(SemttaError, match="schema version 99"):
        results.load(place)


def test_names_become_folders():
    assert clip_folder("out", "a b/ü:c").name == "a b_ü_c"
    assert clip_folder("out", "../..").name == "_"
    assert clip_folder("out", "..").name == "clip"


def test_a_folder_is_evaluated_by_what_it_loads(result, tmp_path):
    place = result.save(tmp_path)
    assert metrics.evaluate(results.load(place), GroundTruth(result.joints))["mpjpe"] == pytest.approx(0, abs=0.01)


def test_gender_and_times_come_back(make_result, tmp_path):
    times = torch.tensor([0.0, 0.1, 0.4], dtype=torch.float64)
    place = replace(make_result(frames=3), gender="female", times_s=times, fps=5.0).save(tmp_path)
    with np.load(place / "motion.npz") as motion:
        assert str(motion["gender"]) == "female"
        assert motion["time_s"].tolist() == [0.0, 0.1, 0.4]
    loaded = results.load(place)
    assert loaded.gender == "female"
    torch.testing.assert_close(loaded.times_s, times)
    even = results.load(make_result(frames=3).save(tmp_path / "even"))
    assert even.times_s is None
    assert even.times.tolist() == pytest.approx([0, 1 / 30, 2 / 30])
