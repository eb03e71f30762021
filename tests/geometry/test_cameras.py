"""The crop, its camera and the image's: by hand, against each other, and the weak-perspective argument."""

from __future__ import annotations

import pytest
import torch

from semtta.geometry import (
    crop_points,
    crop_translation,
    image_focal_px,
    image_translation,
    project_to_crop,
    project_to_image,
    uncrop_points,
)

SIZE, CENTER = (640, 480), (320.0, 240.0)


@pytest.fixture
def boxes(random):
    """Boxes [*batch, 3] in and beyond an image of SIZE, 60 to 400 pixels wide."""
    place, side = random(2), random(1).abs()
    return torch.cat((place * 200 + 300, (60 + 100 * side).clamp(max=400)), -1)


@pytest.fixture
def cameras(random):
    """Weak-perspective cameras [*batch, 3] of a person who fills the crop."""
    return torch.cat((0.9 + 0.1 * random(1).tanh(), 0.1 * random(2)), -1)


def test_crop_points_by_hand(device, dtype):
    box = torch.tensor([100.0, 200.0, 50.0], dtype=dtype).to(device)
    points = torch.tensor([[100.0, 200.0], [75.0, 175.0], [125.0, 175.0], [110.0, 200.0]], dtype=dtype).to(device)
    want = [[112, 112], [0, 0], [224, 0], [112 + 10 * 224 / 50, 112]]
    torch.testing.assert_close(crop_points(points, box).cpu(), torch.tensor(want, dtype=dtype))
    assert uncrop_points(torch.tensor([[0.0, 224.0]], dtype=dtype).to(device), box).tolist() == [[75, 225]]


def test_crops_and_back(random, boxes, close):
    points = 300 + 200 * random(24, 2)
    cropped = crop_points(points, boxes)
    assert cropped.shape == points.shape
    close(uncrop_points(cropped, boxes), points, scale=3000)


def test_each_point_goes_by_its_own_box(random, boxes, batch, close):
    points = 300 + 200 * random(24, 2)
    for convert in (crop_points, uncrop_points):
        whole = convert(points, boxes).reshape(-1, 24, 2)
        for i, (some, box) in enumerate(zip(points.reshape(-1, 24, 2), boxes.reshape(-1, 3), strict=True)):
            close(whole[i], convert(some, box), scale=300)


def test_a_crops_camera_by_hand(device, dtype):
    camera = torch.tensor([0.5, 0.1, -0.2], dtype=dtype).to(device)
    assert crop_translation(camera).tolist() == pytest.approx([0.1, -0.2, 2 * 5000 / (224 * 0.5)], rel=1e-6)
    assert crop_translation(camera, 1000.0).tolist() == pytest.approx([0.1, -0.2, 2 * 1000 / (224 * 0.5)], rel=1e-6)


def test_projection_to_a_crop_by_hand(device, dtype):
    """s = 0.5: one metre spans half of 112 pixels where the body stands, 89.29 m away; f = 100 brings it to 1.786 m."""
    camera = torch.tensor([0.5, 0.1, -0.2], dtype=dtype).to(device)
    joints = torch.tensor([[0.0, 0, 0], [1.0, 0, 0], [0, 1.0, 0], [0, 1.0, 2.0]], dtype=dtype).to(device)
    far = [[117.6, 100.8], [173.6, 100.8], [117.6, 156.8], [112 + 500 / 91.2857, 112 + 4000 / 91.2857]]
    near = [[117.6, 100.8], [173.6, 100.8], [117.6, 156.8], [112 + 10 / 3.785714, 112 + 80 / 3.785714]]
    for focal, want in ((5000.0, far), (100.0, near)):
        pixels = project_to_crop(joints, camera, focal).cpu().double()
        torch.testing.assert_close(pixels, torch.tensor(want, dtype=torch.float64), atol=4e-3, rtol=0)  # but for the 1e-4
    torch.testing.assert_close(project_to_crop(joints, camera), project_to_crop(joints, camera, 5000.0))


