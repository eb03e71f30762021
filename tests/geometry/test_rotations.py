"""Axioms of rotations, the three 6D layouts by hand, and resampling against scipy's slerp."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation, Slerp

from semtta.errors import SemttaError
from semtta.geometry import axis_angle_to_matrix, matrix_from_6d, matrix_to_6d, matrix_to_axis_angle, resample_rotations

LAYOUTS = ["rows", "columns", "columns_interleaved"]
ENTRIES = {"rows": [1, 2, 3, 4, 5, 6], "columns": [1, 4, 7, 2, 5, 8], "columns_interleaved": [1, 2, 4, 5, 7, 8]}


def assert_rotations(matrix, close):
    eye = torch.eye(3, dtype=matrix.dtype, device=matrix.device).expand_as(matrix)
    close(matrix @ matrix.mT, eye)
    close(torch.linalg.cross(matrix[..., 0], matrix[..., 1]), matrix[..., 2])  # the determinant is 1


def scipy_matrix(vectors):
    """Rotation vectors [..., 3] to matrices by scipy, float64 on the host."""
    vectors = vectors.detach().cpu().double()
    return torch.from_numpy(Rotation.from_rotvec(vectors.reshape(-1, 3).numpy()).as_matrix()).view(*vectors.shape, 3)


def test_rotation_vectors_to_matrices(random, close):
    vectors = 2 * random(4, 3)
    matrix = axis_angle_to_matrix(vectors)
    assert_rotations(matrix, close)
    close(matrix.cpu(), scipy_matrix(vectors).to(matrix.dtype))


def test_matrices_to_rotation_vectors(rotations, close):
    matrix = rotations(50)
    vectors = matrix_to_axis_angle(matrix)
    assert vectors.shape == matrix.shape[:-1]
    assert vectors.norm(dim=-1).max().item() <= math.pi + 1e-6
    close(axis_angle_to_matrix(vectors), matrix)


@pytest.mark.parametrize("angle", [0.0, 1e-7, 1e-3, 0.5, 3.0, math.pi - 1e-3])
def test_rotation_vectors_come_back(random, close, angle):
    vectors = angle * torch.nn.functional.normalize(random(3), dim=-1)
    close(matrix_to_axis_angle(axis_angle_to_matrix(vectors)), vectors)


def test_a_half_turn_comes_back_up_to_its_sign(random, close):
    axis = torch.nn.functional.normalize(random(3), dim=-1)
    vectors = matrix_to_axis_angle(axis_angle_to_matrix(math.pi * axis))
    close(vectors * (vectors * axis).sum(-1, keepdim=True).sign(), math.pi * axis, scale=5)


def test_composition(random, close):
    """exp(a) exp(-a) = 1; turns about one axis add up; R exp(v) R^T = exp(R v)."""
    vectors, matrix = random(3), axis_angle_to_matrix(random(3))
    turn = axis_angle_to_matrix(vectors)
    close(turn @ axis_angle_to_matrix(-vectors), torch.eye(3, dtype=turn.dtype, device=turn.device).expand_as(turn))
    close(turn @ turn @ turn, axis_angle_to_matrix(3 * vectors))
    close(matrix @ turn @ matrix.mT, axis_angle_to_matrix((matrix @ vectors[..., None])[..., 0]))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_6d_by_hand(device, dtype, layout):
    matrix = torch.arange(1, 10, dtype=dtype).view(3, 3).expand(2, 4, 3, 3).to(device)
    six = matrix_to_6d(matrix, layout)
    assert six.shape == (2, 4, 6)
    assert six[1, 2].tolist() == ENTRIES[layout]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_6d_comes_back_whatever_its_lengths(rotations, close, layout):
    matrix = rotations(4)
    six = matrix_to_6d(matrix, layout)
    close(matrix_from_6d(six, layout), matrix)
    close(matrix_from_6d(3 * six, layout), matrix)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_six_numbers_become_a_rotation(random, close, layout):
    """The first vector keeps its direction, and the second stays on its side in the plane of both."""
    six = random(6)
    matrix = matrix_from_6d(six, layout)
    assert_rotations(matrix, close)
    pairs = torch.stack((six[..., 0::2], six[..., 1::2]) if layout == "columns_interleaved" else (six[..., :3], six[..., 3:]), -1)
    basis = matrix.mT if layout == "rows" else matrix
    close(basis[..., 0], torch.nn.functional.normalize(pairs[..., 0], dim=-1))
    coordinates = (basis.mT @ pairs[..., 1:])[..., 0]
    assert (coordinates[..., 1] > 0).all()
    close(coordinates[..., 2], torch.zeros_like(coordinates[..., 2]))


def test_layouts_are_not_interchangeable(rotations):
    matrix = rotations()
    for a in LAYOUTS:
        for b in LAYOUTS:
            apart = (matrix_from_6d(matrix_to_6d(matrix, a), b) - matrix).abs().amax((-1, -2))
            assert bool((apart < 1e-4).all() if a == b else (apart > 1e-2).all())


def test_an_unknown_layout_is_refused():
    for convert, value in ((matrix_to_6d, torch.eye(3)), (matrix_from_6d, torch.ones(6))):
        with pytest.raises(SemttaError, match="6D layout"):
            convert(value, "cols")


AXIS = (0.6, 0.0, -0.8)


@pytest.mark.parametrize("angle", [0.0, 1e-8, 1e-4, 1.0, math.pi - 1e-4, math.pi])
def test_the_gradient_of_a_matrix_is_that_of_scipys(device, dtype, angle):
    """At the identity and at half a turn too: numeric differences of scipy's conversion."""
    weight = torch.tensor([[0.0, -1, 2], [3, 0, 1], [-2, 1, 0]], dtype=torch.float64)
    vector = angle * torch.tensor(AXIS, dtype=torch.float64)
    high, low = (scipy_matrix(vector + step * torch.eye(3, dtype=torch.float64)) for step in (1e-5, -1e-5))
    want = ((high - low) * weight).sum((-1, -2)) / 2e-5
    there = vector.to(device, dtype).requires_grad_()
    (slope,) = torch.autograd.grad((axis_angle_to_matrix(there) * weight.to(device, dtype)).sum(), there)
    torch.testing.assert_close(slope.cpu().double(), want, atol=1e-3, rtol=0)


