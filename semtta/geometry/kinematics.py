"""Joint positions from rotations alone, on the average skeleton, and rotations from joint positions."""

from __future__ import annotations

import roma
import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..constants import SMPL_PARENTS, table
from ..errors import SemttaError
from .skeletons import ANCESTORS, CHAINS, CHILDREN, DIRECTIONS, HINGES, OFFSETS

#: Added to the sine of a knee's or elbow's bend along its hinge: a nearly straight limb is not twisted by noise.
_STRAIGHT = 0.1


def global_rotations(rotations: Tensor) -> Tensor:
    """Rotation of each joint from the T-pose into the frame that the pelvis is given in.

    ``G_0 = R_0``, ``G_j = G_parent(j) R_j``.

    Args:
        rotations: parent-relative rotations [..., 24, 3, 3].
    Returns:
        Rotations [..., 24, 3, 3].

    >>> from semtta.geometry import axis_angle_to_matrix
    >>> turns = torch.zeros(24, 3)
    >>> turns[[1, 4], 0] = 0.5  # left hip and knee
    >>> global_rotations(axis_angle_to_matrix(turns))[7].allclose(axis_angle_to_matrix(torch.tensor([1.0, 0, 0])))
    True
    """
    chain = [rotations[..., 0, :, :]]
    for joint, parent in enumerate(SMPL_PARENTS[1:], start=1):
        chain.append(chain[parent] @ rotations[..., joint, :, :])
    return torch.stack(chain, -3)


def pelvis_frame_positions(rotations: Tensor) -> Tensor:
    """Forward kinematics of the average skeleton, in the frame of its pelvis (metres; at rest y up, facing +z, left on +x).

    ``p_j = p_parent(j) + G_parent(j) o_j`` with ``G_0 = I`` and the offsets o of ``skeletons.OFFSETS``. Products of rotations
    along the tree are doubled in length three times (its depth is eight) instead of going joint by joint, and all bones are
    summed at once: few operations, which is what counts on a GPU.

    Args:
        rotations: parent-relative rotations [..., 24, 3, 3]; the pelvis's own is ignored.
    Returns:
        Joint positions [..., 24, 3], metres; the pelvis is at 0.

    >>> [round(x, 2) for x in pelvis_frame_positions(torch.eye(3).expand(24, 3, 3))[7].tolist()]  # the left ankle
    [0.09, -0.89, -0.03]
    """
    device, dtype = rotations.device, rotations.dtype
    pelvis = torch.eye(3, dtype=dtype, device=device).expand_as(rotations[..., :1, :, :])
    chain = torch.cat((pelvis, rotations[..., 1:, :, :]), -3)
    for ancestors in ANCESTORS:
        chain = chain.index_select(-3, table(ancestors, device)) @ chain
    parents = chain.index_select(-3, table(ANCESTORS[0], device))
    bones = (parents @ table(OFFSETS, device, dtype)[..., None])[..., 0]
    return torch.einsum("kj,...jc->...kc", table(CHAINS, device, dtype), bones)


