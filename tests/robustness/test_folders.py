"""Folders of videos with companions that are damaged, of another kind, or named badly: a track is skipped, never the folder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from command_line import call

from semtta.datasets import open_dataset
from semtta.errors import SemttaError
from semtta.io.text import defused, restored
from semtta.runs.evaluate import reason_of

CASES = Path(__file__).parents[2].parent / "shared" / "cases"


@pytest.fixture(scope="module")
def data(clip, tmp_path_factory) -> Path:
    """``good.mp4`` and ``bad.mp4`` with keypoints; not to be changed."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("good", "bad"):
        shutil.copy(clip / "walk.mp4", folder / f"{name}.mp4")
        shutil.copy(clip / "keypoints.npz", folder / f"{name}_keypoints.npz")
    return folder


@pytest.fixture
def folder(data, tmp_path) -> Path:
    return Path(shutil.copytree(data, tmp_path / "data"))


COMPANIONS = {
    "bad_labels.json": [
        b"", b"{}", b"[]", b"[1, 2]", b"null", b"[" * 50_000, b"\xff\xfe[", b"\x80\x81", b'[{"start": 0}]',
        b'[{"start": 0, "stop": 99, "label": "walking"}]', b'[{"start": "a", "stop": "b", "label": "c"}]',
        b'[{"start": 0, "stop": 4, "label": "a"}, {"start": 2, "stop": 6, "label": "b"}]',
        b'[{"video": "another", "start": 0, "stop": 6, "label": "walking"}]', b'[{"start": 1e999, "stop": 6, "label": "a"}]',
        b'[{"start": -3, "stop": 6, "label": "a"}]', b'[{"start": 5, "stop": 5, "label": "a"}]',
    ],
    "bad_labels.txt": [b"\x80\x81\x82", b"march\xe9", b"\xff\xfe\x77", b"walking" * 1000, b"a\x00b", b"\x1b[31mred"],
    "bad_ground_truth.npz": [b"", b"PK\x03\x04", b"text", b"\x93NUMPY"],
}  # fmt: skip


@pytest.mark.parametrize(("name", "content"), [(name, content) for name, all_of in COMPANIONS.items() for content in all_of])
def test_a_bad_companion_skips_its_track(folder, name, content):
    (folder / name).write_bytes(content)
    dataset = open_dataset("folder", folder)
    assert dataset.tracks() == ["bad", "good"]
    assert dataset.check()
    assert dataset.load("good").num_frames == 6
    with pytest.raises(SemttaError) as caught:
        dataset.load("bad")
    assert name in str(caught.value)
    assert "\n" not in reason_of(caught.value)


def test_a_companion_that_is_a_folder_or_a_dead_link(folder):
    (folder / "bad_labels.txt").mkdir()
    with pytest.raises(SemttaError, match=r"bad_labels\.txt is not a label"):
        open_dataset("folder", folder).load("bad")
    (folder / "bad_labels.txt").rmdir()
    (folder / "bad_labels.txt").symlink_to(folder / "gone.txt")
    assert open_dataset("folder", folder).load("bad").labels[0].label == "walking"  # as without it: from the keypoints' file


ENCODINGS = {"utf-8": "wälking ", "utf-8-sig": "wälking", "utf-16": "wälking\r\n", "utf-16-be": "\ufeffwälking"}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_labels_in_the_encodings_of_editors_and_shells(folder, encoding):
    (folder / "good_labels.txt").write_bytes(ENCODINGS[encoding].encode(encoding))
    assert open_dataset("folder", folder).load("good").labels[0].label == "wälking"
    text = '[{"start": 0, "stop": 6, "label": "wälking"}]'
    text = "\ufeff" + text if encoding == "utf-16-be" else text
    (folder / "bad_labels.json").write_bytes(text.encode(encoding))
    assert open_dataset("folder", folder).load("bad").labels[0].label == "wälking"


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\xff\xfe", b" \r\n"])
def test_an_empty_label_is_none(folder, content):
    (folder / "good_labels.txt").write_bytes(content)
    assert open_dataset("folder", folder).load("good").labels == ()


