"""Overlay and report of several people of one clip."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_visualization import Page, frames_of
from two_people import TILT, in_world, two_people

from semtta.metrics.confidence import GUESS
from semtta.visualization import report, write_overlay, write_report
from semtta.visualization.clip import PEOPLE, clip_of, floor_transforms, upright
from semtta.visualization.views import guessed


@pytest.fixture(scope="module")
def people(make_result):
    return two_people(make_result)


def purple(image):
    """Pixels that have the second person's colour."""
    red, green, blue = (image[..., k].astype(int) for k in range(3))
    return (red - green > 25) & (blue - green > 60)


def test_overlay_shows_each_person_in_their_frames_and_colour(people, make_video, open_body, tmp_path):
    assert PEOPLE[1][2] > PEOPLE[1][0] > PEOPLE[1][1]  # what purple() looks for
    write_overlay(people, make_video(people[0]), open_body, tmp_path / "o.mp4")
    frames, _ = frames_of(tmp_path / "o.mp4")
    assert len(frames) == 12
    amounts = np.array([purple(frame).sum() for frame in frames])
    assert (amounts[4:10] > 1500).all()
    assert (np.delete(amounts, range(4, 10)) < 100).all()
    left = purple(frames[6][:150, 320:]).nonzero()[1].mean()
    x = float(people[1].joints[2, 0, 0] / people[1].joints[2, 0, 2]) * 600 + 160
    assert left == pytest.approx(x, abs=12)


def test_overlay_of_a_part_of_the_file(people, make_video, open_body, tmp_path):
    """The video begins at frame 5 of the file: the second person is there from its first frame to its fifth."""
    video = make_video(people[0])
    part = replace(video, frames=video.frames[5:], num_frames=7, frame_index=torch.arange(5, 12))
    write_overlay(people, part, open_body, tmp_path / "o.mp4")
    frames, _ = frames_of(tmp_path / "o.mp4")
    assert [bool(purple(frame).sum() > 1500) for frame in frames] == [True] * 5 + [False] * 2


def test_report_of_two_people(people, make_video, open_body, tmp_path):
    sure = [replace(people[0], confidence=torch.full((12, 24), 0.9)), replace(people[1], confidence=torch.full((6, 24), 0.1))]
    placed = in_world(sure, open_body)
    numbers = {"before": {"lean_deg": 20.0, "jitter": 3.0}, "after": {"lean_deg": 5.0, "jitter": 2.0, "brand_new_mm": 1.0}}
    placed[0] = replace(placed[0], metrics={**numbers, "before": {**numbers["before"], "brand_new_mm": 2.0}})
    write_report(placed, make_video(people[0]), open_body, tmp_path / "r.html")
    page = Page(tmp_path / "r.html")
    assert "2 people in 0.4 s" in page.text
    assert re.search(r"person 1: 100% of all joints and frames are a guess", page.text)
    assert re.search(r"person 0: 0% of all joints and frames are a guess", page.text)
    assert "nothing has placed them" not in page.text
    for words in ("Lean", "20.0", "brand new mm", "focal length 600 px"):
        assert words in page.text
    assert page.images == 2 * 4 * 7 - 4 + 3  # the second person has six frames


@pytest.mark.parametrize("limit", [10**7, 10])
def test_the_overlay_is_in_the_page_or_named_by_it(people, make_video, open_body, tmp_path, monkeypatch, limit):
    monkeypatch.setattr(report, "EMBEDDED", limit)
    (tmp_path / "overlay.mp4").write_bytes(b"a small video of somebody")
    write_report(people[1], make_video(people[1]), open_body, tmp_path / "r.html", overlay=tmp_path / "overlay.mp4")
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert ('src="data:video/mp4;base64,' in text) == (limit > 100)
    assert ('href="overlay.mp4"' in text) == (limit < 100)


def test_what_was_guessed_is_counted(people):
    confidence = torch.full((12, 24), GUESS + 0.1)
    confidence[:6, [16, 18, 20, 22]] = GUESS - 0.1  # the left arm, half the time
    found = guessed(replace(people[0], confidence=confidence))
    assert found.limbs["left arm"] == pytest.approx(0.5)
    assert found.limbs["right arm"] == 0
    assert found.overall == pytest.approx(0.5 * 4 / 24)
    assert found.filled == pytest.approx(0.5)  # frames 6 to 11, see the made-up result
    assert guessed(people[0]).overall is None


def test_the_world_gives_the_floor_and_the_upright(people, open_body):
    placed = in_world(people, open_body)
    turn, shift = floor_transforms(clip_of(placed))[1]
    joints = (turn[:, None] @ people[1].joints.double()[..., None])[..., 0] + shift[:, None]
    torch.testing.assert_close(joints.float(), placed[1].world.joints, atol=1e-4, rtol=1e-4)
    stood = upright(placed[0])[0].double() @ turn[0].mT  # from the world to the upright camera frame: z becomes -y
    torch.testing.assert_close(stood[:, 2].float(), torch.tensor([0.0, -1, 0]), atol=1e-5, rtol=0)
    angle = torch.acos((upright(placed[0])[0].trace() - 1) / 2)
    assert float(angle) == pytest.approx(TILT, abs=1e-3)  # and no further than it must
    assert torch.equal(upright(people[0])[0], torch.eye(3))
