import math
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semtta import assets
from semtta.constants import BLAZEPOSE33, BODY25, LIMBS12
from semtta.data import ArrayFrames, VideoFile
from semtta.detectors import detectors
from semtta.detectors.blazepose import BlazePose, BlazePoseSettings
from semtta.detectors.blazepose_models import (
    DETECTOR_PX,
    LANDMARKS,
    LandmarkModel,
    PersonFinder,
    Pose,
    Roi,
    anchor_centers,
    find_people,
    refine,
    to_body25,
    upright,
)
from semtta.errors import SemttaError

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "real"


def test_anchors():
    anchors = anchor_centers()
    assert anchors.shape == (2254, 2)  # 2 * 28^2 + 2 * 14^2 + 6 * 7^2
    np.testing.assert_allclose(anchors[:4] * DETECTOR_PX, [(4, 4), (4, 4), (12, 4), (12, 4)])  # two a cell, along rows
    np.testing.assert_allclose(anchors[56] * DETECTOR_PX, (4, 12))
    np.testing.assert_allclose(anchors[1568] * DETECTOR_PX, (8, 8))  # stride 16
    np.testing.assert_allclose(anchors[1960:1967] * DETECTOR_PX, [(16, 16)] * 6 + [(48, 16)])  # stride 32


def test_detection_by_hand():
    anchors = np.array([(0.5, 0.5), (0.5, 0.5), (0.1, 0.1)])
    raw = np.zeros((3, 12))
    raw[:2, 2:4] = 112  # half the picture
    raw[2, 2:4] = 10
    raw[:, 4:6] = 22.4  # first point: a tenth right of and below the anchor
    raw[1, 4:6] = 44.8
    log3 = math.log(3)  # a score of 0.75
    (points,) = find_people(raw, np.array([log3, log3, -0.1]), anchors)
    np.testing.assert_allclose(points[0], (0.65, 0.65))  # two that overlap, equally certain
    np.testing.assert_allclose(points[1], (0.5, 0.5))
    first, second = find_people(raw, np.array([log3, -1.0, 5.0]), anchors)
    np.testing.assert_allclose(first[0], (0.2, 0.2))  # the most certain one is elsewhere
    np.testing.assert_allclose(second[0], (0.6, 0.6))
    assert find_people(raw, np.array([-0.1, -1.0, -1e9]), anchors) == []


def test_region_by_hand():
    upright = Roi(np.array([100.0, 200.0]), np.array([100.0, 120.0]))  # the size point is 80 above
    assert upright.side == pytest.approx(200)  # 2 * 80 * 1.25
    assert upright.angle == pytest.approx(0)
    np.testing.assert_allclose(upright.to_image(np.array([(0.5, 0.5), (0, 0), (1, 0.5)])), [(100, 200), (0, 100), (200, 200)])
    lying = Roi(np.array([100.0, 200.0]), np.array([180.0, 200.0]))  # head to the right: the square's top is at the right
    np.testing.assert_allclose(lying.to_image(np.array([(0.5, 0.0), (0.0, 0.5)])), [(200, 200), (100, 100)], atol=1e-9)


@pytest.mark.parametrize("direction", [(0, -1), (1, 0), (0, 1), (0.6, -0.8)])
@pytest.mark.parametrize("reach", [60, 400])
def test_region_is_sampled_where_it_says(direction, reach):
    frame = np.zeros((1200, 1000, 3), np.uint8)
    center = np.array([480.0, 620.0])
    roi = Roi(center, center + reach * np.array(direction))
    dot = roi.to_image(np.array([0.5, 0.2]))
    x, y = (int(v) for v in dot)
    frame[y - 8 : y + 8, x - 8 : x + 8] = 255
    sample = roi.sample(frame, 256)[..., 0].astype(float)
    ticks = np.arange(256)  # MediaPipe's convention: pixel u is the point u
    found = np.array([sample.sum(0) @ ticks, sample.sum(1) @ ticks]) / sample.sum() / 256
    np.testing.assert_allclose(roi.to_image(found), dot, atol=1.5 + roi.side / 256 * 0.2)


