"""Ground truth of a clip from the file that this project writes (``ground_truth.npz``)."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch

from ..errors import SemttaError
from ..geometry import axis_angle_to_matrix
from ..types import BodyParams, Camera, GroundTruth


def load_truth(path: str | Path) -> GroundTruth:
    """The ground truth in a ``ground_truth.npz``; raises SemttaError for a file of another kind."""
    try:
        with np.load(path, allow_pickle=False) as file:
            data = {key: file[key] for key in file.files}
        poses = torch.from_numpy(data["poses"]).float().unflatten(-1, (24, 3))
        betas, trans = (torch.from_numpy(data[key]).float() for key in ("betas", "trans"))
        params = BodyParams(axis_angle_to_matrix(poses), betas.expand(len(poses), -1), trans)
        joints, visible = torch.from_numpy(data["joints"]), torch.from_numpy(data["visible"])
        camera = Camera(float(data["focal_px"]), (float(data["center_px"][0]), float(data["center_px"][1])))
        return GroundTruth(joints, "smpl24", params, visible, body=str(data["body"]), camera=camera)
    except (OSError, ValueError, KeyError, RuntimeError, BadZipFile) as error:
        raise SemttaError(f"{path} is not a clip's ground truth ({error}).") from error
