"""The camera of a video: numbers, files of each kind, and what a phone writes."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from camera_files import SIZE, T, a_path, colmap, tum, written
from hypothesis import given
from hypothesis import strategies as st
from recordings import cameras, qualisys, toml
from short_clips import write_clip

from semtta.data import load_video
from semtta.data.camera_files import read_camera_file
from semtta.data.cameras import focal_of_fov, known_camera, lens_mm
from semtta.results import load
from semtta.types import Camera, CameraPath

NOWHERE = Path("cam01.mp4")


def known(focal_px=None, fov_deg=None, camera=None, path=NOWHERE, size=SIZE, frames=T):
    return known_camera(path, size, frames, focal_px, fov_deg, camera)


def read(path, size=SIZE, frames=T, name="cam01"):
    return read_camera_file(path, name, size, frames)


# -- numbers ---------------------------------------------------------------------------------------------------------------


def test_a_focal_length_and_a_field_of_view():
    assert known(focal_px=300.0).camera == Camera(300.0, (160.0, 120.0), "given: focal length in pixels")
    found = known(fov_deg=90.0).camera  # the edges are as far from the middle as the picture plane: 160 px
    assert found.focal_px == pytest.approx(160)
    assert "90" in found.source


def test_nothing_is_known_of_a_video_that_says_nothing(tmp_path):
    assert known(path=write_clip(tmp_path, 2)).camera is None


@given(st.floats(1, 170), st.integers(2, 10_000))
def test_a_field_of_view_and_back(angle, width):
    assert 2 * math.degrees(math.atan(width / 2 / focal_of_fov(angle, width))) == pytest.approx(angle)


# -- what a phone writes ---------------------------------------------------------------------------------------------------


def tagged(path: Path, **tags: str) -> Path:
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as target:
        target.metadata.update(tags)
        stream = target.add_stream("h264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for value in (0, 200):
            target.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), value, np.uint8), format="rgb24")))
        target.mux(stream.encode())
    return path


KEY = "com.apple.quicktime.camera.focal_length.35mm_equivalent"


def test_the_lens_in_the_metadata(tmp_path):
    """43.27 mm is the diagonal of the film: a lens as long has a focal length of the picture's diagonal, 80 px here."""
    video = load_video(tagged(tmp_path / "phone.mov", **{KEY: "43.2666"}))
    assert video.camera.focal_px == pytest.approx(80, rel=1e-4)
    assert "43.2666 mm" in video.camera.source
    assert load_video(tmp_path / "phone.mov", focal_px=70).camera.focal_px == 70


@pytest.mark.parametrize(("key", "value", "lens"), [
    (KEY, "26", 26), ("FocalLengthIn35mmFilm", "24.0 mm", 24), ("exif:FocalLengthIn35mmFormat", "52/2", 26),
    (KEY, "0", None), (KEY, "wide", None), (KEY, "nan", None), (KEY, "5/0", None), (KEY, "99999", None), ("title", "26", None),
])  # fmt: skip
def test_what_counts_as_a_lens(tmp_path, key, value, lens):
    assert lens_mm(tagged(tmp_path / "phone.mov", **{key: value})) == lens


# -- files -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_a_camera_file(tmp_path, suffix):
    found = read(written(tmp_path / f"camera{suffix}", focal_px=600.0, center_px=[310.0, 250.0], size=[640, 480]))
    assert (found.camera.focal_px, found.camera.center_px) == (300.0, (155.0, 125.0))  # pictures twice as large
    assert found.path is None
    wide = read(written(tmp_path / f"fov{suffix}", fov_deg=90.0))
    assert (wide.camera.focal_px, wide.camera.center_px) == (pytest.approx(160), (160.0, 120.0))


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_a_path_in_a_file(tmp_path, suffix):
    rotation, translation = a_path()
    found = read(written(tmp_path / f"camera{suffix}", focal_px=300.0, rotation=rotation, translation=translation))
    np.testing.assert_allclose(found.path.rotation, rotation, atol=1e-6)
    np.testing.assert_allclose(found.path.translation, translation, atol=1e-6)


def test_a_motion_file_of_another_run(make_result, tmp_path):
    rotation, translation = (torch.from_numpy(part).float() for part in a_path())
    result = make_result(frames=T, camera_path=CameraPath(rotation, translation))
    folder = replace(result, config={}).save(tmp_path)
    found = read(folder / "motion.npz")
    assert found.camera.focal_px == pytest.approx(result.camera.focal_px)
    torch.testing.assert_close(found.path.translation, translation)
    torch.testing.assert_close(load(folder).camera_path.rotation, rotation)


def test_a_trajectory_from_camera_to_world(tmp_path):
    found = read(tum(tmp_path / "dpvo.txt"))
    rotation, translation = a_path()
    assert found.camera is None
    assert not found.path.metric
    np.testing.assert_allclose(found.path.rotation, rotation, atol=1e-6)
    np.testing.assert_allclose(found.path.translation, translation, atol=1e-6)


def test_colmap(tmp_path):
    found = read(colmap(tmp_path / "model"))
    rotation, translation = a_path()
    assert (found.camera.focal_px, found.camera.center_px) == (302.5, (155.0, 125.0))
    np.testing.assert_allclose(found.path.rotation, rotation, atol=1e-6)
    np.testing.assert_allclose(found.path.translation, translation, atol=1e-6)
    assert not found.path.metric
    assert read(colmap(tmp_path / "from zero", first=0)).path.rotation.shape == (T, 3, 3)


def test_frames_that_colmap_did_not_register_lie_between(tmp_path):
    found = read(colmap(tmp_path / "model", frames=(0, 1, 3, 4, 5)))
    rotation, translation = a_path()
    place = -(rotation.swapaxes(-1, -2) @ translation[..., None])[..., 0]
    mine = -(found.path.rotation.mT.double() @ found.path.translation.double()[..., None])[..., 0]
    np.testing.assert_allclose(mine[2], (place[1] + place[3]) / 2, atol=1e-5)
    np.testing.assert_allclose(found.path.rotation[2], rotation[2], atol=5e-3)
    assert "1 of 6 frames" in " ".join(found.messages)


@pytest.mark.parametrize(("name", "text"), [("Calib.toml", toml), ("take.qca.txt", qualisys)])
def test_a_calibration_has_the_camera_of_the_videos_name(tmp_path, name, text):
    made = cameras()
    (tmp_path / name).write_text(text(made))
    found = read(tmp_path / name, name="walk_CAM02")
    assert found.camera.center_px == pytest.approx((159.0, 120.0))
    assert "cam02" in found.camera.source
    assert "distortion" in found.messages[0]
    (tmp_path / name).write_text(text(made[:1]))
    assert read(tmp_path / name, name="walk").camera.focal_px == pytest.approx(261)


def test_a_path_without_a_focal_length_takes_one_beside_it(tmp_path):
    rotation, translation = a_path()
    both = known(focal_px=300, camera=written(tmp_path / "path.json", rotation=rotation, translation=translation))
    assert both.camera.focal_px == 300
    assert len(both.path.rotation) == T


def test_a_camera_object_is_taken():
    assert known(camera=Camera(300.0, (150.0, 110.0))).camera.center_px == (150.0, 110.0)
