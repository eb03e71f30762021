import math
from typing import ClassVar

import pytest
import torch

from semtta.errors import SemttaError
from semtta.geometry import axis_angle_to_matrix
from semtta.priors import MotionDictionary, MotionTextPrior, priors, register
from semtta.priors import near as near_module
from semtta.types import Motion


def turned(*shape: int, angle: float = 0.0, joint: int | None = None) -> torch.Tensor:
    """Identity rotations [*shape, 24, 3, 3]; ``joint`` is turned by ``angle`` about x."""
    vectors = torch.zeros(*shape, 24, 3)
    if joint is not None:
        vectors[..., joint, 0] = angle
    return axis_angle_to_matrix(vectors)


class FirstEntries(MotionTextPrior):
    """Feature = (R11, R21) of one joint, averaged over real frames: worked out by hand below."""

    name = "first-entries"
    texts: ClassVar = {"up": (1.0, 0.0), "ahead": (0.0, 1.0), "both": (3.0, 4.0)}

    def __init__(self, joint: int = 1) -> None:
        self.joint = joint

    def encode_motion(self, motion: Motion) -> torch.Tensor:
        entries = motion.rotations[:, :, self.joint, 1:, 1]
        weight = motion.mask[..., None].to(entries)
        return (entries * weight).sum(1) / weight.sum(1)

    def encode_text(self, labels):
        return torch.tensor([self.texts[label] for label in labels])


def dictionary() -> MotionDictionary:
    exemplars = torch.stack([turned(60, angle=a, joint=0) for a in (0.5, math.pi / 2)])
    return MotionDictionary(("up", "ahead"), torch.eye(2), exemplars)


def test_equations_3_and_4_by_hand():
    # The joint is turned by 60 degrees: feature (cos 60, sin 60) = (0.5, 0.866); texts (1, 0), (0, 1), (3, 4).
    motion = Motion(turned(3, 60, angle=math.pi / 3, joint=1))
    similarity = FirstEntries().similarity(motion, ["up", "ahead", "both"])
    expected = torch.tensor([0.5, 0.8660254, (3 * 0.5 + 4 * 0.8660254) / 5])
    assert torch.allclose(similarity, expected, atol=1e-5)
    assert torch.allclose(FirstEntries().loss(motion, ["up", "ahead", "both"]), 1 - expected, atol=1e-5)


def test_global_rotation_is_that_of_the_exemplar():
    prior = FirstEntries(joint=0)
    prior.dictionary = dictionary()
    motion = Motion(turned(1, 60, angle=1.2, joint=0))
    # The exemplar of "ahead" is turned by 90 degrees: feature (0, 1).
    assert prior.similarity(motion, ["ahead"]).item() == pytest.approx(1, abs=1e-5)
    prior.global_rotation = "predicted"
    assert prior.similarity(motion, ["ahead"]).item() == pytest.approx(math.sin(1.2), abs=1e-5)
    prior.global_rotation = "identity"
    assert prior.similarity(motion, ["ahead"]).item() == pytest.approx(0, abs=1e-5)


def test_local_rotations_are_kept_and_get_the_gradient():
    prior = FirstEntries(joint=1)
    prior.dictionary = dictionary()
    rotations = turned(2, 60, angle=0.3, joint=1).requires_grad_()
    prior.loss(Motion(rotations), ["ahead", "up"]).sum().backward()
    assert rotations.grad[:, :, 1].abs().sum() > 0
    assert rotations.grad[:, :, 0].abs().sum() == 0


def test_without_exemplars_the_global_rotation_stays():
    motion = Motion(turned(1, 60, angle=1.2, joint=0))
    assert FirstEntries(joint=0).similarity(motion, ["up"]).item() == pytest.approx(math.cos(1.2), abs=1e-5)


def test_slow_video_becomes_several_windows_whose_similarities_are_averaged():
    # 60 frames at 5 fps are 355 at 30 fps: 6 windows, evenly spread. The first half of the time is "up".
    rotations = turned(1, 60)
    rotations[:, 30:] = turned(1, 30, angle=math.pi / 2, joint=1)
    prior = FirstEntries()
    windows, owner = prior.windows(Motion(rotations, fps=5), ["up"])
    assert windows.rotations.shape == (6, 60, 24, 3, 3)
    assert windows.mask.all()
    assert owner == [0] * 6
    parts = torch.cosine_similarity(prior.encode_motion(windows), prior.encode_text(["up"]), dim=-1)
    assert parts[0] == pytest.approx(1, abs=1e-5)
    assert parts[-1] == pytest.approx(0, abs=1e-5)
    assert prior.similarity(Motion(rotations, fps=5), ["up"]).item() == pytest.approx(parts.mean().item(), abs=1e-6)


