"""SMPL's kinematic tree as tables, and the average skeleton.

Priors and generators have no shape parameters, so they measure motion on one skeleton: round numbers of a 1.73 m adult in
SMPL's T-pose (metres, y up, facing +z, left on +x). All tables are tuples; ``constants.table`` puts them on a device.
"""

from __future__ import annotations

import math

from ..constants import SMPL_PARENTS

_LEFT_AND_MIDDLE = {
    1: (0.07, -0.09, 0.0), 3: (0.0, 0.11, -0.02), 4: (0.03, -0.39, 0.0), 6: (0.0, 0.13, 0.02), 7: (-0.01, -0.41, -0.03),
    9: (0.0, 0.06, 0.0), 10: (0.03, -0.06, 0.12), 12: (0.0, 0.21, -0.03), 13: (0.08, 0.12, -0.02),
    15: (0.0, 0.09, 0.05),
    16: (0.10, 0.03, -0.01), 18: (0.26, 0.0, -0.02), 20: (0.25, 0.0, 0.0),
    22: (0.085, 0.0, -0.01),
}  # fmt: skip
_RIGHT = {2: 1, 5: 4, 8: 7, 11: 10, 14: 13, 17: 16, 19: 18, 21: 20, 23: 22}


def _offset(joint: int) -> tuple[float, float, float]:
    if joint in _RIGHT:  # the mirror image of the left
        x, y, z = _LEFT_AND_MIDDLE[_RIGHT[joint]]
        return -x, y, z
    return _LEFT_AND_MIDDLE.get(joint, (0.0, 0.0, 0.0))


def _chain(joint: int) -> set[int]:
    """The joint and all its ancestors."""
    return set() if joint < 0 else {joint} | _chain(SMPL_PARENTS[joint])


#: Each joint's offset from its parent in the T-pose, 24 x 3, metres; 0 for the pelvis.
OFFSETS = tuple(_offset(joint) for joint in range(24))

#: The same as unit vectors: where each bone points in the T-pose; 0 for the pelvis.
DIRECTIONS = tuple(tuple(x / (math.hypot(*offset) or 1.0) for x in offset) for offset in OFFSETS)

#: Children of each joint.
CHILDREN = tuple(tuple(child for child in range(24) if SMPL_PARENTS[child] == joint) for joint in range(24))

#: 24 x 24: 1 where the bone that ends in the column's joint lies between the pelvis and the row's joint.
CHAINS = tuple(tuple(float(bone in _chain(joint)) for bone in range(24)) for joint in range(24))

_PARENTS = tuple(max(parent, 0) for parent in SMPL_PARENTS)
_GRANDPARENTS = tuple(_PARENTS[p] for p in _PARENTS)
#: The ancestors one, two and four joints up the tree; the pelvis is its own ancestor.
ANCESTORS = (_PARENTS, _GRANDPARENTS, tuple(_GRANDPARENTS[p] for p in _GRANDPARENTS))

#: Hips and shoulders: joint -> (ankle or wrist, the hinge axis of knee or elbow in the T-pose).
HINGES = {1: (7, (1.0, 0.0, 0.0)), 2: (8, (1.0, 0.0, 0.0)), 16: (20, (0.0, -1.0, 0.0)), 17: (21, (0.0, 1.0, 0.0))}
