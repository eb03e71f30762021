"""CLIP's text tower by open_clip, with random weights."""

from __future__ import annotations

import pytest
import torch

from semtta.errors import SemttaError
from semtta.priors import MotionCLIP, MotionCLIPConfig
from semtta.priors.clip import CLIP_MODEL, CLIP_WEIGHTS, ClipText
from semtta.types import Motion

open_clip = pytest.importorskip("open_clip")


def test_the_variant_of_openais_weights():
    """OpenAI's weights were trained with the quick GELU; the plain model of open_clip has another activation."""
    assert CLIP_WEIGHTS in open_clip.list_pretrained_tags_by_model(CLIP_MODEL)
    assert open_clip.get_model_config(CLIP_MODEL)["quick_gelu"] is True
    assert not open_clip.get_model_config("ViT-B-32").get("quick_gelu")


def test_labels_go_through_the_text_tower():
    torch.manual_seed(0)
    text = ClipText(weights=None)
    features = text(["walking", "a person waves"])
    assert features.shape == (2, 512)
    torch.testing.assert_close(text(["walking"]), features[:1], rtol=1e-4, atol=1e-4)
    expected = text._model.encode_text(open_clip.tokenize(["a person waves"]))
    torch.testing.assert_close(features[1:], expected, rtol=1e-4, atol=1e-4)
    prior = MotionCLIP(MotionCLIPConfig(layers=1, decoder=False), text=text)
    motion = Motion(torch.eye(3).expand(2, 60, 24, 3, 3).clone().requires_grad_())
    prior.loss(motion, ["walking", "a person waves"]).sum().backward()
    assert motion.rotations.grad is not None
    assert motion.rotations.grad.abs().sum() > 0


def test_weights_that_cannot_be_had_get_one_line():
    with pytest.raises(SemttaError, match="cannot be loaded") as caught:
        ClipText(weights="no-such-weights")(["walking"])
    assert "\n" not in str(caught.value)
