"""Joints from rotations against a chain of scipy's, joint by joint, and rotations from joints."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from semtta.constants import SMPL24, SMPL_PARENTS, mirrored
from semtta.errors import SemttaError
from semtta.geometry import axis_angle_to_matrix, matrix_to_axis_angle
from semtta.geometry.kinematics import _shortest, global_rotations, pelvis_frame_positions, rotations_from_joints
from semtta.geometry.skeletons import OFFSETS

WITHOUT_BONE = (10, 11, 15, 20, 21, 22, 23)


def chain(rotations):
    """Global rotations and positions of joints [N, 24, 3, 3], [N, 24, 3] by a plain walk down the tree, float64."""
    rotations = rotations.detach().cpu().double().reshape(-1, 24, 3, 3).numpy()
    turns, places = [], []
    for pose in rotations:
        turn, place = [Rotation.from_matrix(pose[0])], [np.zeros(3)]
        for joint in range(1, 24):
            above = SMPL_PARENTS[joint]
            turn.append(turn[above] * Rotation.from_matrix(pose[joint]))
            place.append(place[above] + turn[above].apply(OFFSETS[joint]))
        turns.append([t.as_matrix() for t in turn])
        places.append(place)
    return torch.from_numpy(np.array(turns)), torch.from_numpy(np.array(places))


def world_positions(rotations):
    """What ``rotations_from_joints`` is given: 22 joints in the frame that the pelvis is turned into."""
    return pelvis_frame_positions(rotations)[..., :22, :] @ rotations[..., 0, :, :].mT


def rest(like):
    return torch.eye(3, dtype=like.dtype, device=like.device).expand(*like.shape[:-3], 24, 3, 3)


def test_global_rotations_are_the_chains(rotations, close):
    pose = rotations(24)
    close(global_rotations(pose).cpu().reshape(-1, 24, 3, 3), chain(pose)[0].to(pose.dtype), scale=3)


def test_positions_are_the_chains(rotations, close):
    """The pelvis's own rotation plays no part."""
    pose = rotations(24)
    without = torch.cat((rest(pose)[..., :1, :, :], pose[..., 1:, :, :]), -3)
    positions = pelvis_frame_positions(pose)
    assert positions.shape == pose.shape[:-1]
    close(positions.cpu().reshape(-1, 24, 3), chain(without)[1].to(pose.dtype), scale=3)
    assert positions[..., 0, :].cpu().abs().max() == 0


def test_the_skeleton_is_a_symmetric_adult():
    place = pelvis_frame_positions(torch.eye(3, dtype=torch.float64).expand(24, 3, 3))
    swapped = place[mirrored("smpl24")] * torch.tensor([-1.0, 1, 1])
    torch.testing.assert_close(swapped, place, atol=1e-12, rtol=0)
    left = [i for i, name in enumerate(SMPL24) if name.startswith("L_")]
    assert (place[left, 0] > 0.05).all()
    assert place[SMPL24.index("L_Foot"), 2] > place[SMPL24.index("L_Ankle"), 2] + 0.1  # faces +z
    assert 1.3 < (place[SMPL24.index("Head"), 1] - place[SMPL24.index("L_Foot"), 1]).item() < 1.6
    assert 1.2 < (place[SMPL24.index("L_Wrist"), 0] - place[SMPL24.index("R_Wrist"), 0]).item() < 1.6


def test_the_gradient_of_positions_is_finite_in_the_rest_pose(random, dtype, device):
    pose = torch.zeros(2, 24, 3, dtype=dtype).to(device).requires_grad_()
    (slope,) = torch.autograd.grad(pelvis_frame_positions(axis_angle_to_matrix(pose)).square().sum(), pose)
    slope = slope.cpu()
    assert slope.isfinite().all()
    assert (slope[:, 4].abs().amax(-1) > 1e-3).all()  # a knee moves the foot
    assert slope[:, [0, *WITHOUT_BONE]][:, [0, 1, 2, 3, 6, 7]].abs().max() == 0


