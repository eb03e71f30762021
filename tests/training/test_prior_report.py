from functools import partial

import pytest
import torch

from semtta.motions import mocap
from semtta.motions.windows import WindowSampler
from semtta.priors import MotionCLIP, MotionCLIPConfig, MotionDictionary, OpenPrior
from semtta.priors.infill import InfillConfig, InfillPrior
from semtta.training import prior_report
from semtta.training.prior_repair import Repair, attempt
from semtta.types import Motion

LABELS = ("raising the left hand", "raising the right hand", "walking")


@pytest.fixture
def windows(mocap_folder):
    clips = mocap.load(mocap_folder, "val")
    return WindowSampler(clips, LABELS, augment=False).every(1)


class Oracle(MotionCLIP):
    """Features by hand: which of left arm, right arm and left thigh moves most; text features are the axes."""

    def encode_motion(self, motion: Motion) -> torch.Tensor:
        return motion.rotations[:, :, [16, 17, 1]].std(1).sum((-2, -1))

    def encode_text(self, labels):
        return torch.eye(3)[[LABELS.index(label) for label in labels]]


def build(kind: str, windows):
    torch.manual_seed(0)
    dictionary = MotionDictionary(LABELS, torch.eye(8)[:3], windows.rotations[[1, 2, 0]])
    config = MotionCLIPConfig(width=16, layers=1, heads=2, feedforward=16, patch=3, text_dim=8, decoder=kind == "open-cosine")
    completion = InfillConfig(width=16, layers=1, heads=2, feedforward=16, text_dim=8)
    if kind == "infill":
        return InfillPrior(completion, dictionary)
    return OpenPrior(config, completion, dictionary) if kind == "open" else MotionCLIP(config, dictionary, name=kind)


def test_retrieval_and_similarities_of_an_oracle(windows, mocap_folder):
    oracle = Oracle(MotionCLIPConfig(width=4, layers=1, heads=1, feedforward=4), build("open", windows).dictionary)
    scores = prior_report.retrieval_scores(oracle, windows)
    assert scores.shape == (9, 3)
    assert (scores.argmax(1) == windows.label).all()
    own, others = prior_report.similarities(oracle, windows)
    assert torch.allclose(own, torch.ones(9), atol=1e-3)
    assert torch.allclose(others, torch.zeros(27), atol=0.05)
    numbers = prior_report.retrieval(oracle, mocap_folder)
    assert numbers["retrieval top-1, val"] == numbers["retrieval top-1, val-style"] == 1
    assert numbers["matched, val: mean"] > 0.99 > 0.1 > numbers["mismatched, val: mean"]


def test_decoded_motions_are_judged(windows):
    class Decodes(MotionCLIP):
        def decode(self, labels, num_frames):
            return torch.stack([self.dictionary.exemplar(label, num_frames) for label in reversed(labels)])

    config = MotionCLIPConfig(width=4, layers=1, heads=1, feedforward=4)
    dictionary = build("open", windows).dictionary
    numbers = prior_report.decoded(Decodes(config, dictionary), Oracle(config, dictionary), LABELS)
    assert numbers["decoded, first of all labels"] == pytest.approx(1 / 3)  # the middle one: the others are swapped
    assert numbers["decoded, among the first three"] == 1


@pytest.mark.parametrize("kind", ["open", "open-cosine", "infill"])
def test_report_of_a_file(kind, windows, mocap_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(prior_report, "attempt", partial(attempt, how=Repair(steps=1)))
    path = build(kind, windows).save(tmp_path / "prior.safetensors")
    judge = build("open", windows).save(tmp_path / "judge.safetensors") if kind == "open-cosine" else None
    numbers = prior_report.report(path, kind, mocap_folder, judge, count=2)
    out = capsys.readouterr().out
    for shown in ("retrieval top-1, val-style", "legs, locomotion H", "precision", "chosen on these"):
        assert shown in out
    assert numbers["mean: before"] > 0
    assert ("decoded, first of all labels" in numbers) == (kind == "open-cosine")
    assert ("mean: completion" in numbers) == (kind == "infill")
