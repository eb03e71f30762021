"""Exports: options that cannot be, places that must not be overwritten, and times that a format cannot hold."""

from __future__ import annotations

import csv
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from semtta.errors import SemttaError
from semtta.export import export, exporters, register
from semtta.results import save

#: Of twelve frames: 30 per second, then 10.
TIMES = torch.cat((torch.arange(7) / 30, 0.2 + torch.arange(1, 6) / 10)).double()


@pytest.fixture(scope="module")
def saved(make_result, tmp_path_factory) -> Path:
    """A run whose frames have times of their own."""
    return replace(make_result(frames=12), times_s=TIMES, fps=11 / 0.7).save(tmp_path_factory.mktemp("saved"))


WRONG = [
    (("--to", "fbx2"), "Did you mean 'fbx'"),
    (("--to", "BVH"), "bvh"),
    (("--to", "bvh:x"), "colon"),
    (("--to", ""), "exporter"),
    (("--to", "bvh", "--unit", "inch"), "cm"),
    (("--to", "bvh", "--unit", ""), "cm"),
    (("--to", "glb", "--unit", "cm"), "no option 'unit'"),
    (("--to", "npz", "--unit", "m"), "no option 'unit'"),
    (("--to", "usd", "--unit", "cm"), "no option 'unit'"),
    (("--to", "bvh", "--origin", "moon"), "origin"),
    (("--to", "csv", "--origin", "moon"), "origin"),
    (("--to", "npz", "--up", "x"), "up axis"),
    (("--to", "bvh", "--fps", "0"), "rate"),
    (("--to", "bvh", "--fps", "-25"), "--fps"),
    (("--to", "csv", "--fps", "nan"), "--fps"),
    (("--to", "glb", "--fps", "inf"), "--fps"),
    (("--to", "npz", "--fps", "1e9"), "--fps"),
    (("--to", "usd", "--up", "x"), "up axis"),
    (("--to", "glb", "--person", "7"), "no person 7"),
    (("--to", "glb", "--person", "-1"), "--person"),
    (("--to", "glb", "--person", "1e99"), "--person"),
]


@pytest.mark.parametrize(("options", "names"), WRONG)
def test_options(refused, saved, tmp_path, options, names):
    refused("export", saved, *options, "--file", tmp_path, names=names)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["walk.fbx", "walk", "walk.bvh.txt", "walk.bvh~", ".bvh", "new/folder/walk.BV"])
def test_another_ending_is_refused(refused, saved, tmp_path, name):
    refused("export", saved, "--to", "bvh", "--file", tmp_path / name, names=".bvh")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["/dev/null", "/dev/stdout", "/dev/full", "/proc/self/mem"])
def test_devices_are_not_replaced(refused, saved, place):
    if not os.path.exists(place):
        pytest.skip(f"there is no {place}")
    before = os.lstat(place)
    refused("export", saved, "--to", "csv", "--file", place, names=place)
    assert os.lstat(place).st_mode == before.st_mode


def test_pipes_folders_and_links_to_devices_are_not_replaced(refused, saved, tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "null.csv").symlink_to("/dev/null")
    for name in ("pipe.csv", "null.csv"):
        refused("export", saved, "--to", "csv", "--file", tmp_path / name, names="not a regular file")
    (tmp_path / "folder" / "walk on the spot.csv").mkdir(parents=True)
    refused("export", saved, "--to", "csv", "--file", tmp_path / "folder", names="not a regular file")
    (tmp_path / "file").write_text("in the way")
    refused("export", saved, "--to", "csv", "--file", tmp_path / "file" / "walk.csv", names="Cannot write")
    assert (tmp_path / "null.csv").is_symlink()


def test_an_export_never_replaces_the_run(refused, make_result, tmp_path_factory):
    """A clip that is called as a file of the run; and a z-up copy over the motion itself."""
    place = make_result(name="motion").save(tmp_path_factory.mktemp("named"))
    before = (place / "motion.npz").read_bytes()
    refused("export", place, "--to", "npz", "--up", "z", names="file of the run")
    refused("export", place, "--to", "npz", "--up", "z", "--file", place / "motion.npz", names="file of the run")
    assert (place / "motion.npz").read_bytes() == before


@pytest.mark.parametrize("to", ["bvh", "glb", "npz", "csv"])
def test_an_exporter_that_fails_leaves_the_old_file(saved, tmp_path, monkeypatch, to):
    path = tmp_path / f"walk.{to}"
    path.write_text("old")

    def fails(result, path):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    register("full")(fails)
    try:
        with pytest.raises(SemttaError, match=r"No space left"):
            export(saved, "full", tmp_path / "walk.full")
    finally:
        exporters._entries.pop("full")
    with pytest.raises(SemttaError, match="rate"):
        export(saved, to, path, fps=-1)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_people_need_a_folder_or_a_number(refused, make_result, tmp_path_factory, tmp_path):
    clip = tmp_path_factory.mktemp("people") / "walk"
    for number in (1, 2):
        save(make_result(frames=2), clip, name=f"person-{number}")
    refused("export", clip, "--to", "bvh", "--file", tmp_path / "walk.bvh", names=("2 people", "--person"))
    refused("export", clip, "--to", "glb", "--person", 3, "--file", tmp_path, names=("no person 3", "1, 2"))
    with pytest.raises(SemttaError, match="2 people"):
        export(clip, "csv", tmp_path)
    (clip / "person-2" / "motion.npz").write_bytes(b"damaged")
    refused("export", clip, "--to", "glb", "--file", tmp_path, names="motion.npz")
    assert not list(tmp_path.iterdir())


