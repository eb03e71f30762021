"""The rasteriser against triangles worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from semtta.constants import SMPL29
from semtta.rendering.rasterizer import Light, average_samples, interpolate, rasterize, rendered_visibility, shade, vertex_normals
from semtta.synthesis.figures import WORLD_TO_CAMERA, load_figure

CORNER = np.array(((0, 0), (4, 0), (0, 4)), np.float32)
ONE = np.array(((0, 1, 2),), np.int32)


def test_coverage_and_weights_of_a_triangle() -> None:
    raster = rasterize(CORNER, np.full(3, 2.0), ONE, (4, 5))
    expected = np.array([[column + row < 4 for column in range(5)] for row in range(4)])  # x + y <= 4 at the middles
    np.testing.assert_array_equal(raster.mask, expected)
    np.testing.assert_allclose(raster.depth[expected], 2, rtol=1e-6)
    assert np.isinf(raster.depth[~expected]).all()
    np.testing.assert_allclose(raster.weights[0, 0], (0.75, 0.125, 0.125), atol=1e-6)  # the point (0.5, 0.5)
    np.testing.assert_allclose(raster.weights[1, 2], (0.0, 0.625, 0.375), atol=1e-6)  # (2.5, 1.5), on the long side


def test_either_winding_is_drawn() -> None:
    other = rasterize(CORNER, np.ones(3), ONE[:, ::-1], (4, 4))
    np.testing.assert_array_equal(other.mask, rasterize(CORNER, np.ones(3), ONE, (4, 4)).mask)


def test_the_nearer_face_wins_whatever_the_order() -> None:
    points, depth = np.concatenate((CORNER, CORNER)), np.array((3, 3, 3, 2, 2, 2.0))
    for faces in (((0, 1, 2), (3, 4, 5)), ((3, 4, 5), (0, 1, 2))):
        raster = rasterize(points, depth, np.array(faces, np.int32), (4, 4))
        assert raster.depth[0, 0] == pytest.approx(2)
        assert faces[raster.face[0, 0]] == (3, 4, 5)


def test_depth_and_attributes_are_perspective_correct() -> None:
    """Half way along the image of an edge from depth 1 to 3, 1/z is (1 + 1/3) / 2: z = 1.5, a quarter of the way."""
    points = np.array(((0, 0), (3, 0), (0, 3)), np.float32)
    raster = rasterize(points, np.array((1, 3, 1.0)), ONE, (1, 3))
    assert raster.depth[0, 1] == pytest.approx(1.5)  # the point (1.5, 0.5)
    values = interpolate(raster, ONE, np.array(((0,), (4,), (0,)), np.float32))
    assert values[0, 1, 0] == pytest.approx(1.0)


def test_what_is_behind_the_camera_or_nowhere_is_not_drawn() -> None:
    for depth in (np.array((1, 1, -1.0)), np.full(3, 0.01)):
        assert not rasterize(CORNER, depth, ONE, (4, 4)).mask.any()
    assert not rasterize(CORNER * np.nan, np.ones(3), ONE, (4, 4)).mask.any()


def test_resolve_averages_samples() -> None:
    raster = rasterize(CORNER, np.ones(3), ONE, (4, 4))
    picture = average_samples(raster, ONE, np.full((3, 3), 8.0), 2)
    np.testing.assert_allclose(picture[..., 3], ((1, 0.75), (0.75, 0)))
    np.testing.assert_allclose(picture[..., :3], 8 * picture[..., 3:].repeat(3, -1))


def test_normals_and_shading() -> None:
    vertices = np.array(((0, 0, 0), (1, 0, 0), (0, 1, 0)), np.float32)
    normals = vertex_normals(vertices, ONE)
    np.testing.assert_allclose(normals, np.tile((0, 0, 1), (3, 1)), atol=1e-6)
    light = Light(np.array((0, 0, 1.0)), np.full(3, 0.5), np.full(3, 0.25), sky=0.0)
    np.testing.assert_allclose(shade(np.full((3, 3), 0.4), normals, light), 0.4 * 0.75, rtol=1e-6)
    np.testing.assert_allclose(shade(np.full((3, 3), 0.4), -normals, light), 0.4 * 0.25, rtol=1e-6)


def _seen(turn_deg: float, covered: np.ndarray | None = None) -> dict[str, bool]:
    """Visibility of the joints of a person 4 m away who has turned to their left by so many degrees from the camera."""
    figure = load_figure()
    angle = np.deg2rad(turn_deg)
    turn = np.array(((np.cos(angle), 0, np.sin(angle)), (0, 1, 0), (-np.sin(angle), 0, np.cos(angle))))
    pose = np.zeros((1, 24, 3), np.float32)
    pose[0, 16], pose[0, 17] = (0, 0, -1.3), (0, 0, 1.3)  # arms down
    betas = np.zeros((1, 10), np.float32)
    place = (WORLD_TO_CAMERA @ turn).T
    vertices, joints = (a[0] @ place + (0, 0, 4) for a in (figure.vertices(pose, betas), figure.joints(pose, betas)))
    points = [400 * a[:, :2] / a[:, 2:] + 128 for a in (vertices, joints)]
    raster = rasterize(points[0], vertices[:, 2], figure.faces, (256, 256))
    seen = rendered_visibility(points[1], joints[:, 2], raster, figure.face_part, covered)
    return dict(zip(SMPL29, seen.tolist(), strict=True))


def test_joints_of_the_far_side_are_hidden() -> None:
    front, back, side = _seen(0), _seen(180), _seen(90)
    assert all(front.values())
    assert not any(back[name] for name in ("Nose", "L_Eye", "R_Eye"))
    assert back["Pelvis"]
    assert back["L_Knee"]
    # turned left by 90 degrees: the right side is towards the camera
    assert side["R_Shoulder"]
    assert side["R_Elbow"]
    assert not side["L_Elbow"]
    assert not side["L_Shoulder"]
    assert not side["L_Ear"]


def test_a_cover_hides_joints() -> None:
    covered = np.zeros((256, 256), bool)
    covered[140:] = True
    seen = _seen(0, covered)
    assert seen["Nose"]
    assert not seen["L_Knee"]
    assert not seen["R_Ankle"]
