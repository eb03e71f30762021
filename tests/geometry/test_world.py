"""The camera's frame and worlds with an up axis, on numbers of every type and place."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from semtta.errors import SemttaError
from semtta.geometry import global_rotations
from semtta.geometry.world import UP_AXIS, to_world
from semtta.refine.floor import FloorSettings, floor

UPS = ["camera", "y", "z"]


@pytest.fixture
def result(make_result, device, dtype):
    """A made-up result of 12 frames, its motion on the test's device."""
    made = make_result()
    parts = {name: getattr(made.params, name).to(dtype).to(device) for name in ("rotations", "betas", "translation")}
    return replace(made, params=replace(made.params, **parts), joints=made.joints.to(dtype).to(device))


@pytest.mark.parametrize(
    ("up", "right", "above", "ahead"),
    [
        ("camera", (1, 0, 0), (0, -1, 0), (0, 0, 1)),
        ("y", (1, 0, 0), (0, 1, 0), (0, 0, -1)),
        ("z", (1, 0, 0), (0, 0, 1), (0, 1, 0)),
    ],
)
def test_axes_by_hand(result, up, right, above, ahead):
    """What is right of, above and ahead of the camera: (1, 0, 0), (0, -1, 0) and (0, 0, 1) in its own frame."""
    rotation = to_world(result, up, "camera").rotation
    assert (rotation @ torch.tensor([[1.0, 0, 0], [0, -1, 0], [0, 0, 1]]).double().mT).mT.tolist() == [
        list(map(float, axis)) for axis in (right, above, ahead)
    ]
    assert torch.linalg.det(rotation).item() == pytest.approx(1)


@pytest.mark.parametrize("origin", ["camera", "person"])
@pytest.mark.parametrize("up", UPS)
def test_joints_and_rotations_move_as_one(result, up, origin):
    motion = to_world(result, up, origin)
    given = result.joints.cpu().double()
    turned = torch.cat((given, torch.ones_like(given[..., :1])), -1) @ motion.matrix.mT
    torch.testing.assert_close(turned[..., :3], motion.joints, atol=1e-9, rtol=0)
    before = global_rotations(result.params.rotations.cpu().double())
    torch.testing.assert_close(global_rotations(motion.rotations), motion.rotation @ before, atol=1e-9, rtol=0)
    torch.testing.assert_close(motion.rotations[:, 1:], result.params.rotations[:, 1:].cpu().double(), atol=0, rtol=0)


@pytest.mark.parametrize("up", UPS)
def test_the_person_stands_at_the_origin(result, up):
    joints = to_world(result, up, "person").joints
    axis = UP_AXIS[up]
    sign = -1 if up == "camera" else 1  # there y is down
    heights = sign * joints[..., axis]
    assert heights.min().item() == pytest.approx(0, abs=1e-9)
    assert joints[0, 0, [i for i in range(3) if i != axis]].tolist() == pytest.approx([0, 0], abs=1e-9)
    head, foot = heights[:, 15], heights[:, 10]
    assert (head > foot + 1).all()


@pytest.mark.parametrize("up", UPS)
def test_the_camera_stays_at_zero(result, up):
    motion = to_world(result, up, "camera")
    assert motion.shift.tolist() == [0, 0, 0]
    torch.testing.assert_close(motion.joints.norm(dim=-1), result.joints.cpu().double().norm(dim=-1), atol=1e-9, rtol=0)


def test_doubles_on_the_host(result):
    before = result.params.rotations.cpu().clone()
    motion = to_world(result, "z")
    for tensor in (motion.rotations, motion.joints, motion.rotation, motion.shift, motion.matrix):
        assert (tensor.dtype, tensor.device.type) == (torch.float64, "cpu")
    assert result.params.rotations.cpu().equal(before)


@pytest.mark.parametrize(("choice", "message"), [({"up": "x"}, "up axis"), ({"origin": "floor"}, "origin")])
def test_unknown_names_are_refused(make_result, choice, message):
    with pytest.raises(SemttaError, match=message):
        to_world(make_result(), **choice)


# -- of a result that has a world ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def placed(make_result, open_body):
    """A result on its floor, seen by a camera that looks down by 20 degrees."""
    return floor([make_result()], open_body, FloorSettings(pitch=20.0, camera="still"))[0]


@pytest.mark.parametrize("up", ["y", "z"])
@pytest.mark.parametrize("origin", ["camera", "person"])
def test_a_world_that_is_known_is_the_one_that_is_given(placed, up, origin):
    motion, axis = to_world(placed, up, origin), UP_AXIS[up]
    given = torch.cat((placed.joints.double(), torch.ones_like(placed.joints[..., :1]).double()), -1) @ motion.matrix.mT
    torch.testing.assert_close(given[..., :3], motion.joints, atol=1e-4, rtol=0)
    before = global_rotations(placed.params.rotations.double())
    torch.testing.assert_close(global_rotations(motion.rotations), motion.rotation @ before, atol=1e-5, rtol=0)
    up_in_camera = torch.tensor([0.0, -torch.tensor(20.0).deg2rad().cos(), -torch.tensor(20.0).deg2rad().sin()]).double()
    assert float((motion.rotation @ up_in_camera)[axis]) == pytest.approx(1, abs=1e-5)
    if origin == "camera":
        assert motion.shift.abs().max() < 1e-5
    else:
        aside = [i for i in range(3) if i != axis]
        assert motion.joints[0, 0, aside].abs().max() < 1e-4
        torch.testing.assert_close(motion.joints[..., axis], placed.world.joints[..., 2].double(), atol=1e-5, rtol=0)


def test_the_camera_frame_stays_the_camera_s(placed):
    torch.testing.assert_close(to_world(placed, "camera", "camera").joints, placed.joints.double(), atol=1e-6, rtol=0)
