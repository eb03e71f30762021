"""The network that knows down and contacts, and what it is trained with."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from semtta import assets
from semtta.body import Surface
from semtta.errors import SemttaError
from semtta.geometry import axis_angle_to_matrix
from semtta.io.weights import save_weights
from semtta.motions.mocap import load_file
from semtta.refine.ground import GroundNet, features, read_ground
from semtta.synthesis import synthwild
from semtta.training.ground import Labelled, disturbed, judge, losses, true_contacts, windows


@pytest.fixture(scope="module")
def model():
    return GroundNet.from_checkpoint()


@pytest.fixture(scope="module")
def motions():
    return load_file(synthwild.FOLDER / "motions.npz")


def test_the_included_file_is_small():
    assert assets.path("ground.safetensors").stat().st_size < 200_000


def test_it_knows_motions_that_it_was_not_trained_with(model, motions, open_body):
    """Those of DeepMimic, which no training has: contacts and up, with noise on the joints."""
    clips = [clip for clip in motions if clip.clip_id.startswith("deepmimic_long_walk")]
    held = windows(clips, open_body, np.random.default_rng(0), 24)
    found = judge(model, disturbed(held, torch.Generator().manual_seed(0)))
    assert found["precision"] > 0.8
    assert found["recall"] > 0.8
    assert found["clip_up_deg"] < 6


def test_where_the_camera_is_plays_no_part(model, motions):
    rotations = motions[0].rotations(0, 40)
    times = torch.arange(40, dtype=torch.float64) / 30
    turn = axis_angle_to_matrix(torch.tensor([0.5, -1.0, 2.0]))
    turned = torch.cat((turn @ rotations[:, :1], rotations[:, 1:]), 1)
    one, other = read_ground(rotations, times, model), read_ground(turned, times, model)
    torch.testing.assert_close(one.up @ turn.mT, other.up, atol=1e-3, rtol=0)
    torch.testing.assert_close(one.contacts, other.contacts, atol=2e-3, rtol=0)
    torch.testing.assert_close(one.up.norm(dim=-1), torch.ones(40), atol=0.05, rtol=0)


def test_other_rates_and_uneven_times(model, motions):
    """Every second frame of a clip, and one frame left out: nearly what all frames say."""
    rotations, times = motions[0].rotations(0, 60), torch.arange(60, dtype=torch.float64) / 30
    whole = read_ground(rotations, times, model)
    kept = torch.tensor([i for i in range(60) if i % 2 == 0 and i != 30])
    some = read_ground(rotations[kept], times[kept], model)
    assert (some.contacts - whole.contacts[kept]).abs().mean() < 0.1
    assert (some.up - whole.up[kept]).norm(dim=-1).mean() < 0.05
    assert len(read_ground(rotations[:1], times[:1], model).up) == 1


def test_a_file_of_something_else_is_refused(tmp_path):
    save_weights(tmp_path / "x.safetensors", "ground", {"head.weight": torch.zeros(3)}, width=8)
    with pytest.raises(SemttaError):
        GroundNet.from_checkpoint(tmp_path / "x.safetensors")


def test_features_by_hand():
    """At rest nothing turns; a pelvis that turns by 0.1 a frame shows as 0.5."""
    still = torch.eye(3).repeat(4, 24, 1, 1)
    assert features(still)[:, -3:].abs().max() == 0
    spin = still.clone()
    spin[:, 0] = axis_angle_to_matrix(0.1 * torch.arange(4.0)[:, None] * torch.tensor([0.0, 1, 0]))
    torch.testing.assert_close(features(spin)[:3, -2], torch.full((3,), 0.5), atol=1e-5, rtol=0)
    assert features(still).shape == (4, 72)


def test_true_contacts_are_low_and_slow(motions, open_body):
    waving = next(clip for clip in motions if "waving the right" in clip.content)
    assert true_contacts(waving, Surface(open_body)).mean() > 0.95
    running = next(clip for clip in motions if clip.content == "running")
    assert true_contacts(running, Surface(open_body)).mean() < 0.4


def test_a_step_of_training_lowers_the_loss(motions, open_body):
    batch = windows(motions, open_body, np.random.default_rng(0), 8)
    assert isinstance(batch, Labelled)
    torch.manual_seed(0)
    net = GroundNet(8)
    optimiser = torch.optim.Adam(net.parameters(), 0.01)
    first = None
    for _ in range(20):
        terms = losses(net, batch)
        total = terms["up"] + terms["contacts"]
        first = total.item() if first is None else first
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
    assert total.item() < first - 0.05