def test_the_rest_pose_needs_no_rotation(random, close):
    like = rest(random(24, 3, 3))
    close(rotations_from_joints(world_positions(like)), like, scale=10)


def test_bones_point_where_the_joints_are(random, close):
    pose = axis_angle_to_matrix(0.8 * random(24, 3))
    joints = world_positions(pose)
    found = rotations_from_joints(1.3 * joints + torch.tensor([1.0, 2.0, 3.0]).to(joints))  # place and size play no part
    close(world_positions(found), joints, scale=20)
    still = list(WITHOUT_BONE)
    close(found[..., still, :, :], rest(pose)[..., still, :, :], scale=20)
    close(found @ found.mT, rest(pose), scale=20)
    close(torch.linalg.cross(found[..., 0], found[..., 1]), found[..., 2], scale=20)


def test_the_persons_own_turn_is_the_pelviss(random, rotations, close):
    joints, turn = world_positions(axis_angle_to_matrix(0.5 * random(24, 3))), rotations()
    first, second = rotations_from_joints(joints), rotations_from_joints(joints @ turn.mT)
    close(second[..., 0, :, :], turn @ first[..., 0, :, :], scale=20)
    close(second[..., 1:, :, :], first[..., 1:, :, :], scale=100)


def test_a_bone_turns_no_more_than_it_must(device, dtype):
    """Joints that bend one bone at a time: the shin about the knee's own axis, by as much as it was bent."""
    pose = torch.zeros(24, 3, dtype=dtype)
    pose[12, 2], pose[3, 0] = 0.7, 0.4  # neck to the side, spine forward
    joints = world_positions(axis_angle_to_matrix(pose.to(device)))
    found = matrix_to_axis_angle(rotations_from_joints(joints)).cpu()
    rest_joints = world_positions(torch.eye(3, dtype=dtype).expand(24, 3, 3))
    neck = (rest_joints[15] - rest_joints[12]).double().numpy()
    want = np.cross(neck, Rotation.from_rotvec([0, 0, 0.7]).apply(neck))
    cosine = neck @ Rotation.from_rotvec([0, 0, 0.7]).apply(neck) / (neck @ neck)
    want *= math.acos(cosine) / np.linalg.norm(want)
    torch.testing.assert_close(found[12].double(), torch.from_numpy(want), atol=1e-4, rtol=0)


@pytest.mark.parametrize("short_of", [0.0, 1e-7, 1e-5, 1e-3, 0.1])
@pytest.mark.parametrize("joint", [4, 15, 18])
def test_a_bone_that_points_backwards(device, dtype, joint, short_of):
    """Half a turn away from the T-pose, or nearly: the smallest rotation is then about almost any axis."""
    parent = SMPL_PARENTS[joint]
    place = pelvis_frame_positions(torch.eye(3, dtype=torch.float64).expand(24, 3, 3))[:22]
    bone = place[joint] - place[parent]
    aside = torch.linalg.cross(bone, torch.tensor([0.3, 0.5, 0.8], dtype=torch.float64))
    aside = aside / aside.norm() * bone.norm()
    joints = place.clone()
    joints[joint] = place[parent] - bone * math.cos(short_of) + aside * math.sin(short_of)
    found = rotations_from_joints(joints.to(device, dtype)).cpu()
    precision = {torch.float32: 5e-6, torch.float64: 1e-13}[dtype]
    torch.testing.assert_close(found @ found.mT, torch.eye(3, dtype=dtype).expand(24, 3, 3), atol=precision, rtol=0)
    seen = world_positions(found)
    toward = (seen[joint] - seen[parent]) / (seen[joint] - seen[parent]).norm()
    want = (joints[joint] - joints[parent]) / bone.norm()
    torch.testing.assert_close(toward, want.to(dtype), atol=precision, rtol=0)
    if parent == 12:  # no hinge: as little as possible
        assert matrix_to_axis_angle(found[parent]).norm().item() == pytest.approx(math.pi - short_of, abs=2e-3)


