"""Joint positions in the pelvis frame from rotations alone, on a fixed average skeleton.

A prior has no shape parameters, so it measures motion on one skeleton: round numbers of a 1.73 m adult in SMPL's T-pose
(metres, y up, facing +z, left on +x).
"""

from __future__ import annotations

import torch
from torch import Tensor

from .skeletons import SMPL_PARENTS

# Offset of each joint from its parent, metres; the right side mirrors the left.
_LEFT_AND_MIDDLE = {
    1: (0.07, -0.09, 0.0), 3: (0.0, 0.11, -0.02), 4: (0.03, -0.39, 0.0), 6: (0.0, 0.13, 0.02), 7: (-0.01, -0.41, -0.03),
    9: (0.0, 0.06, 0.0), 10: (0.03, -0.06, 0.12), 12: (0.0, 0.21, -0.03), 13: (0.08, 0.12, -0.02),
    15: (0.0, 0.09, 0.05),
    16: (0.10, 0.03, -0.01), 18: (0.26, 0.0, -0.02), 20: (0.25, 0.0, 0.0),
    22: (0.085, 0.0, -0.01),
}  # fmt: skip
_RIGHT = {2: 1, 5: 4, 8: 7, 11: 10, 14: 13, 17: 16, 19: 18, 21: 20, 23: 22}
_OFFSETS = [
    (0.0, 0.0, 0.0) if j == 0 else _LEFT_AND_MIDDLE[j] if j not in _RIGHT else
    (-_LEFT_AND_MIDDLE[_RIGHT[j]][0], *_LEFT_AND_MIDDLE[_RIGHT[j]][1:])
    for j in range(24)
]  # fmt: skip
# Joints of equal depth in the tree are computed together.
_LEVELS = ((1, 2, 3), (4, 5, 6), (7, 8, 9), (10, 11, 12, 13, 14), (15, 16, 17), (18, 19), (20, 21), (22, 23))


def pelvis_frame_positions(rotations: Tensor) -> Tensor:
    """Parent-relative rotations [..., 24, 3, 3] -> joint positions [..., 24, 3], metres; rotation 0 is ignored."""
    offsets = rotations.new_tensor(_OFFSETS)
    origin = rotations.new_zeros(*rotations.shape[:-3], 3)
    turn = {0: torch.eye(3, dtype=rotations.dtype, device=rotations.device).expand(*origin.shape, 3)}
    place = {0: origin}
    for level in _LEVELS:
        parents = [SMPL_PARENTS[j] for j in level]
        above = torch.stack([turn[p] for p in parents], -3)
        here = torch.stack([place[p] for p in parents], -2) + (above @ offsets[list(level), :, None])[..., 0]
        turned = above @ rotations[..., list(level), :, :]
        for i, joint in enumerate(level):
            turn[joint], place[joint] = turned[..., i, :, :], here[..., i, :]
    return torch.stack([place[j] for j in range(24)], -2)
