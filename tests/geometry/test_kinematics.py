import math

import pytest
import torch

from semtta.geometry import axis_angle_to_matrix, matrix_to_axis_angle
from semtta.geometry.kinematics import pelvis_frame_positions, rotations_from_joints


def world_positions(rotations: torch.Tensor) -> torch.Tensor:
    return pelvis_frame_positions(rotations)[..., :22, :] @ rotations[..., 0, :, :].mT


def test_rest_pose_needs_no_rotation():
    found = rotations_from_joints(world_positions(torch.eye(3).expand(2, 24, 3, 3)))
    torch.testing.assert_close(found, torch.eye(3).expand(2, 24, 3, 3), atol=1e-5, rtol=0)


def test_bones_point_where_the_joints_are():
    turns = 0.8 * torch.randn(50, 24, 3, generator=torch.Generator().manual_seed(0))
    joints = world_positions(axis_angle_to_matrix(turns))
    place = torch.tensor([1.0, 2.0, 3.0])  # where the person stands plays no part, nor does size
    found = rotations_from_joints(1.3 * joints + place)
    torch.testing.assert_close(world_positions(found), joints, atol=1e-4, rtol=0)
    for joint in (10, 11, 15, 20, 21, 22, 23):
        torch.testing.assert_close(found[:, joint], torch.eye(3).expand(50, 3, 3), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("joint", "bent", "flexion"), [(1, 4, (1.4, 0, 0)), (2, 5, (1.4, 0, 0)), (16, 18, (0, -1.4, 0)), (17, 19, (0, 1.4, 0))]
)
def test_twist_shows_in_how_the_next_joint_bends(joint, bent, flexion):
    """A thigh or upper arm twisted by 30 degrees about its own bone, and knee or elbow bent about its hinge."""
    rest = pelvis_frame_positions(torch.eye(3).expand(24, 3, 3))
    bone = torch.nn.functional.normalize(rest[bent] - rest[joint], dim=0)
    pose = torch.zeros(1, 24, 3)
    pose[0, joint] = math.radians(30) * bone
    pose[0, bent] = torch.tensor(flexion)
    found = matrix_to_axis_angle(rotations_from_joints(world_positions(axis_angle_to_matrix(pose))))
    assert (found[0, joint] * bone).sum() == pytest.approx(math.radians(30), abs=math.radians(5))
    torch.testing.assert_close(found[0, bent], pose[0, bent], atol=0.25, rtol=0)


def test_a_straight_leg_is_not_twisted_by_noise():
    joints = world_positions(torch.eye(3).expand(100, 24, 3, 3))
    noisy = joints + 0.002 * torch.randn(100, 22, 3, generator=torch.Generator().manual_seed(1))
    thighs = matrix_to_axis_angle(rotations_from_joints(noisy))[:, [1, 2]]
    assert thighs.norm(dim=-1).max() < 0.4
