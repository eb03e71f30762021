"""Training of the network that says where up is: what it is shown, its loss by hand, and that it learns."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from semtta.constants import SMPL24
from semtta.losses.lean import UpNetwork
from semtta.motions.mocap import save_file
from semtta.motions.procedural.generate import procedural_motions
from semtta.motions.windows import WindowSampler, all_labels
from semtta.training import lean
from semtta.training.lean import draw_poses, evaluate, likelihood_loss


@pytest.fixture(scope="module")
def clips():
    """Squats, and the same people fallen over to the front: their legs are straight and their arms are crossed."""
    squats = procedural_motions(["squatting"], count=1, seconds=2)[0]
    fallen = np.zeros_like(squats.axis_angle)
    fallen[:, 0] = math.pi / 2  # face down
    fallen[:, 3 * 16 + 1] = -1.2
    return [squats, replace(squats, clip_id="fallen", content="falling", axis_angle=fallen)]


def test_likelihood_by_hand():
    up = torch.tensor([[0.0, 1, 0], [0, 1, 0]])
    truth = torch.tensor([[0.0, 1, 0], [math.sin(0.2), math.cos(0.2), 0]])
    value = likelihood_loss(up, torch.tensor([0.1, 0.5]), truth)
    off = 2 - 2 * math.cos(0.2)  # nearly 0.2 squared
    assert value.tolist() == pytest.approx([2 * math.log(0.1), off / 0.5 + 2 * math.log(0.5)], rel=1e-4)


def test_poses_know_their_up_and_hide_limbs_only(clips):
    sampler = WindowSampler(clips, all_labels(clips))
    weights = torch.tensor([0.0, 1.0])  # the fallen alone
    positions, seen, up = draw_poses(sampler, weights, 300, torch.Generator().manual_seed(0))
    assert positions.shape == (300, 24, 3)
    torch.testing.assert_close(up, torch.tensor([0.0, 0, -1]).expand(300, 3), atol=1e-3, rtol=0)  # on its face: up is behind
    always = [SMPL24.index(name) for name in ("Pelvis", "Spine3", "L_Hip", "R_Hip", "L_Shoulder", "R_Shoulder")]
    assert (seen[:, always] == 1).all()
    knee = seen[:, SMPL24.index("L_Knee")]
    assert 0.5 < knee.mean() < 0.95


def test_it_learns(clips, tmp_path, monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr(lean, "BATCH", 64)
    save_file(tmp_path / "procedural_train.npz", clips, "CC0-1.0")
    sampler = WindowSampler(clips, all_labels(clips))
    untrained = evaluate(UpNetwork(), sampler)
    learnt = lean.main([str(tmp_path), "--out", str(tmp_path / "lean.safetensors"), "--steps", "80"])
    assert learnt["seen, degrees"] < 0.75 * untrained["seen, degrees"]
    assert learnt["upright, degrees"] == pytest.approx(untrained["upright, degrees"], abs=0.1)
    assert learnt["upright, degrees"] > 20
    assert UpNetwork.from_checkpoint(tmp_path / "lean.safetensors")(torch.zeros(24, 3), torch.ones(24))[0].isfinite().all()
