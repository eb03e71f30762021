"""Training of the network on keypoints: it learns, it resumes to the same weights, and its loss is 0 at the truth."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

import semtta.body
from semtta.estimators import Lifter, LifterConfig
from semtta.geometry import matrix_to_6d
from semtta.io.weights import load_weights
from semtta.motions.procedural.generate import procedural_motions
from semtta.synthesis.evidence import observe
from semtta.training import lifter
from semtta.training.lifter import LifterTraining, train_lifter, training_loss

SMALL = LifterConfig(width=32, layers=1, heads=2, feedforward=32, reach=4)
OPTIONS = LifterTraining(steps=40, batch=4, frames=8, rate=1e-2)


@pytest.fixture(scope="module")
def clips():
    return procedural_motions(["squatting"], count=2, seconds=2)


def test_it_learns_and_resumes_to_the_same_weights(clips, tmp_path, monkeypatch):
    body = semtta.body.load("open")
    model = train_lifter(clips, tmp_path / "whole.safetensors", body, OPTIONS, SMALL, validation=clips)
    curve = [json.loads(line) for line in (tmp_path / "whole.curve.jsonl").read_text().splitlines()]
    assert curve[1]["loss"] < 0.95 * curve[0]["loss"]
    judged = json.loads((tmp_path / "whole.judged.jsonl").read_text().splitlines()[-1])
    assert judged["step"] == 40
    assert judged["pa_mpjpe_mm"] > 0
    fit = lifter.fit
    monkeypatch.setattr(lifter, "fit", lambda *args, **named: fit(*args, **{**named, "stop_at": 11}))
    train_lifter(clips, tmp_path / "parts.safetensors", body, OPTIONS, SMALL)
    monkeypatch.setattr(lifter, "fit", fit)
    resumed = train_lifter(clips, tmp_path / "parts.safetensors", body, OPTIONS, SMALL)
    for ours, theirs in zip(resumed.state_dict().values(), model.state_dict().values(), strict=True):
        assert ours.equal(theirs)
    tensors, metadata = load_weights(tmp_path / "parts.safetensors", "lifter")
    assert metadata["step"] == 40
    assert all(value.dtype == torch.float16 for value in tensors.values())
    assert Lifter.from_checkpoint(tmp_path / "parts.safetensors").config == SMALL


def test_procedural_motions_are_drawn_as_often_as_asked(clips):
    recorded = [replace(clips[0], source="cmu"), replace(clips[0], source="bandai1")]
    weights = lifter.shared_weights([*clips, *recorded], torch.tensor([1.0, 3.0, 2.0, 6.0]), 0.25)
    torch.testing.assert_close(weights, torch.tensor([0.0625, 0.1875, 0.1875, 0.5625]))
    assert lifter.shared_weights(clips, torch.ones(2), 0.25).equal(torch.ones(2))


def test_the_loss_is_nothing_at_the_truth(clips):
    """A network whose last layer says the truth of a window of one pose, whose camera is known, has no loss but rounding."""
    body, model = semtta.body.load("open"), Lifter(SMALL)
    still = clips[0].rotations(0, 1).expand(2, 5, 24, 3, 3)
    seen = observe(still, body, torch.Generator().manual_seed(0))
    seen = replace(seen, boxes=seen.boxes[:1, :1].expand(2, 5, 3), betas=seen.betas[:1].expand(2, 10))
    truth, betas = seen.rotations[:1, :1].expand(2, 5, 24, 3, 3), seen.betas[:, None].expand(2, 5, 10)
    camera = torch.tensor([0.9, 0.02, -0.03]).expand(2, 5, 3)
    points = body.keypoints(truth, betas, "smpl29")
    seen = replace(
        seen, rotations=truth, joints=points[:, :, :24] - points[:, :, :1], points=lifter.project(points, camera, seen.boxes)
    )
    with torch.no_grad():
        model.head.weight.zero_()
        said = torch.cat((matrix_to_6d(truth[0, 0], "columns_interleaved").flatten(), betas[0, 0], camera[0, 0]))
        said[-3] = (camera[0, 0, 0] / 0.98).log()
        model.head.bias.copy_(said)
        terms = training_loss(model, seen, body)
    assert set(terms) == {"joints", "rotations", "points", "shape", "speed"}
    for name, value in terms.items():
        assert value < 1e-3, name
    with torch.no_grad():
        model.head.bias[-3:] += 0.1
        assert training_loss(model, seen, body)["points"] > 0.05
