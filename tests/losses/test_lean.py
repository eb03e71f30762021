"""The lean of bodies whose legs are not seen, with numbers worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from semtta.constants import SMPL24
from semtta.geometry import axis_angle_to_matrix
from semtta.losses import StepContext, WholeClip
from semtta.losses import lean as module
from semtta.losses.lean import LeanSettings, UpNetwork, camera_up, lean, lean_loss, rays_to
from semtta.types import Evidence, FrameBatch, Prediction

FACING = torch.diag(torch.tensor([1.0, -1, -1]))  # upright before the camera


def turned(degrees: float, axis: int = 0) -> torch.Tensor:
    vector = torch.zeros(3)
    vector[axis] = math.radians(degrees)
    return axis_angle_to_matrix(vector)


def test_the_loss_is_the_angle():
    up = torch.tensor([0.0, 1, 0]).expand(3, 3)
    camera = torch.tensor([0.0, -1, 0]).expand(3, 3)
    rotation = torch.stack((FACING, turned(20) @ FACING, turned(20) @ FACING))
    value = lean_loss(rotation, up, camera, torch.tensor([0.0, 0, 0.1]), torch.tensor([1.0, 1, 0.5]))
    chord = 2 * math.sin(math.radians(10))
    assert value.tolist() == pytest.approx([0, chord, (chord - 0.1) / 2], abs=2e-3)
    within = lean_loss(rotation, up, camera, torch.full((3,), 0.4), torch.ones(3))
    assert not within.any()  # a lean that is usual costs nothing


def test_up_of_a_tilting_camera_by_the_frames_that_see_the_legs():
    """The camera tilts by 15 degrees in the last frame, whose legs are out of the picture: up is tilted with the person's ray."""
    tilt = turned(15)
    up = torch.stack((torch.tensor([0.0, -1, 0]), torch.tensor([0.0, -1, 0]), torch.tensor([1.0, 0, 0])))
    rays = torch.stack((torch.eye(3), torch.eye(3), tilt))
    above = camera_up(up, torch.tensor([1.0, 1, 0]), rays)
    # beside them, three frames' worth of a level camera, one of which is the tilted one
    off = math.atan2(math.sin(math.radians(15)), 4 + math.cos(math.radians(15)))
    expected = turned(-math.degrees(off)) @ torch.tensor([0.0, -1, 0])
    torch.testing.assert_close(above, torch.stack((expected, expected, tilt @ expected)))
    unknown = camera_up(up, torch.zeros(3), torch.eye(3).expand(3, 3, 3))
    torch.testing.assert_close(unknown, torch.tensor([0.0, -1, 0]).expand(3, 3))  # nothing is said: a level camera


def test_a_ray_goes_through_its_point():
    boxes = torch.tensor([[300.0, 100, 112]])
    places = FrameBatch(torch.arange(1), boxes, torch.tensor([[500.0, 320, 240]]))
    ray = rays_to(torch.tensor([[112.0 + 20, 112 + 40]]), places)[0, :, 2]
    expected = torch.tensor([300.0 + 10 - 320, 100 + 20 - 240, 500])
    torch.testing.assert_close(ray, expected / expected.norm())


def test_joints_that_are_not_seen_play_no_part():
    torch.manual_seed(0)
    network, seen = UpNetwork(), torch.ones(24)
    seen[7] = 0
    positions = torch.randn(2, 24, 3)
    positions[1] = positions[0]
    positions[1, 7] += 1
    up, error = network(positions, seen.expand(2, 24))
    assert up[0].equal(up[1])
    assert error[0].equal(error[1])
    assert not network(positions, torch.ones(2, 24))[0][0].equal(network(positions, torch.ones(2, 24))[0][1])
    torch.testing.assert_close(up.norm(dim=-1), torch.ones(2))


class Upright(torch.nn.Module):
    """Says that up is the pelvis's own y axis, with a standard deviation of ``error``."""

    def __init__(self, error: float) -> None:
        super().__init__()
        self.error = error

    def forward(self, positions, seen):
        return torch.tensor([0.0, 1, 0]).expand(len(positions), 3), torch.full((len(positions),), self.error)


