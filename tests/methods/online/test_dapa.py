"""DAPA's pairs: the body is where its labels say, in the frame's colours, and training on them helps."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from online_settings import settings

from semtta.methods.online.dapa import DAPA
from semtta.methods.online.loop import to_unit_square
from semtta.methods.online.pairs import render_onto, textures
from semtta.types import Evidence

# A square before the camera, left half at rest x < 0: two triangles each, and a second square hidden behind it.
POINTS = np.array([[4, 4], [16, 4], [28, 4], [4, 28], [16, 28], [28, 28]] * 2, np.float32)
DEPTH = np.array([2.0] * 6 + [3.0] * 6, np.float32)
ONE = [[0, 1, 3], [1, 4, 3], [1, 2, 4], [2, 5, 4]]
FACES = np.array([*ONE, *(np.array(ONE) + 6)], np.int32)
REST = np.array([[x, y, z] for z in (0.1, -0.1) for y in (1, 0) for x in (-0.5, 0, 0.5)], np.float32)


def halves() -> np.ndarray:
    image = np.full((32, 32, 3), 10, np.uint8)
    image[:, :16] = (200, 0, 0)
    image[:, 16:] = (0, 0, 200)
    return image


def test_seen_vertices_take_their_pixel_and_hidden_ones_that_of_their_like():
    colors = textures(halves(), POINTS, DEPTH, FACES, REST)
    assert colors[0].tolist() == [200, 0, 0]
    assert colors[2].tolist() == [0, 0, 200]
    behind = colors[6:]
    assert all(tuple(c) in {(200, 0, 0), (0, 0, 200)} for c in behind)  # back and front count alike, so do left and right


def test_unseen_body_takes_the_mean_colour():
    colors = textures(halves(), POINTS + 1000, DEPTH, FACES, REST)
    assert np.allclose(colors, halves().mean((0, 1)))


def test_body_is_drawn_over_the_frame():
    drawn = render_onto(halves(), POINTS, DEPTH, FACES, np.full((12, 3), 90, np.float32))
    assert drawn[16, 16].tolist() == [90, 90, 90]
    assert drawn[0, 0].tolist() == [200, 0, 0]
    assert drawn[0, 31].tolist() == [0, 0, 200]


@pytest.fixture
def method(make_problem, roles):
    return DAPA(make_problem(4), roles, settings("dapa", pairs=3))


def test_pairs_keep_all_but_the_pose(method, roles):
    torch.manual_seed(0)
    weights = dict(roles.estimator.named_parameters())
    batch = method.problem.inputs[:1]
    pairs = method.render(weights, batch)
    predicted = method.decode(weights, batch).prediction
    assert pairs.crops.shape == (3, 3, 32, 32)
    assert pairs.crops.dtype == torch.uint8
    torch.testing.assert_close(pairs.rotations[:, 0], predicted.rotations[:, 0].expand(3, -1, -1))
    torch.testing.assert_close(pairs.betas, predicted.betas.expand(3, -1))
    assert (pairs.rotations[0] - pairs.rotations[1]).abs().max() > 0.05
    # What changed in the picture is where the labelled body is: between the joints' bounds and no further than a body is thick.
    for image, points in zip(pairs.crops, pairs.points, strict=True):
        where = (image != batch.crops[0]).any(0).nonzero().flip(-1)
        middle = to_unit_square((where.float() + 0.5) * 224 / 32)
        assert (middle.amin(0) > points.amin(0) - 0.35).all()
        assert (middle.amax(0) < points.amax(0) + 0.35).all()
        assert len(where) > 20


def test_without_noise_the_pairs_are_the_prediction(make_problem, roles):
    method = DAPA(make_problem(1), roles, settings("dapa", pairs=1, pair_noise=0.0))
    weights = dict(roles.estimator.named_parameters())
    pairs = method.render(weights, method.problem.inputs)
    decoded = method.decode(weights, method.problem.inputs)
    torch.testing.assert_close(pairs.points, decoded.points, atol=1e-4, rtol=0)
    assert pairs.loss(decoded).item() < 1e-6


def test_training_on_pairs_lowers_their_loss(make_problem, roles, before, monkeypatch):
    problem = make_problem(1)
    hidden = replace(problem, evidence=Evidence(problem.evidence.points, torch.zeros_like(problem.evidence.present)))
    method = DAPA(hidden, roles, settings("dapa", pairs=4))
    state = method.start(before(problem))
    torch.manual_seed(5)
    pairs = method.render(state.weights, problem.inputs)
    monkeypatch.setattr(method, "render", lambda weights, batch: pairs)
    losses = [method.adapt(state, 0) for _ in range(16)]
    assert losses[0]["2d"] == 0  # nothing was seen: only the pairs teach
    assert losses[-1]["pairs"] < 0.85 * losses[0]["pairs"]
