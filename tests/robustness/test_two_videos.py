"""One file of keypoints cannot be of two videos."""

from __future__ import annotations

import shutil

import pytest


@pytest.mark.parametrize("command", ["adapt", "label"])
def test_one_file_of_keypoints_for_two_videos(refused, clip, tmp_path, command):
    other = shutil.copy(clip / "walk.mp4", tmp_path / "b.mp4")
    given = [clip / "walk.mp4", other, "--keypoints", clip / "keypoints.npz", "--label", "walking", "--out", tmp_path / "out"]
    refused(command, *given, names="--keypoints")
    assert not (tmp_path / "out").exists()
