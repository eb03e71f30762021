"""The mesh for programs that pose it themselves: rest pose, joints, and a few skinning weights per vertex."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

INFLUENCES = 4


@dataclass(frozen=True)
class Skinning:
    """A mesh in the rest pose with its skinning weights: metres, y up, facing +z, left on +x."""

    vertices: NDArray[np.float32]  # [V, 3]
    normals: NDArray[np.float32]  # [V, 3]
    faces: NDArray[np.uint32]  # [F, 3]
    joints: NDArray[np.float32]  # [24, 3]
    influences: NDArray[np.uint8]  # [V, 4] joints that move each vertex, strongest first
    weights: NDArray[np.float32]  # [V, 4] their weights, which sum to 1


def skinning(body: Any, betas: Tensor) -> Skinning:
    """The mesh of the mean shape of ``betas`` [..., 10], each vertex bound to its four strongest joints."""
    from .rasterizer import vertex_normals

    with torch.no_grad():
        mean = betas.detach().to(body.v_template).reshape(-1, 10).mean(0)
        points = body.vertices(torch.eye(3).to(mean).expand(24, 3, 3), mean).float().cpu().numpy()
        joints = body.rest_joints(mean).float().cpu().numpy()
        weights, influences = body.lbs_weights.float().cpu().topk(INFLUENCES, dim=-1)
    weights = weights / weights.sum(-1, keepdim=True)
    influences = influences.where(weights > 0, 0)
    faces = body.faces.cpu().numpy().astype(np.uint32)
    normals = vertex_normals(points, faces)
    return Skinning(points, normals, faces, joints, influences.numpy().astype(np.uint8), weights.numpy())