@pytest.mark.parametrize("content", [[], ["notes.txt"], ["._walk.mp4", ".hidden/walk.mp4"], ["run/overlay.mp4"]])
def test_a_folder_without_videos(refused, tmp_path, tmp_path_factory, content):
    data = tmp_path_factory.mktemp("data")
    for name in content:
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).write_bytes(b"x")
    refused("adapt", "--dataset", "folder", "--root", data, "--out", tmp_path / "out", names="has no video")
    assert not (tmp_path / "out").exists()


def test_no_folder(refused, tmp_path):
    refused("adapt", "--dataset", "folder", "--root", tmp_path / "nowhere", "--out", tmp_path / "out", names="nowhere")
    (tmp_path / "file").write_text("x")
    refused("adapt", "--dataset", "folder", "--root", tmp_path / "file", "--out", tmp_path / "out", names="file")


def test_videos_of_one_name_are_two_tracks_or_refused(folder):
    shutil.copy(folder / "good.mp4", folder / "good.avi")
    assert open_dataset("folder", folder).tracks() == ["bad", "good_avi", "good_mp4"]
    (folder / "a").mkdir()
    shutil.copy(folder / "good.mp4", folder / "a" / "b.mp4")
    shutil.copy(folder / "good.mp4", folder / "a_b.mp4")
    with pytest.raises(SemttaError, match=r"would be called the same \(a.b\.mp4 and a.b\.mp4\): rename one"):
        open_dataset("folder", folder).tracks()


def test_a_video_whose_name_is_no_text_is_skipped(folder):
    os.rename(folder / "bad.mp4", os.fsencode(folder) + b"/bad\xff.mp4")
    dataset = open_dataset("folder", folder)
    bad, good = dataset.tracks()
    assert dataset.load(good).num_frames == 6
    with pytest.raises(SemttaError, match=r"bad\\xff\.mp4 is not UTF-8"):
        dataset.load(bad)


def test_something_called_a_video_is_skipped(folder):
    (folder / "nested.mp4").mkdir()
    (folder / "dead.mp4").symlink_to("gone.mp4")
    (folder / "text.mp4").write_text("x")
    dataset = open_dataset("folder", folder)
    assert dataset.tracks() == ["bad", "dead", "good", "nested", "text"]
    for track in ("dead", "nested", "text", "unknown"):
        with pytest.raises(SemttaError, match=track):
            dataset.load(track)


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not here")
@pytest.mark.parametrize("name", ["data", "data2"])
def test_case_label_encoding(name):
    assert open_dataset("folder", CASES / "27-folder-label-encoding" / name).load("walk").labels[0].label == "walking"


# --- cells of CSV files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["=1+1", "+cmd|' /C calc'!A0", "-walk", "@SUM(A1)", "\t=1", "\r=1", "=", "-1-1", "+", "-."])
def test_formulas_become_text_and_come_back(cell):
    assert defused(cell) == f"'{cell}"
    assert restored(defused(cell)) == cell


@pytest.mark.parametrize("cell", ["walking", "-1.5", "+3", "-2e-3", "'quoted'", "", "'", "a=b", "-.5", "1e5"])
def test_other_cells_stay(cell):
    assert defused(cell) == restored(cell) == cell


def test_doctor_reads_a_folder_with_bad_companions(monkeypatch, capsys, folder):
    bad = {"bad_labels.txt": b"\xff\xfe\x77", "bad_ground_truth.npz": b"PK\x03\x04", "good_labels.json": b"{"}
    for name, content in bad.items():
        (folder / name).write_bytes(content)
    np.savez(folder / "good_ground_truth.npz", label=np.array("walking"))
    code, out, err = call(monkeypatch, capsys, "doctor", "--dataset", "folder", "--root", folder)
    assert "Traceback" not in err
    assert code in (0, 1, 2)
    assert "videos" in out
