"""Cameras that cannot be, and files that are none of this video: one line each, and nothing is run."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from camera_files import SIZE, T, a_path, colmap, tum, written
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import cameras, toml
from refusals import answered, refusal
from short_clips import write_clip

from semtta.data.camera_files import read_camera_file
from semtta.data.cameras import known_camera
from semtta.types import Camera

NOWHERE = Path("cam01.mp4")


def known(focal_px=None, fov_deg=None, camera=None, path=NOWHERE, size=SIZE, frames=T):
    return known_camera(path, size, frames, focal_px, fov_deg, camera)


def read(path, size=SIZE, frames=T, name="cam01"):
    return read_camera_file(path, name, size, frames)


@pytest.mark.parametrize("focal", [0.0, -500.0, math.nan, math.inf, 1e-3, 1e9])
def test_focal_lengths_that_cannot_be(focal):
    assert "320 px wide" in refusal(lambda: known(focal_px=focal), names="focal length")


@pytest.mark.parametrize("angle", [0.0, -60.0, 180.0, 400.0, math.nan, math.inf])
def test_fields_of_view_that_cannot_be(angle):
    refusal(lambda: known(fov_deg=angle), names="field of view")


def test_a_camera_that_is_given_twice(tmp_path):
    refusal(lambda: known(focal_px=300, fov_deg=60), names="--fov")
    own = written(tmp_path / "camera.json", focal_px=300)
    refusal(lambda: known(focal_px=300, camera=own), names="of its own")


def test_a_camera_object_is_looked_at_too():
    refusal(lambda: known(camera=Camera(math.nan, (160.0, 120.0))))
    refusal(lambda: known(camera=Camera(300.0, (1e5, 120.0))), names="principal point")


def test_a_calibration_without_the_videos_camera(tmp_path):
    (tmp_path / "Calib.toml").write_text(toml(cameras()))
    refusal(lambda: read(tmp_path / "Calib.toml", name="walk"), names="cam03")


def wrong_files(folder: Path) -> dict[str, Path]:
    """Files that are no camera of this video, by what the message must say."""
    rotation, translation = a_path()
    mirrored, skew = rotation * [1, 1, -1], rotation + 0.1
    texts = {
        "eight": ("words.txt", "not a camera\n"), "quaternion": ("zero.tum", "0 0 0 0 0 0 0 0\n" * T),
        "JSON": ("broken.json", '{"focal_px": '), "valid": ("list.json", "[1, 2]"),
        "focal_px": ("text.json", '{"focal_px": "300"}'),
        "holds no camera": ("empty.json", "{}"), "finite": ("nan.json", '{"focal_px": NaN}'), "TOML": ("bad.toml", "= 3"),
    }  # fmt: skip
    files = {}
    for names, (name, text) in texts.items():
        (folder / name).write_text(text)
        files[names] = folder / name
    return files | {
        "no rotation matrix": written(folder / "mirrored.json", rotation=mirrored, translation=translation),
        "rotation 0": written(folder / "skew.npz", rotation=skew, translation=translation),
        "only one of": written(folder / "half.json", focal_px=300, rotation=rotation),
        "has 5 rotations": written(folder / "short.npz", rotation=rotation[:5], translation=translation[:5]),
        "another shape": written(folder / "shape.json", focal_px=300, size=[480, 640]),
        "both focal_px and fov_deg": written(folder / "both.json", focal_px=300, fov_deg=60),
        "6 frames": tum(folder / "long.tum", T + 1),
        "There is no camera file": folder / "missing.json",
        "no camera that is known": write_clip(folder, 1),
        "images.txt": folder,
    }


def test_files_of_something_else(tmp_path):
    (tmp_path / "files").mkdir()
    for names, path in wrong_files(tmp_path / "files").items():
        assert str(path)[-8:] in refusal(lambda path=path: read(path), names=names), names


def test_colmaps_of_something_else(tmp_path):
    refusal(lambda: read(colmap(tmp_path / "fisheye", model="OPENCV_FISHEYE 640 480 600 600 320 240 0 0 0 0")), names="undistort")
    refusal(lambda: read(colmap(tmp_path / "portrait", model="SIMPLE_PINHOLE 480 640 600 240 320")), names="another shape")
    refusal(lambda: read(colmap(tmp_path / "other", first=9)), names="not frames of this video")
    refusal(lambda: read(colmap(tmp_path / "zero", model="SIMPLE_PINHOLE 640 480 0 320 240")), names="above 0")
    empty = colmap(tmp_path / "empty")
    (empty / "images.txt").write_text("# nothing\n")
    refusal(lambda: read(empty), names="no picture")
    (tmp_path / "binary").mkdir()
    (tmp_path / "binary" / "images.bin").write_bytes(b"\0")
    refusal(lambda: read(tmp_path / "binary"), names="model_converter")


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["camera.json", "cam.npz", "path.txt", "take.qca.txt", "Calib.toml"]), st.binary(max_size=200))
def test_any_content_is_read_or_refused(tmp_path_factory, name, content):
    path = tmp_path_factory.mktemp("fuzz") / name
    path.write_bytes(content)
    answered(lambda: read(path))


@pytest.mark.parametrize("arguments", [
    ("--focal", "0"), ("--focal", "-900"), ("--focal", "nan"), ("--focal", "inf"), ("--focal", "wide"),
    ("--fov", "0"), ("--fov", "180"), ("--fov", "nan"), ("--fov", "-60"), ("--focal", "900", "--fov", "60"),
    ("--camera", "nowhere.json"),
])  # fmt: skip
def test_the_command_refuses_them(refused, clip, tmp_path, arguments):
    names = {"nowhere.json": "nowhere.json"}.get(arguments[1], arguments[0])
    refused("adapt", clip / "walk.mp4", "--keypoints", clip / "keypoints.npz", *arguments, "--out", tmp_path / "out", names=names)


def test_the_command_refuses_a_camera_of_another_video_and_of_a_dataset(refused, clip, tmp_path):
    rotation, translation = a_path(5)
    path = written(tmp_path / "path.npz", focal_px=600, rotation=rotation, translation=translation)
    common = ("--keypoints", clip / "keypoints.npz", "--out", tmp_path / "out")
    refused("adapt", clip / "walk.mp4", *common, "--camera", path, names=("path.npz", "6 frames"))
    refused("adapt", "--dataset", "synthwild", "--focal", "900", "--out", tmp_path / "out", names="dataset")