def test_region_outside_the_image_is_black():
    frame = np.full((100, 100, 3), 255, np.uint8)
    sample = Roi(np.array([0.0, 50.0]), np.array([0.0, 10.0])).sample(frame, 64)
    assert (sample[:, :30] == 0).all()
    assert (sample[10:-10, 34:] == 255).all()


def test_refinement_by_hand():
    heatmaps = np.zeros((64, 64, 4))
    heatmaps[20, 30, 0], heatmaps[20, 32, 0] = 0.9, 0.9  # middle: column 31
    heatmaps[20, 30, 1] = 0.4  # not certain enough
    heatmaps[20, 60, 2] = 0.9  # out of reach
    points = np.array([(30.5, 20.5), (29.0, 20.0), (30.0, 20.0), (-3.0, 20.0)]) / 64
    refined = refine(points, heatmaps)
    np.testing.assert_allclose(refined[0] * 64, (31, 20))
    np.testing.assert_allclose(refined[1:], points[1:])


def test_body25():
    assert list(LANDMARKS) == list(BODY25)
    landmarks = np.stack([np.arange(33) * 10.0, np.arange(33) * 1.0, np.linspace(0, 1, 33)], -1)
    joints = dict(zip(BODY25, to_body25(landmarks), strict=True))
    np.testing.assert_allclose(joints["L_Wrist"], (150, 15, 15 / 32))
    np.testing.assert_allclose(joints["Neck"], (115, 11.5, 11 / 32), rtol=1e-6)
    np.testing.assert_allclose(joints["Pelvis"], (235, 23.5, 23 / 32), rtol=1e-6)
    np.testing.assert_allclose(joints["L_SmallToe"], 0)


class Model:
    """Stands in for an interpreter: gives the same outputs for every picture."""

    def __init__(self, side, *outputs):
        self.side, self.outputs, self.seen = side, outputs, []

    def allocate_tensors(self): ...

    def invoke(self): ...

    def get_input_details(self):
        return [{"index": 0}]

    def get_output_details(self):
        return [{"index": i, "shape": np.array(o.shape)} for i, o in enumerate(self.outputs)]

    def set_tensor(self, _, picture):
        assert picture.shape == (1, self.side, self.side, 3)
        assert picture.dtype == np.float32
        self.seen.append(picture)

    def get_tensor(self, index):
        return self.outputs[index]


def made_up_models(presence=0.9, score=4.0):
    """A person in the middle of the picture whose landmarks all lie in the middle of the region."""
    raw, scores = np.zeros((1, 2254, 12), np.float32), np.full((1, 2254, 1), -9.0, np.float32)
    middle = 1960 + 6 * (3 * 7 + 3)  # the anchor in the centre
    scores[0, middle], raw[0, middle, 2:4], raw[0, middle, 7] = score, 50, -56  # size point: a quarter picture above
    landmarks = np.zeros((39, 5), np.float32)
    landmarks[:, :2], landmarks[:, 3], landmarks[34, 1] = 128, 2.0, 128 - 102.4
    world = np.zeros((39, 3), np.float32)
    world[23], world[24] = (0.2, 0, 0.1), (0, 0, 0.1)  # the model's own origin is not quite between the hips
    world[15] = (0.4, -0.3, -0.1)  # left wrist: at the right, above, nearer to the camera
    outputs = landmarks.reshape(1, 195), np.array([[presence]], np.float32), np.full((1, 64, 64, 39), -9, np.float32)
    return Model(224, raw, scores), Model(256, *outputs, world.reshape(1, 117))


def test_from_frame_to_landmarks():
    find, follow = (kind(model) for kind, model in zip((PersonFinder, LandmarkModel), made_up_models(), strict=True))
    (roi,) = find(np.zeros((200, 400, 3), np.uint8))
    np.testing.assert_allclose(roi.center, (200, 100))
    assert roi.side == pytest.approx(250)  # a quarter of 400, twice, times 1.25
    pose = follow(np.zeros((200, 400, 3), np.uint8), roi)
    np.testing.assert_allclose(pose.points, np.broadcast_to((200, 100, 1 / (1 + math.exp(-2))), (33, 3)), rtol=1e-6)
    assert pose.following.side == pytest.approx(250)  # 0.4 of 250, twice, times 1.25
    np.testing.assert_allclose(pose.world[[23, 24, 15]], [(0.1, 0, 0), (-0.1, 0, 0), (0.3, -0.3, -0.2)], atol=1e-7)


