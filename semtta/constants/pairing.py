"""2D joints of one set as those of another."""

from __future__ import annotations

import torch
from torch import Tensor

from .joint_sets import MIDPOINTS, joint_set, shared_joints
from .tensors import table


def paired_by_name(xy: Tensor, confidence: Tensor, source: str, target: str) -> tuple[Tensor, Tensor]:
    """Joints xy [T, J, 2] and confidence [T, J] of the set ``source`` as those of ``target`` with the same names; else 0.

    Joints of ``MIDPOINTS`` that the source lacks are the middle of their neighbours, with the smaller of their confidences.

    >>> xy, confidence = paired_by_name(torch.arange(34.0).view(1, 17, 2), torch.ones(1, 17), "coco17", "body25")
    >>> xy[0, :2].tolist()  # the nose, and the neck between the shoulders
    [[0.0, 1.0], [11.0, 12.0]]
    """
    names, (own, theirs) = joint_set(target), shared_joints(source, target)
    rows, places = table(tuple(own), xy.device), table(tuple(theirs), xy.device)
    points = xy.new_zeros(len(xy), len(names), 2).index_copy(1, places, xy.index_select(1, rows))
    weight = confidence.new_zeros(len(xy), len(names)).index_copy(1, places, confidence.index_select(1, rows))
    for name, (left, right) in MIDPOINTS.items():
        if name in names and name not in joint_set(source):
            a, b, c = names.index(left), names.index(right), names.index(name)
            points[:, c] = (points[:, a] + points[:, b]) / 2
            weight[:, c] = torch.minimum(weight[:, a], weight[:, b])
    return points, weight
