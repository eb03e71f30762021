import json
from pathlib import Path

import numpy as np
import pytest
import torch

from semtta.data import boxes_from_keypoints, build_crops, find_keypoints, load_video
from semtta.data.video import first_frames
from semtta.errors import SemttaError
from semtta.types import Keypoints2D, SegmentLabel

CASES = Path(__file__).parents[2].parent / "shared" / "cases"
REAL = Path(__file__).parents[2].parent / "shared" / "data" / "real"


def body25(num_frames, confidence=0.9):
    xy = torch.rand(num_frames, 25, 2, generator=torch.Generator().manual_seed(0)) * 40 + 4
    return Keypoints2D(xy, torch.full((num_frames, 25), confidence), "body25")


class Fake:
    """A detector that sees the same two people in every frame."""

    def detect(self, frames, size):
        count = sum(1 for _ in frames)
        return [body25(count), body25(count, 0.5)]


def test_what_a_video_holds(write_video):
    video = load_video(write_video("walk.mp4", 12), label=" walking ")
    assert video.name == "walk"
    assert (video.num_frames, video.size) == (12, (64, 48))
    assert video.labels == (SegmentLabel(0, 12, "walking", source="given"),)
    assert video.frame_index.tolist() == list(range(12))
    assert video.keypoints is None
    assert video.boxes is None
    assert video.messages == ()
    assert video.source.endswith("walk.mp4")


def test_no_label(write_video):
    assert load_video(write_video("walk.mp4"), label="  ").labels == ()


def test_own_keypoints(write_video):
    path = write_video("walk.mp4", 5)
    given = body25(5)
    video = load_video(path, given)
    assert torch.equal(video.keypoints.xy, given.xy)
    with pytest.raises(SemttaError, match=r"for 4 frames, .*walk\.mp4 has 5"):
        load_video(path, body25(4))
    with pytest.raises(SemttaError, match="for 6 frames"):
        load_video(path, body25(6))


def test_keypoints_of_a_truncated_video_are_cut_with_it(write_video, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (40, 48, 64, 3), dtype=np.uint8)
    path = write_video("cut.avi", 40, frames=noise, codec="mpeg4")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    both = body25(40)
    values = torch.cat([both.xy, both.confidence[..., None]], -1).numpy()
    np.savez(tmp_path / "k.npz", keypoints=values)
    for keypoints in (both, tmp_path / "k.npz"):
        video = load_video(path, keypoints)
        assert len(video.keypoints) == video.num_frames < 40
        assert "truncated" in video.messages[0]
        torch.testing.assert_close(video.keypoints.xy, both.xy[: video.num_frames])


def test_own_boxes(write_video):
    path = write_video("walk.mp4", 5)
    boxes = torch.tensor([30.0, 20.0, 25.0]).expand(5, 3)
    assert torch.equal(load_video(path, boxes=boxes).boxes, boxes)
    with pytest.raises(SemttaError, match="5 frames"):
        load_video(path, boxes=boxes[:4])
    with pytest.raises(SemttaError, match="frame 2"):
        load_video(path, boxes=torch.where(torch.arange(5)[:, None] == 2, 0.0, boxes))


def test_detector(write_video):
    path = write_video("walk.mp4", 5)
    seen = []
    video = load_video(path, detector=Fake(), progress=lambda *x: seen.append(x))
    assert video.keypoints.confidence[0, 0] == pytest.approx(0.9)
    steps = [(what, i, 5) for what in ("reading", "finding keypoints") for i in range(1, 6)]
    assert seen == steps  # decoded once to count, once to detect
    assert find_keypoints(load_video(path), Fake(), person=1).keypoints.confidence[0, 0] == 0.5
    with pytest.raises(SemttaError, match=r"no person 2: .* 2 people \(0 to 1\)"):
        load_video(path, detector=Fake(), person=2)
    with pytest.raises(SemttaError, match="Did you mean 'blazepose'"):
        load_video(path, detector="blaze-pose")
    with pytest.raises(SemttaError, match="reads keypoint files"):
        load_video(path, detector="openpose")


