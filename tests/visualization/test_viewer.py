"""The viewer's page: everybody's motion in one world, the camera and its pictures; and what it does in a browser."""

import base64
import json
import math
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import torch
from two_people import in_world, two_people

from semtta.errors import SemttaError
from semtta.geometry import axis_angle_to_matrix
from semtta.geometry.kinematics import global_rotations
from semtta.visualization import stage, write_viewer
from semtta.visualization.clip import clip_of

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def data_of(path):
    """The page's data, with its arrays."""
    text = path.read_text(encoding="utf-8")
    assert "http:" not in text
    assert "https:" not in text
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])
    for person in data["people"]:
        person["at"] = decoded(person["at"], np.int32)
        for moves in person["motions"].values():
            angles = decoded(moves["rotations"], np.int16).reshape(-1, 24, 3) * (math.pi / 32767)
            moves["rotations"] = axis_angle_to_matrix(torch.from_numpy(angles))
            moves["pelvis"] = decoded(moves["pelvis"], np.float32).reshape(-1, 3)
    return data


def decoded(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


def joints_of(person, when):
    """Joints [T, 24, 3] as the page's script makes them."""
    moves, rest = person["motions"][when], torch.tensor(person["rest"])
    turns, out = global_rotations(moves["rotations"]), torch.empty(len(moves["pelvis"]), 24, 3, dtype=torch.float64)
    parents = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21]
    for joint, parent in enumerate(parents):
        bone = turns[:, parent] @ (rest[joint] - rest[parent]).double()
        out[:, joint] = torch.from_numpy(moves["pelvis"].copy()) if parent < 0 else out[:, parent] + bone
    return out.numpy()


def test_one_person_without_a_world_stands_on_the_floor(make_result, make_video, open_body, tmp_path):
    result = make_result()
    hostile = replace(result, labels=(replace(result.labels[0], label="</script>"),))
    data = data_of(write_viewer(hostile, tmp_path / "viewer.html", open_body, make_video(result)))
    (person,) = data["people"]
    assert person["labels"] == [[0, 6, "</script>"]]
    assert person["at"].tolist() == list(range(12))
    assert person["confidence"] is None
    assert person["contacts"] is None
    joints = joints_of(person, "after")
    expected = result.joints.numpy()[..., [0, 2, 1]] * (1, 1, -1)  # x, y of the floor, z up
    np.testing.assert_allclose(joints - joints[:1, :1], expected - expected[:1, :1], atol=1e-3)
    assert joints[..., 2].min() == pytest.approx(0, abs=1e-3)
    assert np.abs(joints_of(person, "before") - joints).max() > 0.05
    assert len(data["pictures"]) == 12


def test_people_of_a_clip_are_in_one_world_and_gone_where_they_are_not(make_result, open_body, tmp_path):
    people = two_people(make_result)
    shown = replace(people[0], confidence=torch.linspace(0, 1, 24).expand(12, 24))
    data = data_of(write_viewer([shown, people[1]], tmp_path / "viewer.html", open_body))
    first, second = data["people"]
    assert first["at"].tolist() == list(range(12))
    assert second["at"].tolist() == [-1] * 4 + list(range(6)) + [-1] * 2
    assert second["labels"] == [[4, 7, "walking"], [7, 10, None]]
    assert [p["name"] for p in data["people"]] == ["person 0", "person 1"]
    assert decoded(first["confidence"], np.uint8).reshape(12, 24)[3, [0, 23]].tolist() == [0, 255]
    apart = joints_of(second, "after")[0, 0] - joints_of(first, "after")[0, 0]  # they begin in the same way
    np.testing.assert_allclose(apart, (-0.9, 0.8, 0), atol=1e-3)
    assert data["pictures"] == []  # the file that is named is not there