def test_fast_video_is_resampled_and_padded():
    windows, _ = FirstEntries().windows(Motion(turned(1, 61), fps=60), ["up"])
    assert windows.mask.sum() == 31
    assert windows.rotations.shape[1] == 60


def test_padding_frames_do_not_count():
    rotations = turned(2, 60)
    rotations[1, 20:] = turned(40, angle=2.0, joint=1)
    mask = torch.ones(2, 60, dtype=torch.bool)
    mask[1, 20:] = False
    similarity = FirstEntries().similarity(Motion(rotations, mask), ["up", "up"])
    assert torch.allclose(similarity, torch.ones(2), atol=1e-5)


def test_resolve_rules(monkeypatch):
    prior = FirstEntries()
    assert prior.resolve("anything at all").label == "anything at all"  # no dictionary: any wording
    prior.dictionary = dictionary()
    assert prior.resolve("up") == ("up", 1.0, "")
    assert prior.resolve("A person is Up!").label == "up"
    assert prior.resolve(None).label is None
    assert prior.resolve("None").label is None
    monkeypatch.setattr(near_module, "encode_labels", lambda labels: torch.tensor([[0.6, 0.8]]))
    near = prior.resolve("forwards")
    assert near.label == "ahead"
    assert near.score == pytest.approx(0.8)
    assert near.reason == (
        "'forwards' is not among the 2 labels of prior 'first-entries'; nearest: ahead 0.80, up 0.60: taken as 'ahead' "
        "(similarity 0.80). 'semtta dictionary list' shows all."
    )
    prior.floor = 0.9
    far = prior.resolve("forwards")
    assert far.label is None
    assert far.score == pytest.approx(0.8)
    assert "nearest: ahead 0.80, up 0.60: semantics are off for these frames (similarity below 0.90)." in far.reason

    def absent(labels):
        raise SemttaError("pip install 'semtta[text]'")

    monkeypatch.setattr(near_module, "encode_labels", absent)
    without = prior.resolve("forwards")
    assert without.label is None
    assert "nearest: ahead, up: semantics are off for these frames. pip install 'semtta[text]'." in without.reason


def test_labels_of_another_encoder_are_compared_by_the_sentence_encoders_features(monkeypatch):
    """MotionCLIP's dictionary has CLIP's features: other numbers, and more of them."""
    prior = FirstEntries()
    prior.dictionary = MotionDictionary(("up", "ahead"), torch.eye(5)[:2])
    words = {"up": (1.0, 0.0), "ahead": (0.0, 1.0), "forwards": (0.6, 0.8)}
    monkeypatch.setattr(near_module, "encode_labels", lambda labels: torch.tensor([words[label] for label in labels]))
    near_module.label_features.cache_clear()
    assert prior.resolve("forwards")[:2] == ("ahead", pytest.approx(0.8))
    near_module.label_features.cache_clear()


def test_twenty_line_plugin_is_registered_and_created():
    register("first-entries-test")(FirstEntries)
    assert isinstance(priors.create("first-entries-test"), FirstEntries)
    assert {"open", "open-cosine", "infill", "motionclip", "none"} <= set(priors.names())


def test_none_aligns_nothing():
    prior = priors.create("none")
    motion = Motion(turned(2, 10))
    assert prior.loss(motion, ["a", "b"]).tolist() == [0, 0] == prior.similarity(motion, ["a", "b"]).tolist()
    assert prior.resolve("walking").label is None


def test_wrong_number_of_labels():
    with pytest.raises(SemttaError, match="2 motions with 1 labels"):
        FirstEntries().loss(Motion(turned(2, 60)), ["up"])


def test_segments_of_several_lengths_keep_their_own_windows():
    rotations = turned(3, 90)
    rotations[1, :, 1], rotations[1, 20:] = turned(1, 90, angle=math.pi / 2, joint=1)[0, :, 1], turned(70, angle=2.0, joint=1)
    mask = torch.ones(3, 90, dtype=torch.bool)
    mask[1, 20:] = False
    prior = FirstEntries()
    windows, owner = prior.windows(Motion(rotations, mask, visible=mask[..., None].expand(-1, -1, 24)), ["up"] * 3)
    assert owner == [1, 0, 0, 2, 2]  # the short one has one window, the others two; lengths in ascending order
    assert windows.mask.sum(1).tolist() == [20, 60, 60, 60, 60]
    assert windows.visible.all()  # padding repeats the last frame
    similarity = prior.similarity(Motion(rotations, mask), ["up"] * 3)
    assert torch.allclose(similarity, torch.tensor([1.0, 0.0, 1.0]), atol=1e-5)
