"""The outermost points of a body, against its whole mesh."""

from __future__ import annotations

import copy

import pytest
import torch

from semtta.body import Surface
from semtta.geometry import axis_angle_to_matrix
from semtta.types import BodyParams


@pytest.fixture(scope="module")
def surface(open_body):
    return Surface(open_body)


def random_params(count: int = 6) -> BodyParams:
    generator = torch.Generator().manual_seed(0)
    rotations = axis_angle_to_matrix(0.5 * torch.randn(count, 24, 3, generator=generator))
    return BodyParams(rotations, torch.randn(count, 10, generator=generator), torch.randn(count, 3, generator=generator))


def test_they_reach_as_far_as_the_mesh(surface, open_body):
    params = random_params()
    outer, _ = surface.points(params)
    mesh = open_body.vertices(params.rotations, params.betas, params.translation)
    assert outer.shape[1] < 0.15 * mesh.shape[1]
    for axis in range(3):
        torch.testing.assert_close(outer[..., axis].amin(1), mesh[..., axis].amin(1), atol=0.012, rtol=0)
        assert (outer[..., axis].amin(1) >= mesh[..., axis].amin(1) - 1e-5).all()  # they are points of the mesh


def test_soles_at_rest(surface, open_body):
    """Heels behind the toes, left on +x, a little above the lowest point of the mesh, as ``heights`` says."""
    rest = BodyParams(torch.eye(3).repeat(1, 24, 1, 1), torch.zeros(1, 10))
    outer, feet = surface.points(rest)
    (left_heel, left_toe, right_heel, right_toe) = feet[0]
    assert left_toe[2] > left_heel[2] + 0.12
    assert left_heel[0] > 0.05 > -0.05 > right_heel[0]
    lowest = open_body.v_template[:, 1].min()
    torch.testing.assert_close(feet[0, :, 1] - lowest, torch.tensor(surface.heights), atol=1e-5, rtol=0)
    assert all(0 <= height < 0.015 for height in surface.heights)
    assert right_toe[2] > right_heel[2]
    assert outer[0, surface.of_foot("L"), 0].min() > 0
    assert outer[0, surface.of_foot("R"), 0].max() < 0
    assert outer[0, ~surface.of_feet, 1].min() > lowest


def test_a_body_without_feet_has_its_joints_for_them(open_body):
    bare = copy.copy(open_body)
    bare._buffers = dict(open_body._buffers)
    weights = open_body.lbs_weights.clone()
    weights[:, [7, 8, 10, 11]] = 0
    weights[:, 4] += 1e-3
    bare._buffers["lbs_weights"] = weights
    params = random_params(2)
    _, feet = Surface(bare).points(params)
    joints = open_body.joints(params.rotations, params.betas, params.translation)
    torch.testing.assert_close(feet, joints[:, [7, 10, 8, 11]])


def test_long_clips_are_posed_in_parts(surface, monkeypatch):
    params = random_params()
    whole = surface.points(params)
    monkeypatch.setattr("semtta.body.surface._CHUNK", 4)
    for one, other in zip(whole, surface.points(params), strict=True):
        torch.testing.assert_close(one, other)