def test_the_world_of_the_refiners_is_shown(make_result, open_body, tmp_path):
    people = in_world(two_people(make_result), open_body)
    data = data_of(write_viewer(people, tmp_path / "viewer.html", open_body))
    for person, result in zip(data["people"], people, strict=True):
        np.testing.assert_allclose(joints_of(person, "after"), result.world.joints.numpy(), atol=1e-3)
        assert decoded(person["contacts"], np.uint8).reshape(-1, 4)[0].tolist() == [255, 255, 0, 0]
    rotation = decoded(data["camera"]["rotation"], np.float32).reshape(-1, 3, 3)
    position = decoded(data["camera"]["position"], np.float32)
    path = people[0].world.camera
    np.testing.assert_allclose(rotation, path.rotation[:1], atol=1e-5)  # it stands still: one is enough
    np.testing.assert_allclose(position, -path.rotation[0].T @ path.translation[0], atol=1e-5)


def test_long_clips_are_subsampled(make_result, open_body, tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "MAX_POSES", 7)
    data = data_of(write_viewer(two_people(make_result), tmp_path / "viewer.html", open_body))
    assert decoded(data["numbers"], np.int32).tolist() == [0, 3, 6, 9]  # 18 poses
    assert data["people"][1]["at"].tolist() == [-1, -1, 0, 1]
    assert data["fps"] == 10


def test_a_gap_that_nobody_is_in_and_times_of_its_own(make_result):
    first = replace(make_result(frames=3), times_s=torch.tensor([0.0, 0.1, 0.15], dtype=torch.float64))
    second = replace(make_result(frames=2), frame_index=torch.tensor([6, 7]), person=1)
    clip = clip_of([first, second])
    assert clip.frames.tolist() == list(range(8))
    assert clip.rows.tolist() == [[0, 1, 2, -1, -1, -1, -1, -1], [-1] * 6 + [0, 1]]
    np.testing.assert_allclose(clip.times[[0, 1, 2]], [0, 0.1, 0.15])
    assert (np.diff(clip.times) > 0).all()
    assert clip.times[7] - clip.times[6] == pytest.approx(1 / 30)


def test_frames_that_no_file_has_are_refused_or_left_out(make_result, open_body, tmp_path):
    result = make_result(frames=4)
    far = replace(result, frame_index=torch.tensor([0, 1, 2, 10**15]), source=__file__)
    assert clip_of(far).frames.tolist() == [0, 1, 2, 10**15]
    assert data_of(write_viewer(far, tmp_path / "viewer.html", open_body))["pictures"] == []  # this file is no video
    assert clip_of(replace(result, frame_index=torch.zeros(4, dtype=torch.int64))).rows.tolist() == [[0, 1, 2, 3]]
    with pytest.raises(SemttaError, match="person 0 do not rise"):
        clip_of([result, replace(result, frame_index=torch.tensor([4, 3, 2, 1]))])


def test_nobody_is_said_in_one_line(open_body, tmp_path):
    with pytest.raises(SemttaError, match="nobody to show"):
        write_viewer([], tmp_path / "viewer.html", open_body)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_a_browser_runs_the_page_of_two_people(make_result, make_video, open_body, tmp_path):
    """The page runs, goes to the frame that its address names, and says who is there doing what."""
    people = in_world(two_people(make_result), open_body)
    path = write_viewer(people, tmp_path / "viewer.html", open_body, make_video(people[0]))
    options = ["--headless", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--window-size=640,480"]
    command = [CHROMIUM, *options, f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=500", "--dump-dom"]
    shown = subprocess.run([*command, f"{path.as_uri()}#t=0.2"], capture_output=True, text=True, timeout=120).stdout
    assert '<span id="time">0.20 s, frame 6</span>' in shown
    listed = re.search(r'<ul id="people">(.*?)</ul>', shown, re.DOTALL)[1]
    assert re.findall(r"person (\d).*?<span>(.*?)</span>", listed, re.DOTALL) == [("0", "no label"), ("1", "walking")]