def test_cycleadapts_small_number_in_the_division(device, dtype):
    """At z = 1e-4 it halves what is seen of x: f x / (2 z)."""
    camera = torch.tensor([2 / 224, 0.0, 0.0], dtype=dtype).to(device)  # z = f
    joint = torch.tensor([[1e-3, 0.0, 1e-4 - 1.0]], dtype=dtype).to(device)
    assert project_to_crop(joint, camera, 1.0)[0, 0].item() == pytest.approx(112 + 5, abs=0.05)


def test_projection_to_an_image_by_hand(device, dtype):
    points = torch.tensor([[[0.0, 0, 3.0]], [[1.0, -2.0, 4.0]]], dtype=dtype).to(device)
    assert project_to_image(points, 600.0, CENTER).tolist() == [[[320, 240]], [[470, -60]]]


@pytest.mark.parametrize(("size", "focal"), [((224, 100), 5000.0), ((480, 672), 15000.0)])
def test_focal_length_of_an_image(size, focal):
    assert image_focal_px(size) == pytest.approx(focal)


def test_a_crop_of_the_whole_image_has_the_images_camera(random, cameras, close):
    """A square image and its box: both cameras are one, and so are their projections (but for CycleAdapt's 1e-4)."""
    side = 672.0
    box = torch.tensor([side / 2, side / 2, side]).to(cameras).expand_as(cameras)
    focal = image_focal_px((int(side), int(side)))
    translation = image_translation(cameras, box, focal, (side / 2, side / 2))
    close(translation, crop_translation(cameras), scale=1000)  # one adds 1e-9 to 224 s, the other to 672 s
    joints = random(24, 3)
    image = project_to_image(joints + translation[..., None, :], focal, (side / 2, side / 2))
    close(crop_points(image, box), project_to_crop(joints, cameras), scale=3000 if cameras.dtype == torch.float32 else 1e9)


@pytest.mark.parametrize("focal", [300.0, 1500.0, 15000.0])
def test_what_is_as_far_as_the_body_is_seen_at_the_same_pixel(random, cameras, boxes, focal):
    """Whatever the focal length of the image: the argument of weak perspective."""
    joints = torch.cat((random(24, 2), torch.zeros_like(random(24, 1))), -1)
    image = project_to_image(joints + image_translation(cameras, boxes, focal, CENTER)[..., None, :], focal, CENTER)
    crop = uncrop_points(project_to_crop(joints, cameras), boxes)
    torch.testing.assert_close(image.cpu(), crop.cpu(), atol=3e-3, rtol=0)  # CycleAdapt's 1e-4 in some 50 m


def test_other_points_differ_in_perspective_only(device, dtype):
    camera = torch.tensor([[0.9, 0.05, -0.1]], dtype=dtype).to(device)
    box = torch.tensor([[420.0, 150.0, 180.0]], dtype=dtype).to(device)
    joints = torch.rand(1, 24, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(device, dtype) * 1.6 - 0.8
    focal = image_focal_px(SIZE)
    image = project_to_image(joints + image_translation(camera, box, focal, CENTER)[:, None], focal, CENTER)
    crop = uncrop_points(project_to_crop(joints, camera), box)
    assert 0.1 < (crop - image).norm(dim=-1).max().item() < 1.5  # pixels


def test_gradients_reach_camera_and_joints(random, cameras, boxes):
    joints, cameras = random(24, 3).requires_grad_(), cameras.requires_grad_()
    slopes = torch.autograd.grad(project_to_crop(joints, cameras).sum(), (joints, cameras))
    slopes += torch.autograd.grad(image_translation(cameras, boxes, 600.0, CENTER).sum(), cameras)
    for slope in slopes:
        assert slope.cpu().isfinite().all()
        assert (slope.cpu().abs().amax(-1) > 0).all()