def test_pictures_go_in_as_the_models_want_them():
    finder, model = made_up_models()
    frame = np.full((200, 400, 3), 255, np.uint8)
    LandmarkModel(model)(frame, PersonFinder(finder)(frame)[0])
    assert finder.seen[0][0, 0, 0].tolist() == [-1, -1, -1]  # letterbox
    assert finder.seen[0][0, 112, 112].tolist() == [1, 1, 1]
    assert model.seen[0].min() == 0
    assert model.seen[0].max() == 1


@pytest.mark.parametrize(("presence", "score"), [(0.2, 4.0), (0.9, -1.0)])
def test_nobody(monkeypatch, presence, score):
    finder, model = made_up_models(presence, score)
    monkeypatch.setattr(BlazePose, "_models", lambda self: (PersonFinder(finder), LandmarkModel(model)))
    assert BlazePose().detect(ArrayFrames(np.zeros((3, 200, 400, 3), np.uint8)), (400, 200)) == []
    assert len(finder.seen) == 4 + 2  # everywhere in the first frame, then in the whole of every one


def test_followed_without_looking_again(monkeypatch):
    finder, model = made_up_models()
    monkeypatch.setattr(BlazePose, "_models", lambda self: (PersonFinder(finder), LandmarkModel(model)))
    found = BlazePose(people=1).detect(ArrayFrames(np.zeros((3, 200, 400, 3), np.uint8)), (400, 200))[0]
    assert found.xy.shape == (3, 25, 2)
    assert found.joint_set == "body25"
    assert found.landmarks.joint_set == "blazepose33"
    np.testing.assert_allclose(found.landmarks.xyz[2, BLAZEPOSE33.index("L_Wrist")], (0.3, -0.3, -0.2), atol=1e-7)
    np.testing.assert_allclose(found.landmarks.confidence, np.full((3, 33), 1 / (1 + math.exp(-2))), rtol=1e-6)
    assert (len(finder.seen), len(model.seen)) == (1, 3)


def test_what_lies_outside_the_picture_is_not_seen(monkeypatch):
    finder, model = made_up_models()
    landmarks = model.outputs[0].reshape(39, 5)
    landmarks[27, 1] = 256  # left ankle: half of 250 below the middle of a picture of 200
    monkeypatch.setattr(BlazePose, "_models", lambda self: (PersonFinder(finder), LandmarkModel(model)))
    found = BlazePose(people=1).detect(ArrayFrames(np.zeros((1, 200, 400, 3), np.uint8)), (400, 200))[0]
    unseen = [BODY25[i] for i in (found.confidence[0] == 0).nonzero().flatten()]
    assert unseen == ["L_Ankle", "L_SmallToe", "R_SmallToe"]
    assert [BLAZEPOSE33[i] for i in (found.landmarks.confidence[0] == 0).nonzero().flatten()] == ["L_Ankle"]


@pytest.mark.parametrize("degrees", [0, 30, -75, 180])
def test_landmarks_turn_back_with_the_region(degrees):
    """A person who leans by an angle is seen upright in the turned region: their landmarks lean by it in the picture."""
    turn = math.radians(degrees)  # clockwise in the picture, whose y points down
    up = np.array([math.sin(turn), -math.cos(turn)])
    roi = Roi(np.array([100.0, 200.0]), np.array([100.0, 200.0]) + 80 * up)
    world = np.zeros((33, 3))
    world[0] = (0, -0.7, -0.05)  # the nose above the hips
    world[15] = (0.5, 0, 0.3)
    found = upright(world, roi)
    np.testing.assert_allclose(found[0], (*(0.7 * up), -0.05), atol=1e-12)
    np.testing.assert_allclose(found[15], (0.5 * math.cos(turn), 0.5 * math.sin(turn), 0.3), atol=1e-12)


