from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from semtta.data import ArrayFrames
from semtta.labelers.frames import encode, sample_span_frames, should_mark, spread_frames
from semtta.labelers.settings import VLMSettings
from semtta.types import Keypoints2D, Video


def video(frames: int = 12, size: tuple[int, int] = (400, 300)) -> Video:
    """Red left half; frame number as the green channel."""
    pictures = np.zeros((frames, size[1], size[0], 3), np.uint8)
    pictures[:, :, : size[0] // 2, 0] = 200
    pictures[..., 1] = (np.arange(frames) * 10)[:, None, None]
    boxes = torch.tensor([200.0, 150.0, 100.0]).repeat(frames, 1)
    return Video("v", ArrayFrames(pictures), frames, 30.0, size, boxes=boxes)


def test_frames_are_the_middles_of_equal_parts():
    assert spread_frames(0, 60, 3) == [10, 30, 50]
    assert spread_frames(60, 120, 4) == [67, 82, 97, 112]
    assert spread_frames(5, 8, 8) == [5, 6, 7]
    assert spread_frames(7, 8, 8) == [7]


def test_shots_are_cut_around_the_person_and_reduced():
    settings = VLMSettings(frames=2, size_px=60, margin=1.2)
    first, second = sample_span_frames(video(), [(0, 6), (6, 12)], settings)
    assert first.numbers == (1, 4)
    assert second.numbers == (7, 10)
    assert [image[0, 0, 1] for image in (*first.images, *second.images)] == [10, 40, 70, 100]
    assert all(image.shape == (60, 60, 3) for image in first.images)  # 120 px around (200, 150), halved
    np.testing.assert_allclose(first.people[0], (5, 5, 55, 55))
    assert first.images[0][30, 10, 0] > 150
    assert first.images[0][30, 50, 0] < 50
    assert first.seconds == pytest.approx(0.2)


def test_one_region_holds_all_boxes_of_a_span():
    moving = video()
    moving.boxes[:, 0] = torch.linspace(100, 300, 12)
    (frames,) = sample_span_frames(moving, [(0, 12)], VLMSettings(frames=3, size_px=2000, margin=1.0))
    assert frames.images[0].shape[:2] == (100, 300)
    assert frames.people[0][0] < frames.people[1][0] < frames.people[2][0]


def test_without_boxes_the_reduced_picture_is_shown_and_small_ones_are_not_enlarged():
    whole = replace(video(), boxes=None)
    (frames,) = sample_span_frames(whole, [(0, 12)], VLMSettings(frames=1, size_px=100))
    assert frames.images[0].shape == (75, 100, 3)
    assert frames.people == (None,)
    (frames,) = sample_span_frames(whole, [(0, 12)], VLMSettings(frames=1, size_px=1000))
    assert frames.images[0].shape == (300, 400, 3)


def test_a_box_outside_the_picture_shows_the_whole():
    away = video()
    away.boxes[:, 0] = -1000
    (frames,) = sample_span_frames(away, [(0, 12)], VLMSettings(frames=1))
    assert frames.images[0].shape == (300, 400, 3)


def test_the_person_is_marked_around_the_joints():
    points = torch.tensor([[180.0, 120.0], [220.0, 180.0], [0.0, 0.0]]).expand(12, 3, 2)
    seen = torch.tensor([0.9, 0.9, 0.0]).expand(12, 3)
    marked = replace(video(), keypoints=Keypoints2D(points, seen, "smpl24"))
    settings = VLMSettings(frames=1, size_px=1000, margin=1.0)
    (frames,) = sample_span_frames(marked, [(0, 12)], settings)
    np.testing.assert_allclose(frames.people[0], (24, 14, 76, 86))  # 60 high: a margin of 6; the crop starts at (150, 100)
    plain, drawn = (np.asarray(Image.open(io.BytesIO(encode(frames, settings, mark)[0]))).astype(int) for mark in (False, True))
    changed = np.abs(plain - drawn).max(-1) > 35
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    assert (abs(rows[0] - 14), abs(rows[-1] - 86)) < (3, 3)
    assert (abs(columns[0] - 24), abs(columns[-1] - 76)) < (3, 3)
    assert not changed[30:70, 40:48].any()


def test_when_to_mark():
    auto = VLMSettings()
    assert should_mark(video(), auto)  # nobody knows who else is there
    assert should_mark(replace(video(), people=3), auto)
    assert not should_mark(replace(video(), people=1), auto)
    assert should_mark(replace(video(), people=1), VLMSettings(mark="always"))
    assert not should_mark(video(), VLMSettings(mark="never"))


def test_the_contact_sheet_is_one_picture_in_reading_order():
    settings = VLMSettings(frames=5, size_px=300, layout="sheet", quality=95)
    (frames,) = sample_span_frames(video(), [(0, 12)], settings)
    (sheet,) = encode(frames, settings, mark=False)
    picture = np.asarray(Image.open(io.BytesIO(sheet)))
    assert max(picture.shape) <= 300
    height, width = picture.shape[0] // 2, picture.shape[1] // 3  # 2 rows of 3
    greens = [picture[height // 2 + row * height, width // 2 + column * width, 1] for row in range(2) for column in range(3)]
    assert sorted(greens[:5]) == greens[:5]
    assert greens[5] < 10  # the sixth place is empty
    assert (picture[:12, :12] > 180).any()  # a number


def test_quality_and_size_bound_what_is_sent():
    noise = np.random.default_rng(0).integers(0, 255, (4, 300, 400, 3), dtype=np.uint8)
    noisy = replace(video(4), frames=ArrayFrames(noise))

    def weight(**settings) -> int:
        config = VLMSettings(frames=2, **settings)
        (frames,) = sample_span_frames(noisy, [(0, 4)], config)
        return sum(map(len, encode(frames, config, False)))

    assert weight(quality=30) < weight(quality=90)
    assert weight(size_px=64) < weight(size_px=512) / 2