def test_in_place_is_a_flag(monkeypatch, capsys, saved, tmp_path):
    from command_line import call

    for name, options in (("walks", ()), ("stays", ("--in-place",))):
        path = tmp_path / f"{name}.csv"
        assert call(monkeypatch, capsys, "export", saved, "--to", "csv", "--up", "y", "--file", path, *options)[0] == 0
        with path.open() as file:
            places = np.array([[float(row["Pelvis_x"]), float(row["Pelvis_z"])] for row in csv.DictReader(file)])
        assert (np.ptp(places, 0).max() < 1e-6) == (name == "stays")


def test_too_large_a_file(saved, tmp_path, monkeypatch):
    from semtta.export import base

    monkeypatch.setattr(base, "MAX_BYTES", 1000)
    for to in ("bvh", "glb", "npz", "csv"):
        with pytest.raises(SemttaError, match=r"lower --fps"):
            export(saved, to, tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_blender(refused, saved, tmp_path, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "bpy" else find(name, *more))
    refused("export", saved, "--to", "fbx", "--file", tmp_path, names=("semtta[fbx]", "glb"))


def test_blender_that_fails_is_one_line(refused, saved, tmp_path, monkeypatch):
    """Whatever it prints, and however it ends; the scene itself is not looked at."""
    import importlib.util

    from semtta.export import blender, fbx

    program = tmp_path / "program.py"
    program.write_text(
        "import sys\nopen(sys.argv[2], 'w').write('half')\nprint('Traceback', file=sys.stderr)\nsys.exit('no room')"
    )
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: object())
    monkeypatch.setattr(blender, "__file__", str(program))
    monkeypatch.setattr(fbx, "write_scene", lambda scene, path, *more, **options: path.write_bytes(b""))
    refused("export", saved, "--to", "fbx", "--file", tmp_path / "walk.fbx", names=("Blender", "no room"))
    assert list(tmp_path.iterdir()) == [program]


# --- right values: the file's own times ------------------------------------------------------------------------------


def test_csv_has_the_files_own_times(saved, tmp_path):
    with export(saved, "csv", tmp_path).open() as file:
        assert [float(row["time_s"]) for row in csv.DictReader(file)] == pytest.approx(TIMES.tolist(), abs=1e-6)
    with export(saved, "csv", tmp_path, fps=20, unit="cm").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["time_s"]) for row in rows] == pytest.approx([i / 20 for i in range(15)])
    assert rows[4]["frame"] == "6"  # 0.2 s
    with np.load(saved / "motion.npz") as motion:
        assert float(rows[4]["Pelvis_x"]) == pytest.approx(100 * motion["joints"][6, 0, 0], abs=1e-2)
        np.testing.assert_allclose(motion["time_s"], TIMES)


def test_glb_has_the_files_own_times(saved, open_body, tmp_path):
    def times(path: Path) -> np.ndarray:
        import json
        import struct

        data = path.read_bytes()
        (length,) = struct.unpack_from("<I", data, 12)
        document, binary = json.loads(data[20 : 20 + length]), data[28 + length :]
        accessor = document["accessors"][document["animations"][0]["samplers"][0]["input"]]
        view = document["bufferViews"][accessor["bufferView"]]
        return np.frombuffer(binary, np.float32, accessor["count"], view["byteOffset"])

    np.testing.assert_allclose(times(export(saved, "glb", tmp_path, body=open_body)), TIMES, atol=1e-6)
    resampled = times(export(saved, "glb", tmp_path, body=open_body, fps=10))
    np.testing.assert_allclose(resampled, np.arange(8) / 10, atol=1e-6)


def test_formats_of_one_rate_are_resampled(saved, tmp_path):
    """Twelve frames in 0.7 s: 11 steps at 15.71 per second on average."""
    text = export(saved, "bvh", tmp_path, unit="m", origin="camera").read_text().splitlines()
    at = text.index("MOTION")
    assert text[at + 1] == "Frames: 12"
    assert float(text[at + 2].split()[-1]) == pytest.approx(0.7 / 11, abs=1e-7)
    with np.load(export(saved, "npz", tmp_path, fps=10)) as file, np.load(saved / "motion.npz") as motion:
        assert (len(file["poses"]), float(file["mocap_framerate"])) == (8, 10)
        np.testing.assert_allclose(file["time_s"], np.arange(8) / 10)
        walked, walk = (x - x[:1] for x in (file["trans"], motion["trans"]))
        np.testing.assert_allclose(walked[2], walk[6][[0, 2, 1]] * (1, 1, -1), atol=1e-5)  # z up
        np.testing.assert_allclose(walked[1], walk[3][[0, 2, 1]] * (1, 1, -1), atol=1e-5)


def test_case_of_a_unit_on_the_command_line(monkeypatch, capsys, saved, tmp_path):
    """Blender takes 1 unit for 1 m."""
    from command_line import call

    lengths = {}
    for unit in ("m", "cm"):
        path = tmp_path / f"{unit}.bvh"
        code, out, err = call(monkeypatch, capsys, "export", saved, "--to", "bvh", "--unit", unit, "--file", path)
        assert (code, err) == (0, "")
        assert path.name in out
        offsets = [line.split()[1:] for line in path.read_text().splitlines() if "OFFSET" in line]
        lengths[unit] = np.abs(np.array(offsets, float)).max()
    assert 0.1 < lengths["m"] < 1
    assert lengths["cm"] == pytest.approx(100 * lengths["m"], rel=1e-3)
