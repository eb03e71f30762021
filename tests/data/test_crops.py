import tempfile

import numpy as np
import pytest
import torch

from semtta.data import ArrayFrames, build_crops, crops
from semtta.errors import CannotWrite, SemttaError
from semtta.geometry import CROP_PX, crop_points
from semtta.types import Video


def video(frames, boxes=None):
    height, width = frames[0].shape[:2]
    return Video("clip", ArrayFrames(frames), len(frames), 30.0, (width, height), boxes=boxes)


def brightest_px(crop):
    """Centre of mass of a crop [3, S, S], with the middle of pixel i at i + 0.5."""
    weight = crop.float().sum(0)
    ticks = torch.arange(len(weight)) + 0.5
    return torch.stack([weight.sum(0) @ ticks, weight.sum(1) @ ticks]) / weight.sum()


@pytest.mark.parametrize("size", [112, 224, 256])
@pytest.mark.parametrize("box", [(200.0, 150.0, 224.0), (203.3, 148.7, 300.0), (190.0, 160.0, 57.5), (210.0, 140.0, 900.0)])
def test_a_dot_lands_where_crop_points_says(size, box):
    frame = np.zeros((300, 400, 3), np.uint8)
    frame[149:153, 209:213] = 255  # covers 209 to 213 and 149 to 153
    point, boxes = torch.tensor([[[211.0, 151.0]]]), torch.tensor([box])
    crops = build_crops(video([frame]), boxes, size)
    expected = crop_points(point, boxes)[0, 0] * size / CROP_PX
    torch.testing.assert_close(brightest_px(crops[0]), expected, atol=0.1, rtol=0)


def test_a_box_of_the_crops_size_copies_pixels():
    frame = np.random.default_rng(0).integers(0, 255, (100, 100, 3), dtype=np.uint8)
    crops = build_crops(video([frame]), torch.tensor([[50.0, 40.0, 20.0]]), 20)
    np.testing.assert_array_equal(crops[0].permute(1, 2, 0), frame[30:50, 40:60])


def test_halving_averages():
    """Triangle filter over two source pixels each side: 1/8 3/8 3/8 1/8 along each axis."""
    frame = np.zeros((32, 32, 3), np.uint8)
    frame[15, :] = 160
    crops = build_crops(video([frame]), torch.tensor([[16.0, 16.0, 16.0]]), 8)
    column = crops[0, 0, :, 4].tolist()  # source rows 8 to 24; row 15 is the second of target 3
    assert column == [0, 0, 0, 60, 20, 0, 0, 0]


def test_no_aliasing():
    """One-pixel stripes become grey, not a pattern."""
    frame = np.zeros((400, 400, 3), np.uint8)
    frame[:, ::2] = 255
    crops = build_crops(video([frame]), torch.tensor([[200.0, 200.0, 333.0]]), 40)
    inside = crops[0, :, 2:-2, 2:-2].float()
    assert inside.std() < 8
    assert inside.mean() == pytest.approx(127.5, abs=3)


def test_outside_is_black():
    frame = np.full((20, 30, 3), 200, np.uint8)
    boxes = torch.tensor([[0.0, 0.0, 20.0], [30.0, 20.0, 20.0], [-500.0, 3.0, 20.0], [15.0, 10.0, 200.0]])
    crops = build_crops(video([frame] * 4), boxes, 20)
    assert (crops[0, :, 11:, 11:] == 200).all()
    assert (crops[0, :, :9] == 0).all()
    assert (crops[0, :, :, :9] == 0).all()
    assert (crops[1, :, :9, :9] == 200).all()
    assert (crops[1, :, 11:] == 0).all()
    assert (crops[2] == 0).all()
    assert crops[3, 0].float().sum() == pytest.approx(3 * 2 * 200, rel=0.03)  # 30 x 20 at a tenth


def test_every_frame_with_its_own_box_in_order():
    frames = [np.full((20, 20, 3), i, np.uint8) for i in range(50)]
    seen = []
    crops = build_crops(video(frames, torch.tensor([10.0, 10.0, 10.0]).expand(50, 3)), None, 8, lambda *x: seen.append(x))
    assert crops[:, 0, 4, 4].tolist() == list(range(50))
    assert seen == [("cropping", i, 50) for i in range(1, 51)]
    assert crops.dtype == torch.uint8
    assert crops.shape == (50, 3, 8, 8)


@pytest.mark.parametrize(
    "bad", [(5.0, 5.0, 0.0), (5.0, 5.0, -3.0), (float("nan"), 5.0, 3.0), (5.0, 5.0, float("inf")), (0, 0, 1e9)]
)
def test_boxes_that_no_crop_can_be_made_of(bad):
    frames = [np.zeros((10, 10, 3), np.uint8)] * 2
    with pytest.raises(SemttaError, match="box of frame 1"):
        build_crops(video(frames), torch.tensor([(5.0, 5.0, 5.0), bad]), 8)


def test_boxes_of_another_clip():
    frames = [np.zeros((10, 10, 3), np.uint8)] * 2
    with pytest.raises(SemttaError, match=r"\[3, 3\] for a video of 2 frames"):
        build_crops(video(frames), torch.ones(3, 3), 8)
    with pytest.raises(SemttaError, match="no boxes"):
        build_crops(video(frames), None, 8)


def test_frames_that_no_longer_decode():
    clip = Video("clip", ArrayFrames([np.zeros((10, 10, 3), np.uint8)] * 2), 3, 30.0, (10, 10))
    with pytest.raises(SemttaError, match="only 2 of 3 frames"):
        build_crops(clip, torch.full((3, 3), 5.0), 8)


def test_crops_of_a_long_video_lie_in_a_file_and_are_the_same(monkeypatch, tmp_path):
    frames = list(np.random.default_rng(0).integers(0, 255, (5, 40, 50, 3), dtype=np.uint8))
    boxes = torch.tensor([[25.0, 20.0, 30.0]]).expand(5, 3)
    held = build_crops(video(frames), boxes, 16)
    monkeypatch.setattr(crops, "IN_MEMORY", held.numel() - 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert isinstance(crops._room(tuple(held.shape)), np.memmap)
    filed = build_crops(video(frames), boxes, 16)
    assert torch.equal(filed, held)
    assert not list(tmp_path.iterdir())  # nothing that a killed run would leave
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(CannotWrite, match="TMPDIR"):
        build_crops(video(frames), boxes, 16)