@pytest.mark.parametrize("angle", [0.0, 1e-8, 1e-4, 1.0, math.pi - 0.05])
def test_the_gradient_of_there_and_back_is_one(device, dtype, angle):
    vector = (angle * torch.tensor(AXIS, dtype=dtype)).to(device).requires_grad_()
    again = matrix_to_axis_angle(axis_angle_to_matrix(vector))
    rows = [torch.autograd.grad(again[i], vector, retain_graph=True)[0].cpu() for i in range(3)]
    torch.testing.assert_close(torch.stack(rows), torch.eye(3, dtype=dtype), atol=1e-3, rtol=0)


def test_the_gradient_of_a_rotation_vector_is_finite_at_half_a_turn(device, dtype):
    axis = torch.tensor(AXIS, dtype=dtype)
    matrix = (2 * axis[:, None] * axis - torch.eye(3, dtype=dtype)).to(device).requires_grad_()
    (slope,) = torch.autograd.grad(matrix_to_axis_angle(matrix).sum(), matrix)
    assert slope.cpu().isfinite().all()
    assert slope.cpu().abs().max() > 0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradients_through_6d(rotations, random, layout):
    six = matrix_to_6d(rotations(), layout).requires_grad_()
    (slope,) = torch.autograd.grad((matrix_from_6d(six, layout) * random(3, 3)).sum(), six)
    assert slope.cpu().isfinite().all()
    assert (slope.cpu().abs().amax(-1) > 1e-3).all()
    size = torch.stack([(slope * six.detach())[..., i].cpu() for i in range(6)], -1).sum(-1)
    torch.testing.assert_close(size, torch.zeros_like(size), atol=1e-4, rtol=0)  # lengths play no part


@pytest.mark.parametrize(("source", "target"), [(10.0, 20.0), (30.0, 20.0), (25.0, 30.0)])
def test_resampling_is_scipys_slerp(random, close, source, target):
    matrix = axis_angle_to_matrix(random(1, 2, 3) + 0.7 * random(7, 2, 3))
    resampled = resample_rotations(matrix, source, target)
    count = round(6 * target / source) + 1
    assert resampled.shape == (*matrix.shape[:-4], count, 2, 3, 3)
    close(resampled[..., 0, :, :, :], matrix[..., 0, :, :, :])
    close(resampled[..., -1, :, :, :], matrix[..., -1, :, :, :])
    given = matrix.cpu().double().movedim(-4, -3).reshape(-1, 7, 3, 3).numpy()
    want = [Slerp(np.arange(7), Rotation.from_matrix(one))(np.linspace(0, 6, count)).as_matrix() for one in given]
    got = resampled.movedim(-4, -3).reshape(-1, count, 3, 3).cpu()
    close(got, torch.from_numpy(np.stack(want)).to(got.dtype), scale=2)


def test_half_way_by_hand(device, dtype):
    turns = torch.tensor([[[0.0, 0, 0]], [[0, 0.8, 0]]], dtype=dtype).to(device)
    middle = matrix_to_axis_angle(resample_rotations(axis_angle_to_matrix(turns), 15, 30))
    assert middle.shape == (3, 1, 3)
    assert middle[1, 0].tolist() == pytest.approx([0, 0.4, 0], abs=1e-6)


def test_the_gradient_of_resampling_is_finite_where_nothing_moves(device, dtype):
    still = torch.eye(3, dtype=dtype).expand(4, 2, 3, 3).clone().to(device).requires_grad_()
    (slope,) = torch.autograd.grad(resample_rotations(still, 20, 30).sum(), still)
    assert slope.cpu().isfinite().all()
    assert slope.cpu().abs().max() > 0


@pytest.mark.parametrize("length", [0, 1])
def test_nothing_to_interpolate(length):
    assert resample_rotations(torch.eye(3).expand(2, length, 24, 3, 3), 15, 30).shape == (2, length, 24, 3, 3)


def test_the_same_rate_changes_nothing(rotations):
    matrix = rotations(4, 2)
    assert resample_rotations(matrix, 30, 30) is matrix


@pytest.mark.parametrize("rate", [0.0, -30.0, math.nan, math.inf])
def test_a_rate_that_is_none_is_refused(rate):
    motion = torch.eye(3).expand(4, 24, 3, 3)
    for rates in ((rate, 30.0), (30.0, rate)):
        with pytest.raises(SemttaError, match="Frame rates"):
            resample_rotations(motion, *rates)
