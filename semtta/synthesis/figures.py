"""The body model for the renderer: numpy arrays in, posed surface and joints out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from .. import body as bodies
from ..constants import SMPL29
from ..geometry import axis_angle_to_matrix
from .appearance import Anatomy, anatomy

Array = NDArray[np.floating]

#: Rotation from the world (y up, the zero pose facing +z) to a level camera looking along -z (x right, y down, z forward).
WORLD_TO_CAMERA = np.diag((1.0, -1.0, -1.0))


@dataclass(frozen=True)
class Figure:
    """A body model with what is needed to dress and draw it."""

    body: bodies.Body
    faces: NDArray[np.int32]  # [F, 3]
    face_part: NDArray[np.int64]  # [F] the SMPL joint that moves each face most
    anatomy: Anatomy

    def vertices(self, axis_angle: Array, betas: Array) -> Array:
        """Poses [N, 24, 3] and betas [N, 10] -> vertices [N, V, 3], metres from the pelvis joint."""
        with torch.inference_mode():
            rotations, shape = axis_angle_to_matrix(torch.from_numpy(axis_angle)), torch.from_numpy(betas)
            return (self.body.vertices(rotations, shape) - self._pelvis(shape)).numpy()

    def joints(self, axis_angle: Array, betas: Array, joint_set: str = "smpl29") -> Array:
        """Poses [N, 24, 3] and betas [N, 10] -> joints [N, J, 3], metres from the pelvis joint."""
        with torch.inference_mode():
            rotations, shape = axis_angle_to_matrix(torch.from_numpy(axis_angle)), torch.from_numpy(betas)
            return (self.body.keypoints(rotations, shape, joint_set) - self._pelvis(shape)).numpy()

    def rest_pelvis(self, betas: Array) -> Array:
        """Rest position [N, 3] of the pelvis joint for betas [N, 10], metres: the centre of the global rotation."""
        return self._pelvis(torch.from_numpy(betas))[:, 0].numpy()

    def _pelvis(self, betas: torch.Tensor) -> torch.Tensor:
        return self.body.rest_joints(betas)[:, :1]


@lru_cache(maxsize=2)
def load_figure(name: str = "open") -> Figure:
    """The figure for a body model of ``semtta.body``, by name."""
    body = bodies.load(name)
    rest = torch.eye(3).expand(24, 3, 3)
    points = body.keypoints(rest, torch.zeros(10), "smpl29").numpy()
    nose = SMPL29.index("Nose")
    parts = anatomy(
        body.v_template.numpy(), body.lbs_weights.numpy(), points[:24], points[nose], points[nose + 1 : nose + 3]
    )  # fmt: skip
    faces = body.faces.numpy().astype(np.int32)
    return Figure(body, faces, parts.part[faces[:, 0]], parts)