def test_detector_that_finds_nobody_or_miscounts(write_video):
    path = write_video("walk.mp4", 5)

    class Nobody:
        def detect(self, frames, size):
            return []

    class Short:
        def detect(self, frames, size):
            return body25(4)  # one person may come without a list

    with pytest.raises(SemttaError, match="finds nobody"):
        load_video(path, detector=Nobody())
    with pytest.raises(SemttaError, match="4 of 5 frames"):
        load_video(path, detector=Short())


def test_keypoints_come_before_a_detector(write_video):
    assert load_video(write_video("walk.mp4", 5), body25(5, 0.25), detector=Fake()).keypoints.confidence[0, 0] == 0.25


def test_every_keypoint_missing_still_loads(write_video, tmp_path):
    path = write_video("walk.mp4", 5)
    np.savez(tmp_path / "none.npz", keypoints=np.zeros((5, 25, 3)))
    people = [{"pose_keypoints_2d": [0.0] * 75}]
    for i in range(5):
        (tmp_path / f"walk_{i:012d}_keypoints.json").write_text(json.dumps({"people": people}))
    for keypoints in (tmp_path / "none.npz", tmp_path):
        video = load_video(path, keypoints)
        assert (video.keypoints.confidence == 0).all()
        boxes = boxes_from_keypoints(video.keypoints, size=video.size)
        assert build_crops(video, boxes, 32).shape == (5, 3, 32, 32)


def test_times_of_a_variable_rate(write_video):
    ticks = [0, 1, 2, 5, 6, 9, 15, 16, 17, 20]
    video = load_video(write_video("phone.mkv", ticks=ticks))
    assert video.times_s.tolist() == pytest.approx([tick / 10 for tick in ticks])
    assert first_frames(video, 4).times_s.tolist() == pytest.approx([0, 0.1, 0.2, 0.5])
    assert load_video(write_video("steady.mkv")).times_s is None


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not here")
def test_cases_of_times():
    video = load_video(CASES / "31-avi-frame-count" / "one_more.avi")
    assert (video.num_frames, video.messages) == (16, ())
    video = load_video(CASES / "36-vfr" / "clip.mp4")
    assert video.times_s[[8, 9]].tolist() == pytest.approx([0.267, 0.367], abs=1e-3)


@pytest.mark.skipif(not REAL.is_dir(), reason="the shared clips are not here")
@pytest.mark.parametrize(
    ("name", "num_frames", "fps", "size"), [("squats", 65, 5, (720, 1280)), ("dribble", 40, 12, (1080, 1920))]
)
def test_real_clips(name, num_frames, fps, size):
    video = load_video(REAL / f"{name}.mp4", REAL / f"{name}_openpose_json.zip", label=name)
    assert (video.num_frames, video.size, video.messages) == (num_frames, size, ())
    assert video.fps == pytest.approx(fps)
    keypoints = video.keypoints
    given = np.load(REAL / f"{name}.npz")["keypoints"]
    np.testing.assert_allclose(keypoints.xy.numpy(), given[..., :2], atol=1e-3)
    boxes = boxes_from_keypoints(keypoints)
    inside = (keypoints.xy - boxes[:, None, :2]).abs().amax(-1) <= boxes[:, None, 2] / 2
    assert inside[keypoints.confidence > 0.3].float().mean() > 0.995
    assert ((boxes[1:, 2] / boxes[:-1, 2]).log().abs() < 0.2).all()  # no jumps
    crops = build_crops(video, boxes, 64)
    assert crops.shape == (num_frames, 3, 64, 64)
    assert crops.float().std() > 20


@pytest.mark.skipif(not REAL.is_dir(), reason="the shared clips are not here")
def test_keypoints_of_the_other_real_clip():
    with pytest.raises(SemttaError, match=r"for 40 frames, the video has 65"):
        load_video(REAL / "squats.mp4", REAL / "dribble_openpose_json.zip")
    with pytest.raises(SemttaError, match=r"for 65 frames, the video has 40"):
        load_video(REAL / "dribble.mp4", REAL / "squats.npz")
