"""Conventions: three 6D layouts, the crop, and the two cameras."""

from __future__ import annotations

import math

import pytest
import roma
import torch

from semtta.errors import SemttaError
from semtta.geometry import (
    axis_angle_to_matrix,
    crop_points,
    crop_translation,
    image_focal_px,
    image_translation,
    matrix_from_6d,
    matrix_to_6d,
    matrix_to_axis_angle,
    project_to_crop,
    project_to_image,
    resample_rotations,
    uncrop_points,
)

LAYOUTS = ["rows", "columns", "columns_interleaved"]


@pytest.mark.parametrize(
    ("layout", "entries"),
    [("rows", [1, 2, 3, 4, 5, 6]), ("columns", [1, 4, 7, 2, 5, 8]), ("columns_interleaved", [1, 2, 4, 5, 7, 8])],
)
def test_6d_layouts_by_hand(layout, entries):
    assert matrix_to_6d(torch.arange(1.0, 10).view(3, 3), layout).tolist() == entries


@pytest.mark.parametrize("layout", LAYOUTS)
def test_6d_round_trip_and_scale_invariance(layout):
    rotations = roma.random_rotmat(50, dtype=torch.float64)
    six = matrix_to_6d(rotations, layout)
    torch.testing.assert_close(matrix_from_6d(six, layout), rotations)
    torch.testing.assert_close(matrix_from_6d(3 * six, layout), rotations)


def test_layouts_are_not_interchangeable():
    rotation = axis_angle_to_matrix(torch.tensor([0.3, -0.5, 0.8]))
    for a in LAYOUTS:
        for b in LAYOUTS:
            same = torch.allclose(matrix_from_6d(matrix_to_6d(rotation, a), b), rotation, atol=1e-4)
            assert same == (a == b)


def test_unknown_layout():
    with pytest.raises(SemttaError, match="6D layout"):
        matrix_to_6d(torch.eye(3), "cols")


@pytest.mark.parametrize("angle", [0.0, 1e-7, 0.5, math.pi - 1e-4])
def test_axis_angle_round_trip(angle):
    vector = torch.tensor([[0.6, 0.0, -0.8]], dtype=torch.float64) * angle
    torch.testing.assert_close(matrix_to_axis_angle(axis_angle_to_matrix(vector)), vector, atol=1e-7, rtol=0)


def test_quarter_turn_about_z_by_hand():
    matrix = axis_angle_to_matrix(torch.tensor([0.0, 0.0, math.pi / 2]))
    torch.testing.assert_close(matrix @ torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0]), atol=1e-6, rtol=0)


def test_crop_points_by_hand():
    boxes = torch.tensor([[100.0, 200.0, 50.0]])
    points = torch.tensor([[[100.0, 200.0], [75.0, 175.0], [125.0, 225.0]]])
    assert crop_points(points, boxes).tolist() == [[[112.0, 112.0], [0.0, 0.0], [224.0, 224.0]]]
    torch.testing.assert_close(uncrop_points(crop_points(points, boxes), boxes), points)


def test_crop_camera_by_hand():
    camera = torch.tensor([[0.5, 0.1, -0.2]])
    torch.testing.assert_close(crop_translation(camera), torch.tensor([[0.1, -0.2, 2 * 5000 / 112]]))
    # at the depth of the translation, one metre is s * 112 pixels: (1 + 0.1) * 56 + 112
    pixel = project_to_crop(torch.tensor([[[1.0, 0.0, 0.0]]]), camera)
    torch.testing.assert_close(pixel, torch.tensor([[[112 + 1.1 * 56, 112 - 0.2 * 56]]]), atol=1e-3, rtol=0)


def test_both_cameras_agree_on_the_image():
    camera, boxes, size = torch.tensor([[0.9, 0.05, -0.1]]), torch.tensor([[420.0, 150.0, 180.0]]), (640, 480)
    joints = torch.rand(1, 24, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 1.6 - 0.8
    focal, center = image_focal_px(size), (320.0, 240.0)
    crop = uncrop_points(project_to_crop(joints, camera.double()), boxes.double())
    placed = joints + image_translation(camera, boxes, focal, center).double()[:, None]
    image = project_to_image(placed, focal, center)
    assert (crop - image).norm(dim=-1).max() < 1.5  # pixels: the two differ in perspective only


def test_resampling_by_hand():
    angles = torch.tensor([0.0, 0.2, 0.4, 0.6])
    rotations = axis_angle_to_matrix(torch.stack((angles * 0, angles * 0, angles), -1))[:, None]
    double = matrix_to_axis_angle(resample_rotations(rotations, 15, 30))[:, 0, 2]
    torch.testing.assert_close(double, torch.linspace(0, 0.6, 7), atol=1e-6, rtol=0)
    assert resample_rotations(rotations[:1], 15, 30).shape == (1, 1, 3, 3)
