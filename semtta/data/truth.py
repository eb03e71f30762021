"""Ground truth of a clip from the file that this project writes (``ground_truth.npz``)."""

from __future__ import annotations

from pathlib import Path

import torch

from ..geometry import axis_angle_to_matrix
from ..io.arrays import read_npz
from ..io.files import reading
from ..types import BodyParams, Camera, GroundTruth


def load_truth(path: str | Path) -> GroundTruth:
    """The ground truth in a ``ground_truth.npz``; raises SemttaError for a file of another kind."""
    with reading(path, "a clip's ground truth"):
        data = read_npz(Path(path))
        poses = torch.from_numpy(data["poses"]).float().unflatten(-1, (24, 3))
        betas, trans = (torch.from_numpy(data[key]).float() for key in ("betas", "trans"))
        params = BodyParams(axis_angle_to_matrix(poses), betas.expand(len(poses), -1), trans)
        joints, visible = torch.from_numpy(data["joints"]), torch.from_numpy(data["visible"])
        camera = Camera(float(data["focal_px"]), (float(data["center_px"][0]), float(data["center_px"][1])))
        if joints.shape != (len(poses), 24, 3) or visible.shape != joints.shape[:2] or trans.shape != (len(poses), 3):
            raise ValueError("its arrays are not of one clip")
        return GroundTruth(joints, "smpl24", params, visible, body=str(data["body"]), camera=camera)