def rotations_from_joints(joints: Tensor) -> Tensor:
    """Rotations that let the average skeleton's bones point where the joints are; where and how large plays no part.

    Pelvis and chest follow their three bones by least squares, the other joints by the smallest rotation. How far upper arms
    and thighs are twisted shows in the plane in which elbow or knee bends. Joints without a bone beyond them (head, wrists,
    feet) keep their rotation of the T-pose.

    Args:
        joints: positions [..., J, 3] of SMPL's first 22 joints (23 and 24 are the hands), in any unit, y up.
    Returns:
        Parent-relative rotations [..., 24, 3, 3]; the pelvis's is into the frame of the joints.
    Raises:
        SemttaError: for another number of joints or coordinates.

    >>> rest = pelvis_frame_positions(torch.eye(3).expand(24, 3, 3))
    >>> rotations_from_joints(rest[:22]).allclose(torch.eye(3).expand(24, 3, 3), atol=1e-5)
    True
    """
    if joints.dim() < 2 or not 22 <= joints.shape[-2] <= 24 or joints.shape[-1] != 3:
        raise SemttaError(f"Rotations need joints of shape [..., 22, 3], SMPL's first 22; these are {list(joints.shape)}.")
    device, dtype = joints.device, joints.dtype
    rest = table(DIRECTIONS, device, dtype)
    parents = joints.index_select(-2, table(ANCESTORS[0][: joints.shape[-2]], device))
    bones = normalize(joints - parents, dim=-1)
    identity = torch.eye(3, dtype=dtype, device=device).expand(*joints.shape[:-2], 3, 3)
    chain: list[Tensor] = []
    for joint, parent in enumerate(SMPL_PARENTS):
        before = chain[parent] if joint else identity
        children = tuple(child for child in CHILDREN[joint] if child < joints.shape[-2])
        if len(children) > 1:
            some = table(children, device)
            to = bones.index_select(-2, some)
            chain.append(roma.rigid_vectors_registration(rest.index_select(0, some).expand_as(to), to))
        elif children:
            (child,) = children
            here = _shortest((before @ rest[child, :, None])[..., 0], bones[..., child, :]) @ before
            chain.append(_twisted_to_hinge(here, joint, bones, rest) if joint in HINGES else here)
        else:
            chain.append(before)
    world = torch.stack(chain, -3)
    above = torch.stack([identity, *(chain[p] for p in SMPL_PARENTS[1:])], -3)
    return above.mT @ world


def _shortest(start: Tensor, end: Tensor) -> Tensor:
    """The smallest rotation [..., 3, 3] that takes unit vectors [..., 3] to others; some half turn between opposite ones.

    Made of two half turns about axes in the plane of both vectors, so that it is a rotation for any input, also near
    opposite vectors, where Rodrigues' formula divides by zero. An ``end`` of 0 (a bone without length) gives the identity.
    """
    cosine = (start * end).sum(-1, keepdim=True)
    aside = end - cosine * start
    defined = aside.norm(dim=-1, keepdim=True) > 100 * torch.finfo(start.dtype).eps
    aside = normalize(torch.where(defined, aside, _perpendicular(start)), dim=-1)
    aside = aside - (aside * start).sum(-1, keepdim=True) * start  # again: the first difference lost digits
    acute = cosine >= 0
    return _half_turn(torch.where(acute, start + end, end - start)) @ _half_turn(torch.where(acute, start, aside))


def _perpendicular(vector: Tensor) -> Tensor:
    """A unit vector at right angles to a unit vector [..., 3] (Duff et al., Building an Orthonormal Basis, Revisited, 2017)."""
    x, y, z = vector.unbind(-1)
    sign = torch.where(z < 0, -1.0, 1.0).to(vector)
    scale = -sign * x / (sign + z)
    return torch.stack((1 + scale * x, scale * y, -sign * x), -1)


def _half_turn(axis: Tensor) -> Tensor:
    """Rotation [..., 3, 3] by pi about an axis [..., 3]: ``2 a a^T - I``."""
    axis = normalize(axis, dim=-1)
    return 2 * axis[..., :, None] * axis[..., None, :] - torch.eye(3, dtype=axis.dtype, device=axis.device)


def _twisted_to_hinge(rotation: Tensor, joint: int, bones: Tensor, rest: Tensor) -> Tensor:
    """A hip's or shoulder's global rotation, turned about its bone until knee or elbow bends about its hinge."""
    end, hinge = HINGES[joint]
    bone, axis = bones[..., CHILDREN[joint][0], :], (rotation @ table(hinge, rest.device, rest.dtype)[:, None])[..., 0]
    bend = bones[..., end, :] - (rotation @ rest[end, :, None])[..., 0]  # away from the straight limb
    normal = torch.linalg.cross(bone, bend)  # as long as the sine of the bend
    along = (normal * axis).sum(-1) + _STRAIGHT
    across = (normal * torch.linalg.cross(bone, axis)).sum(-1)
    return roma.rotvec_to_rotmat(torch.atan2(across, along)[..., None] * bone) @ rotation