def test_frames_without_a_person(monkeypatch):
    roi = Roi(np.array([20.0, 10.0]), np.array([20.0, 2.0]))
    pose = Pose(np.full((33, 3), 0.5), np.ones((33, 3)), roi)
    seen = iter([None, pose, None, None, None])
    monkeypatch.setattr(BlazePose, "_models", lambda self: (lambda *_: [roi], lambda *_: next(seen, None)))
    found = BlazePose("heavy", people=1).detect(ArrayFrames(np.zeros((2, 20, 20, 3), np.uint8)), (20, 20))[0]
    assert (found.landmarks.confidence > 0).all(-1).tolist() == [False, True]
    assert len(found) == len(found.landmarks) == 2
    assert found.source == found.landmarks.source == "blazepose (MediaPipe heavy)"


@pytest.mark.parametrize("model", ["lite", "full", "heavy"])
def test_each_model_asks_for_its_files(model, monkeypatch):
    pytest.importorskip("ai_edge_litert")
    asked = []
    monkeypatch.setattr(assets, "fetch", lambda *names: asked.extend(names) or [Path("absent"), Path("absent")])
    with pytest.raises(SemttaError, match="absent is missing"):
        detectors.create("blazepose", BlazePoseSettings(model=model)).detect(ArrayFrames([]), (4, 4))
    files = {row.name: row.path.name for row in assets.rows()}
    assert [files[name] for name in asked] == ["pose_detection.tflite", f"pose_landmark_{model}.tflite"]


def test_another_model():
    with pytest.raises(SemttaError, match="not BlazePose's"):
        PersonFinder(made_up_models()[1])


def test_missing_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(SemttaError, match=r"semtta\[blazepose\]"):
        detectors.create("blazepose").detect(ArrayFrames([]), (4, 4))


def test_missing_models(tmp_path):
    pytest.importorskip("ai_edge_litert")
    with pytest.raises(SemttaError, match="semtta assets fetch blazepose"):
        BlazePose(folder=tmp_path).detect(ArrayFrames([]), (4, 4))


def models_here():
    try:
        import ai_edge_litert.interpreter  # noqa: F401

        return all(assets.verify(row.name) for row in assets.rows() if row.name.startswith("blazepose/"))
    except (ImportError, SemttaError):
        return False


@pytest.mark.skipif(not (REAL.is_dir() and models_here()), reason="needs the shared clips and 'semtta assets fetch blazepose'")
@pytest.mark.parametrize(("name", "median_px"), [("squats", 2.5), ("dribble", 5.0)])
def test_real_clips(name, median_px):
    """The same model run by others on the same frames; a pixel of its picture is 4.4 and 5.5 pixels of these frames."""
    video = VideoFile.open(REAL / f"{name}.mp4")
    found = BlazePose().detect(islice(video, 25), video.size)[0]
    given = np.load(REAL / f"{name}.npz")["keypoints_full"][:25]
    both = (given[..., 2] > 0.3) & (found.confidence.numpy() > 0)
    distance = np.linalg.norm(found.xy.numpy() - given[..., :2], axis=-1)[both]
    assert both.mean() > 0.8
    assert np.median(distance) < median_px
    assert np.abs(found.confidence.numpy() - given[..., 2]).mean() < 0.02


@pytest.mark.skipif(not (REAL.is_dir() and models_here()), reason="needs the shared clips and 'semtta assets fetch blazepose'")
def test_a_rolled_picture_rolls_the_landmarks():
    frame = next(iter(VideoFile.open(REAL / "squats.mp4")))
    height, width = frame.shape[:2]
    rolled = np.asarray(Image.fromarray(frame).rotate(-30, Image.Resampling.BILINEAR))  # clockwise, about the middle
    still, turned = (BlazePose().detect(ArrayFrames([f]), (width, height))[0].landmarks.xyz[0].numpy() for f in (frame, rolled))
    cos, sin = math.cos(math.radians(30)), math.sin(math.radians(30))
    expected = still @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]).T
    limbs = [BLAZEPOSE33.index(name) for name in LIMBS12]
    assert np.linalg.norm(turned - expected, axis=-1)[limbs].mean() < 0.06
    assert np.linalg.norm(turned - still, axis=-1)[limbs].mean() > 0.12