def test_exactly_opposite_vectors(device, dtype):
    """No plane is theirs: any half turn is the smallest, in every octant and along the axes."""
    grid = torch.cartesian_prod(*[torch.tensor([-1.0, 0.0, 1.0], dtype=dtype)] * 3)
    start = torch.nn.functional.normalize(grid[grid.norm(dim=-1) > 0], dim=-1).to(device)
    turn = _shortest(start, -start).cpu()
    eye, start = torch.eye(3, dtype=dtype).expand_as(turn), start.cpu()
    torch.testing.assert_close(turn @ turn.mT, eye, atol=1e-6, rtol=0)
    torch.testing.assert_close((turn @ start[..., None])[..., 0], -start, atol=1e-6, rtol=0)
    torch.testing.assert_close(turn.diagonal(dim1=-2, dim2=-1).sum(-1), eye[:, 0, 0] * -1, atol=1e-6, rtol=0)  # 1 + 2 cos
    torch.testing.assert_close(torch.linalg.det(turn), eye[:, 0, 0], atol=1e-6, rtol=0)


def test_a_bone_without_length_is_not_turned(device, dtype):
    joints = pelvis_frame_positions(torch.eye(3, dtype=dtype).expand(24, 3, 3))[:22].clone()
    joints[15] = joints[12]
    found = rotations_from_joints(joints.to(device)).cpu()
    torch.testing.assert_close(found[12], torch.eye(3, dtype=dtype), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("joint", "bent", "flexion"), [(1, 4, (1.4, 0, 0)), (2, 5, (1.4, 0, 0)), (16, 18, (0, -1.4, 0)), (17, 19, (0, 1.4, 0))]
)
def test_twist_shows_in_how_the_next_joint_bends(device, dtype, joint, bent, flexion):
    """A thigh or upper arm twisted by 30 degrees about its own bone, and knee or elbow bent about its hinge."""
    bone = torch.nn.functional.normalize(torch.tensor(OFFSETS[bent], dtype=dtype), dim=0)
    pose = torch.zeros(1, 24, 3, dtype=dtype)
    pose[0, joint] = math.radians(30) * bone
    pose[0, bent] = torch.tensor(flexion)
    joints = world_positions(axis_angle_to_matrix(pose)).to(device)
    found = matrix_to_axis_angle(rotations_from_joints(joints)).cpu()
    assert (found[0, joint] * bone).sum() == pytest.approx(math.radians(30), abs=math.radians(5))
    torch.testing.assert_close(found[0, bent], pose[0, bent], atol=0.25, rtol=0)


def test_a_straight_leg_is_not_twisted_by_noise():
    joints = world_positions(torch.eye(3).expand(100, 24, 3, 3))
    noisy = joints + 0.002 * torch.randn(100, 22, 3, generator=torch.Generator().manual_seed(1))
    thighs = matrix_to_axis_angle(rotations_from_joints(noisy))[:, [1, 2]]
    assert thighs.norm(dim=-1).max() < 0.4


def test_hands_turn_the_wrists(device, dtype):
    pose = torch.zeros(24, 3, dtype=dtype)
    pose[20, 2] = 0.6
    positions = pelvis_frame_positions(axis_angle_to_matrix(pose.to(device)))
    found = matrix_to_axis_angle(rotations_from_joints(positions)).cpu()
    torch.testing.assert_close(found[20], pose[20], atol=1e-1, rtol=0)
    assert matrix_to_axis_angle(rotations_from_joints(positions[:22])).cpu()[20].norm() < 1e-4


@pytest.mark.parametrize("shape", [(17, 3), (5, 29, 3), (22, 2), (22,), (3,)])
def test_other_joints_are_refused(shape):
    with pytest.raises(SemttaError, match=r"\[\.\.\., 22, 3\]"):
        rotations_from_joints(torch.zeros(shape))
