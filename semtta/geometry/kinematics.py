"""Joint positions in the pelvis frame from rotations alone, on a fixed average skeleton, and rotations from joints.

Priors and generators have no shape parameters, so they measure motion on one skeleton: round numbers of a 1.73 m adult
in SMPL's T-pose (metres, y up, facing +z, left on +x).
"""

from __future__ import annotations

import roma
import torch
from torch import Tensor

from ..constants import SMPL_PARENTS, table

# Offset of each joint from its parent, metres; the right side mirrors the left.
_LEFT_AND_MIDDLE = {
    1: (0.07, -0.09, 0.0), 3: (0.0, 0.11, -0.02), 4: (0.03, -0.39, 0.0), 6: (0.0, 0.13, 0.02), 7: (-0.01, -0.41, -0.03),
    9: (0.0, 0.06, 0.0), 10: (0.03, -0.06, 0.12), 12: (0.0, 0.21, -0.03), 13: (0.08, 0.12, -0.02),
    15: (0.0, 0.09, 0.05),
    16: (0.10, 0.03, -0.01), 18: (0.26, 0.0, -0.02), 20: (0.25, 0.0, 0.0),
    22: (0.085, 0.0, -0.01),
}  # fmt: skip
_RIGHT = {2: 1, 5: 4, 8: 7, 11: 10, 14: 13, 17: 16, 19: 18, 21: 20, 23: 22}
_OFFSETS = tuple(
    (0.0, 0.0, 0.0) if j == 0 else _LEFT_AND_MIDDLE[j] if j not in _RIGHT else
    (-_LEFT_AND_MIDDLE[_RIGHT[j]][0], *_LEFT_AND_MIDDLE[_RIGHT[j]][1:])
    for j in range(24)
)  # fmt: skip


def _ancestors(joint: int) -> set[int]:
    return set() if joint < 0 else {joint} | _ancestors(SMPL_PARENTS[joint])


# Ancestors one, two and four joints up; the pelvis, which does not turn here, stands for all beyond it.
_UP = [tuple(max(p, 0) for p in SMPL_PARENTS)]
_UP += [tuple(_UP[0][p] for p in _UP[0])]
_UP += [tuple(_UP[1][p] for p in _UP[1])]
# Which bones lead from the pelvis to a joint.
_ON_THE_WAY = tuple(tuple(float(j in _ancestors(k)) for j in range(24)) for k in range(24))


def pelvis_frame_positions(rotations: Tensor) -> Tensor:
    """Parent-relative rotations [..., 24, 3, 3] -> joint positions [..., 24, 3], metres; rotation 0 is ignored.

    Products of rotations along the tree are doubled in length three times (its depth is eight) instead of going joint by
    joint, and all bones are added up at once: few operations, which is what counts on a GPU.
    """
    device, dtype = rotations.device, rotations.dtype
    pelvis = torch.eye(3, dtype=dtype, device=device).expand_as(rotations[..., :1, :, :])
    turned = torch.cat((pelvis, rotations[..., 1:, :, :]), -3)
    for up in _UP:
        turned = turned.index_select(-3, table(up, device)) @ turned
    parents = turned.index_select(-3, table(_UP[0], device))
    bones = (parents @ table(_OFFSETS, device, dtype)[..., None])[..., 0]
    return torch.einsum("kj,...jc->...kc", table(_ON_THE_WAY, device, dtype), bones)


#: Joint -> (the joint it bends next to it, the axis that bends about at rest): hips and knees, shoulders and elbows.
_HINGES = {1: (7, (1.0, 0, 0)), 2: (8, (1.0, 0, 0)), 16: (20, (0, -1.0, 0)), 17: (21, (0, 1.0, 0))}
#: How much a limb's twist is held at none against what its bend shows (the sine of it).
_STRAIGHT = 0.1


def rotations_from_joints(joints: Tensor) -> Tensor:
    """Joint positions [..., 22, 3] (metres, y up, SMPL's first 22) -> rotations [..., 24, 3, 3] that point the bones so.

    Lengths of bones play no part. Pelvis and chest are turned by least squares onto their three bones, other joints as
    little as possible. How far upper arms and thighs are twisted shows in the plane that elbow or knee bends in. Joints
    without a bone beyond them (head, wrists, feet) keep their rest rotation.
    """
    offsets = table(_OFFSETS, joints.device, joints.dtype)
    identity = torch.eye(3, dtype=joints.dtype, device=joints.device)
    children: dict[int, list[int]] = {}
    for child in range(1, joints.shape[-2]):
        children.setdefault(SMPL_PARENTS[child], []).append(child)
    turn: list[Tensor] = []
    for joint in range(24):
        above = turn[SMPL_PARENTS[joint]] if joint else identity.expand(*joints.shape[:-2], 3, 3)
        bones = children.get(joint, [])
        if not bones:
            turn.append(above)
            continue
        seen = torch.nn.functional.normalize(joints[..., bones, :] - joints[..., joint, None, :], dim=-1)
        rest = torch.nn.functional.normalize(offsets[bones], dim=-1)
        if len(bones) > 1:
            turn.append(roma.rigid_vectors_registration(rest.expand_as(seen), seen))
            continue
        now = _shortest_turn((above @ rest[0, :, None])[..., 0], seen[..., 0, :]) @ above
        if joint in _HINGES:
            end, axis = _HINGES[joint]
            beyond = torch.nn.functional.normalize(joints[..., end, :] - joints[..., bones[0], :], dim=-1)
            straight = torch.nn.functional.normalize(offsets[end], dim=-1)
            bent = beyond - (now @ straight[:, None])[..., 0]
            now = _twisted(now, seen[..., 0, :], bent, (now @ joints.new_tensor(axis)[:, None])[..., 0])
        turn.append(now)
    world = torch.stack(turn, -3)
    parents = torch.stack([identity.expand_as(turn[0]), *(turn[p] for p in SMPL_PARENTS[1:])], -3)
    return parents.mT @ world


def _shortest_turn(start: Tensor, end: Tensor) -> Tensor:
    """The smallest rotation [..., 3, 3] that takes unit vectors [..., 3] to others."""
    axis = torch.linalg.cross(start, end)
    cross = _skew(axis)
    cosine = (start * end).sum(-1)[..., None, None]
    return torch.eye(3, dtype=start.dtype, device=start.device) + cross + cross @ cross / (1 + cosine).clamp(min=1e-6)


def _skew(vector: Tensor) -> Tensor:
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), -1).unflatten(-1, (3, 3))


def _twisted(turn: Tensor, bone: Tensor, bent: Tensor, axis: Tensor) -> Tensor:
    """Turn about a bone so that ``axis`` comes nearest to the normal of the plane in which the next bone ``bent``."""
    normal = torch.linalg.cross(bone, bent)  # as long as the sine of the bend
    along = (normal * axis).sum(-1) + _STRAIGHT
    aside = (normal * torch.linalg.cross(bone, axis)).sum(-1)
    return roma.rotvec_to_rotmat(torch.atan2(aside, along)[..., None] * bone) @ turn
