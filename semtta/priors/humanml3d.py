"""HumanML3D's 263 motion features (Guo et al., CVPR 2022), differentiable in the joints.

Per frame: turn of the body about y, its velocity in x and z, height of the pelvis, 21 joint positions, 21 local rotations
(found from the positions: the least turn of each bone from a rest direction), 22 joint velocities, all in the body's own
heading, and four foot contacts. The first frame faces +z, y is up. A feature of velocity takes two frames: T frames give T - 1.
"""

from __future__ import annotations

import torch
from einops import pack, rearrange
from torch import Tensor
from torch.nn import functional as F

from ..constants import SMPL_PARENTS
from ..geometry import matrix_to_6d

JOINTS, FEATURES = 22, 263
#: Lengths of the bones 1 to 21 of the skeleton that all motions are put on, metres.
BONES = (
    0.103074, 0.1098834, 0.1315682, 0.3936232, 0.3901882, 0.1431902, 0.4324331, 0.4256433, 0.0573647, 0.1433818, 0.1494191,
    0.2193601, 0.1374868, 0.1433828, 0.1030392, 0.131614, 0.1229844, 0.25684, 0.2630917, 0.2660117, 0.2698764,
)  # fmt: skip
_X, _Y, _Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


def _minus(axis: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(-value for value in axis)


#: Rest direction of each bone.
_REST = (
    _X, _minus(_X), _Y, _minus(_Y), _minus(_Y), _Y, _minus(_Y), _minus(_Y), _Y, _Z, _Z, _Y, _X, _minus(_X), _Z,
    *(_minus(_Y) for _ in range(6)),
)  # fmt: skip
#: Joints whose bone hangs on another bone of the same chain; the others' local rotation is relative to the root's.
_CHAINS = ((0, 2, 5, 8, 11), (0, 1, 4, 7, 10), (0, 3, 6, 9, 12, 15), (9, 14, 17, 19, 21), (9, 13, 16, 18, 20))
_ABOVE = {chain[i + 1]: chain[i] if i else 0 for chain in _CHAINS for i in range(len(chain) - 1)}
_LEFT_FOOT, _RIGHT_FOOT, _CONTACT = (7, 10), (8, 11), 0.002
_SMOOTHING, _RADIUS = 20.0, 80


def features(joints: Tensor) -> Tensor:
    """Joints [B, T, 22, 3] (SMPL's first 22, metres, y up) at 20 fps -> features [B, T - 1, 263], not normalised."""
    joints = _first_facing_z(_on_skeleton(joints[..., :JOINTS, :]))
    forward = _heading(joints)
    root = _between(forward, forward.new_tensor(_Z).expand_as(forward))  # [B, T, 3, 3]
    root = torch.cat((torch.eye(3, dtype=root.dtype, device=root.device).expand_as(root[:, :1]), root[:, 1:]), 1)
    local = _local_rotations(joints, root)
    flat = joints.new_tensor((1.0, 0.0, 1.0))
    placed = (root[:, :, None] @ (joints - joints[:, :, :1] * flat)[..., None])[..., 0]
    moved = joints[:, 1:] - joints[:, :-1]
    speed = (root[:, 1:] @ moved[:, :, 0, :, None])[..., 0]
    # As a quaternion the root's turn has half the angle, and so do its differences here.
    half = torch.atan2(root[..., 0, 2], root[..., 0, 0]) / 2
    half = torch.asin((half[:, 1:] - half[:, :-1]).sin())
    velocities = (root[:, :-1, None] @ moved[..., None])[..., 0]
    contact = (moved.square().sum(-1) < _CONTACT).to(joints)
    parts = (
        half, speed[..., [0, 2]], placed[:, :-1, 0, 1], placed[:, :-1, 1:], matrix_to_6d(local[:, :-1], "columns"), velocities,
        contact[..., list(_LEFT_FOOT)], contact[..., list(_RIGHT_FOOT)],
    )  # fmt: skip
    return pack(parts, "b t *")[0]


def _unit(vectors: Tensor) -> Tensor:
    return F.normalize(vectors, dim=-1, eps=1e-12)


def _directions(joints: Tensor) -> Tensor:
    """Unit directions of the bones 1 to 21: [B, T, 21, 3]."""
    return _unit(joints[..., 1:, :] - joints[..., list(SMPL_PARENTS[1:JOINTS]), :])


def _on_skeleton(joints: Tensor) -> Tensor:
    """The same directions with the standard lengths, the root's path scaled like the leg."""
    lengths = joints.new_tensor(BONES)
    own = (joints[:, 0, [5, 8]] - joints[:, 0, [2, 5]]).norm(dim=-1).sum(-1)
    scale = (lengths[4] + lengths[7]) / own
    bones = _directions(joints) * lengths[:, None]
    places = [joints[:, :, 0] * scale[:, None, None]]
    for joint in range(1, JOINTS):
        places.append(places[SMPL_PARENTS[joint]] + bones[:, :, joint - 1])
    return torch.stack(places, 2)


def _first_facing_z(joints: Tensor) -> Tensor:
    """On the floor, at the origin, and turned as a whole so that the first frame faces +z."""
    lowest = joints[..., 1].amin((1, 2))
    first = joints[:, 0]
    shift = torch.stack((first[:, 0, 0], lowest, first[:, 0, 2]), -1)
    across = _unit(first[:, 2] - first[:, 1] + first[:, 17] - first[:, 16])
    forward = _unit(torch.linalg.cross(across.new_tensor(_Y).expand_as(across), across))
    turn = _between(forward, forward.new_tensor(_Z).expand_as(forward))
    return ((joints - shift[:, None, None])[..., None, :] @ turn[:, None, None].mT)[..., 0, :]


def _heading(joints: Tensor) -> Tensor:
    """Smoothed direction that the body faces, [B, T, 3].

    The hips enter with the other sign than the shoulders: so do the features that TMR was trained on.
    """
    across = _unit(joints[:, :, 1] - joints[:, :, 2] + joints[:, :, 17] - joints[:, :, 16])
    forward = torch.linalg.cross(across.new_tensor(_Y).expand_as(across), across)
    offset = torch.arange(-_RADIUS, _RADIUS + 1, device=joints.device, dtype=joints.dtype)
    kernel = (-0.5 * (offset / _SMOOTHING).square()).exp()
    kernel = (kernel / kernel.sum())[None, None]
    padded = F.pad(rearrange(forward, "b t xyz -> (b xyz) 1 t"), (_RADIUS, _RADIUS), mode="replicate")
    return _unit(rearrange(F.conv1d(padded, kernel), "(b xyz) 1 t -> b t xyz", xyz=3))


def _between(source: Tensor, target: Tensor) -> Tensor:
    """The least rotation [..., 3, 3] that takes unit vectors [..., 3] to others."""
    axis = torch.linalg.cross(source, target)
    cosine = (source * target).sum(-1)[..., None, None]
    x, y, z = axis.unbind(-1)
    zero = torch.zeros_like(x)
    skew = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), -1).unflatten(-1, (3, 3))
    return torch.eye(3, dtype=source.dtype, device=source.device) + skew + skew @ skew / (1 + cosine).clamp(min=1e-6)


def _local_rotations(joints: Tensor, root: Tensor) -> Tensor:
    """Rotations [B, T, 21, 3, 3] of the bones relative to the bone above in their chain, or to the root."""
    directions = _directions(joints)
    turned = _between(directions.new_tensor(_REST).expand_as(directions), directions)
    above = torch.stack([root if _ABOVE[j] == 0 else turned[:, :, _ABOVE[j] - 1] for j in range(1, JOINTS)], 2)
    return above.mT @ turned
