"""CLIP: the arithmetic on a small random model through open_clip; with the real weights, that it tells actions apart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from semtta.errors import SemttaError
from semtta.labelers import LabelContext
from semtta.labelers.models import Reply
from semtta.labelers.settings import VLMSettings
from semtta.labelers.verification import ClipVerifier, make_verifier
from semtta.labelers.vlm import VisionLanguageLabeler

pytest.importorskip("open_clip")
import open_clip
from vlm_clips import FAST, clip, context, settings, spans

CONFIG = {
    "model_cfg": {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    },
    "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
}


@pytest.fixture(scope="module")
def small_clip(tmp_path_factory) -> str:
    """A folder that open_clip loads: one layer, random weights."""
    folder = tmp_path_factory.mktemp("clip")
    (folder / "open_clip_config.json").write_text(json.dumps(CONFIG))
    torch.manual_seed(0)
    model = open_clip.model.CLIP(**CONFIG["model_cfg"])
    torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")
    return f"local-dir:{folder}"


def pictures(count: int, seed: int = 0) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).integers(0, 255, (count, 48, 64, 3), dtype=np.uint8))


def test_the_score_is_the_mean_cosine_over_the_pictures(small_clip):
    verifier = ClipVerifier(small_clip)
    images = pictures(3)
    each = [verifier.score("walking", [image]) for image in images]
    assert verifier.score("walking", images) == pytest.approx(np.mean(each), abs=1e-5)
    with torch.no_grad():  # by hand, from open_clip's own functions
        image = verifier.model.encode_image(verifier.transform(_pil(images[0]))[None])[0]
        text = verifier.model.encode_text(open_clip.get_tokenizer("ViT-B-32")(["walking"]))[0]
    assert each[0] == pytest.approx((image @ text / image.norm() / text.norm()).item(), abs=1e-5)
    assert verifier.score("running", images) != verifier.score("walking", images)


def _pil(image: np.ndarray):
    from PIL import Image

    return Image.fromarray(image)


def test_without_weights_nothing_is_fetched_and_the_reason_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("semtta.labelers.verification._downloaded", lambda row: False)
    verifier, reason = make_verifier(VLMSettings())
    assert verifier is None
    assert "not verified" in reason
    assert make_verifier(VLMSettings(verify="never")) == (None, "")
    with pytest.raises(SemttaError, match=r"clip_weights=FILE"):
        ClipVerifier("ViT-B-32-quickgelu", str(tmp_path / "absent.pt"))


class Scripted:
    """Answers in the order given; keeps the requests."""

    name, host, identity, concurrency = "scripted", "", "scripted", 1

    def __init__(self, *labels: str) -> None:
        self.labels, self.asked = list(labels), []

    def ask(self, request):
        self.asked.append(request)
        return Reply(json.dumps({"description": "A person moves.", "label": self.labels.pop(0)}), 100, 10)

    def tokens(self, request):
        return 100, 10

    def prices(self):
        return 0.0, 0.0


def run(labels, scores, tmp_path, small_clip, monkeypatch, threshold=0.3):
    monkeypatch.setattr(ClipVerifier, "score", lambda self, label, images: scores[label])
    model = Scripted(*labels)
    chosen = settings("", tmp_path, clip_model=small_clip, verify="always", clip_threshold=threshold)
    labeler = VisionLanguageLabeler("x", lambda settings, device: model, chosen)
    video = clip(["walking"])
    (found,) = labeler.label(video, spans(video), LabelContext(tuple(scores)))
    return found, model.asked


def test_a_label_that_fits_is_asked_for_once(tmp_path, small_clip, monkeypatch):
    found, asked = run(["walking"], {"walking": 0.35}, tmp_path, small_clip, monkeypatch)
    assert (found.label, found.score, found.reason, found.trust) == ("walking", 0.35, "", 1.0)
    assert len(asked) == 1


def test_one_that_does_not_is_asked_for_again_with_the_failure(tmp_path, small_clip, monkeypatch):
    found, asked = run(["walking", "running"], {"walking": 0.12, "running": 0.33}, tmp_path, small_clip, monkeypatch)
    assert (found.label, found.score, found.reason) == ("running", 0.33, "")
    assert len(asked) == 2
    assert all(part in asked[1].user for part in ('"walking"', "0.12", "0.30"))


def test_what_still_does_not_fit_is_flagged_and_the_better_one_stays(tmp_path, small_clip, monkeypatch):
    found, _ = run(["walking", "running"], {"walking": 0.15, "running": 0.03}, tmp_path, small_clip, monkeypatch)
    assert (found.label, found.score) == ("walking", 0.15)
    assert "in doubt" in found.reason
    assert "0.15" in found.reason
    assert found.trust == pytest.approx(0.5)  # 0.15 / 0.3


def test_a_model_that_takes_it_back_gives_no_label(tmp_path, small_clip, monkeypatch):
    found, _ = run(["walking", "None"], {"walking": 0.1}, tmp_path, small_clip, monkeypatch)
    assert found.label is None
    assert found.score is None
    assert found.reason


def test_scores_of_a_real_random_model_reach_the_label(tmp_path, small_clip):
    model = Scripted("walking", "walking")
    chosen = settings("", tmp_path, clip_model=small_clip, verify="always")
    labeler = VisionLanguageLabeler("x", lambda settings, device: model, chosen)
    video = clip(["walking"])
    (found,) = labeler.label(video, spans(video), context())
    assert -1 <= found.score <= 1
    assert ("in doubt" in found.reason) == (found.score < FAST.clip_threshold)


SQUATS = Path(__file__).parents[3] / "shared" / "data" / "real" / "squats.mp4"


@pytest.mark.skipif(not SQUATS.exists(), reason="the real clips are not here")
def test_real_weights_tell_the_right_action():
    verifier, reason = make_verifier(VLMSettings())
    if verifier is None:
        pytest.skip(reason)
    from semtta import load_video

    frames = list(load_video(SQUATS).frames)[5:60:10]
    assert verifier.score("a person doing squats", frames) > verifier.score("a person swimming", frames)
