"""RTMPose and ViTPose with made-up or tiny random models: no weights are needed."""

import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from semtta.data import ArrayFrames
from semtta.detectors import detectors, download
from semtta.detectors.rtmpose import RTMPose, RTMPoseSettings
from semtta.detectors.vitpose import ViTPose, ViTPoseSettings
from semtta.errors import SemttaError

FRAMES = ArrayFrames(np.random.default_rng(0).integers(0, 255, (3, 90, 120, 3), dtype=np.uint8))
SIZE = (120, 90)


class RtmBody:
    """Sees two people in frames 0 and 2, nobody in frame 1."""

    def __init__(self, **options):
        self.options, self.pictures = options, []

    def det_model(self, picture):
        self.pictures.append(picture)
        return np.zeros((0 if len(self.pictures) == 2 else 2, 4))

    def pose_model(self, picture, bboxes):
        assert len(bboxes)
        xy = np.arange(34.0).reshape(17, 2)
        return np.stack([xy, xy * 2]), np.full((2, 17), 1.1)


def test_rtmpose(monkeypatch):
    monkeypatch.setitem(sys.modules, "rtmlib", SimpleNamespace(Body=RtmBody))
    people = detectors.create("rtmpose", RTMPoseSettings(mode="lightweight")).detect(FRAMES, SIZE)
    assert len(people) == 2
    large = people[0]
    assert (large.joint_set, large.source) == ("coco17", "rtmpose (lightweight)")
    assert large.xy[2, 1].tolist() == [4, 6]
    assert large.confidence[:, 0].tolist() == [1, 0, 1]


def test_rtmpose_sees_blue_first():
    model = RtmBody()
    RTMPose(model=model).detect(FRAMES, SIZE)
    np.testing.assert_array_equal(model.pictures[0][..., 0], next(iter(FRAMES))[..., 2])


@pytest.mark.parametrize(("name", "package"), [("rtmpose", "rtmlib"), ("vitpose", "transformers")])
def test_missing_package(monkeypatch, name, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SemttaError, match=rf"semtta\[{name}\]"):
        detectors.create(name).detect(FRAMES, SIZE)


def test_rtmpose_without_network(monkeypatch):
    def body(**_):
        raise OSError("no route to host")

    monkeypatch.setitem(sys.modules, "rtmlib", SimpleNamespace(Body=body))
    with pytest.raises(SemttaError, match="no route to host"):
        detectors.create("rtmpose").detect(FRAMES, SIZE)


def test_a_download_that_hangs_ends_where_there_is_no_network(monkeypatch):
    monkeypatch.setattr(download, "PATIENCE_S", 0.05)
    monkeypatch.setattr(download, "ANSWER_S", 0.05)
    forever = threading.Event()
    monkeypatch.setitem(sys.modules, "rtmlib", SimpleNamespace(Body=lambda **_: forever.wait()))
    monkeypatch.setattr(download, "answers", lambda url: False)
    began = time.perf_counter()
    with pytest.raises(SemttaError, match="does not answer: connect to a network"):
        detectors.create("rtmpose").detect(FRAMES, SIZE)
    assert time.perf_counter() - began < 5
    forever.set()


def test_a_slow_download_goes_on_while_there_is_a_network(monkeypatch):
    monkeypatch.setattr(download, "PATIENCE_S", 0.05)
    monkeypatch.setattr(download, "answers", lambda url: True)
    assert download.loaded(lambda: time.sleep(0.2) or 7, "https://example.org", "it") == 7
    with pytest.raises(KeyError):
        download.loaded(lambda: {}["absent"], "https://example.org", "it")


def test_nothing_answers_at_an_address_that_is_none():
    assert not download.answers("http://127.0.0.1:9", 2.0)
    assert not download.answers("no address", 2.0)


class Batch(dict):
    def to(self, device):
        return self


class PersonFinder:
    """Image processor and model in one: a dog, and one person in frames 0 and 2."""

    def __init__(self):
        self.calls = -1

    def __call__(self, frame=None, return_tensors="pt", **_):
        self.calls += frame is not None
        return Batch()

    def post_process_object_detection(self, outputs, target_sizes, threshold):
        assert target_sizes.tolist() == [[90, 120]]
        labels = torch.tensor([16, 0 if self.calls != 1 else 16])
        return [{"boxes": torch.tensor([[0.0, 0, 5, 5], [20, 10, 80, 85]]), "labels": labels}]


def test_vitpose():
    transformers = pytest.importorskip("transformers")
    backbone = transformers.VitPoseBackboneConfig(
        image_size=[64, 48], hidden_size=16, num_hidden_layers=1, num_attention_heads=2, mlp_ratio=1, out_indices=[-1]
    )
    config = transformers.VitPoseConfig(backbone_config=backbone, num_labels=17)
    torch.manual_seed(0)
    model = transformers.VitPoseForPoseEstimation(config).eval()
    processor = transformers.VitPoseImageProcessor(size={"height": 64, "width": 48})
    finder = PersonFinder()
    detector = ViTPose(pose_model=(processor, model), person_model=(finder, finder))
    people = detector.detect(FRAMES, SIZE)
    assert len(people) == 1
    found = people[0]
    assert found.xy.shape == (3, 17, 2)
    seen = found.xy[[0, 2]]
    assert (seen > -20).all()
    assert (seen < 120).all()
    assert found.confidence[1].max() == 0


def test_vitpose_without_network(tmp_path):
    pytest.importorskip("transformers")
    with pytest.raises(SemttaError, match="Cannot load"):
        detectors.create("vitpose", ViTPoseSettings(person_model=str(tmp_path))).detect(FRAMES, SIZE)