def context(degrees: list[float], legs: list[float]) -> StepContext:
    """A clip of one frame a number, leaning towards the camera, with legs seen so far."""
    count = len(degrees)
    rotations = torch.eye(3).repeat(count, 24, 1, 1)
    rotations[:, 0] = torch.stack([turned(value) @ FACING for value in degrees])
    visible = torch.ones(count, 24)
    for name in ("Knee", "Ankle"):
        visible[:, [SMPL24.index(f"L_{name}"), SMPL24.index(f"R_{name}")]] = torch.tensor(legs)[:, None]
    projected = torch.full((count, 29, 2), 112.0)
    boxes, intrinsics = torch.tensor([[320.0, 240, 224]]), torch.tensor([[500.0, 320, 240]])
    places = FrameBatch(torch.arange(count), boxes.expand(count, 3), intrinsics.expand(count, 3))
    prediction = Prediction(rotations.clone().requires_grad_(), torch.zeros(count, 10), torch.ones(count, 3))
    evidence = Evidence(torch.zeros(count, 29, 2), torch.ones(count, 29, dtype=torch.bool))
    return StepContext(
        prediction, torch.zeros(count, 29, 3), projected, evidence, torch.arange(count), (), None, None, None, (), torch.zeros(0),
        0.5, clip=WholeClip(rotations, projected, visible, places),
    )  # fmt: skip


def test_only_frames_without_legs_are_pulled_upright(monkeypatch):
    monkeypatch.setattr(module, "included", lambda device: Upright(0.1))
    given = context([0, 0, 0, 0, 0, 0, 25, 25], [1, 1, 1, 1, 1, 1, 0, 0.5])
    value = lean(given, LeanSettings())
    chord = 2 * math.sin(math.radians(12.5))
    assert value.tolist() == pytest.approx([0] * 6 + [chord - 0.1, (chord - 0.1) / 2], abs=2e-3)
    (gradient,) = torch.autograd.grad(value.sum(), given.prediction.rotations)
    assert gradient[6, 0].abs().sum() > 0.1
    assert not gradient[:, 1:].any()
    # a pose that says little of where up is pulls less; legs that lean say nothing against themselves
    monkeypatch.setattr(module, "included", lambda device: Upright(0.2))
    assert lean(given, LeanSettings())[6].item() == pytest.approx((chord - 0.2) / 4, abs=2e-3)


def test_frames_with_legs_say_where_up_is(monkeypatch):
    """All stand at 20 degrees to the camera's axes: the camera is pitched, nobody leans."""
    monkeypatch.setattr(module, "included", lambda device: Upright(0.1))
    given = context([20.0] * 40, [1.0] * 39 + [0.0])
    assert lean(given, LeanSettings())[-1].item() == 0
    other = context([20.0] * 39 + [0.0], [1.0] * 39 + [0.0])  # upright for a level camera, but not for this one
    assert lean(other, LeanSettings())[-1].item() > math.radians(10)


def test_nothing_is_said_in_the_first_epoch():
    assert lean(replace(context([0.0], [0.0]), clip=None), LeanSettings()) is None


def test_the_included_network_knows_lying_from_standing_and_hides_what_it_cannot_know():
    from semtta.geometry.kinematics import pelvis_frame_positions

    network = module.included(torch.device("cpu"))
    rotations = torch.eye(3).repeat(2, 24, 1, 1)
    rotations[:, [16, 17], :] = torch.stack((turned(-70, 2), turned(70, 2)))  # arms down
    rotations[1, [1, 2]] = turned(-80)  # sitting, or lying with the legs up
    rotations[1, [4, 5]] = turned(80)
    up, error = network(pelvis_frame_positions(rotations), torch.ones(2, 24))
    angles = up[:, 1].clamp(-1, 1).arccos().rad2deg()
    assert angles[0] < 10
    assert error[1] > error[0]
