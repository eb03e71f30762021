"""The free body: SMPL's format, made from MakeHuman's CC0 data by scripts/build_open_body.py."""

from __future__ import annotations

import json
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..constants import SMPL24
from ..constants import joint_set as names_of
from ..errors import SemttaError
from ..io.arrays import read_npz
from .base import NUM_JOINTS, Body

#: Joints that are not a point of the asset with the same name -> the points whose mean they are.
MEANS = {
    ("body25", "Neck"): ("coco:L_Shoulder", "coco:R_Shoulder"),
    ("coco18", "Neck"): ("coco:L_Shoulder", "coco:R_Shoulder"),
    ("body25", "Pelvis"): ("coco:L_Hip", "coco:R_Hip"),
    ("h36m17", "Torso"): ("smpl:Spine2", "smpl:Spine3"),
    ("h36m17", "Head_Top"): ("head_top",),
}


class OpenBody(Body):
    """The ``open`` body: about 6,000 vertices, no pose blend shapes, adults only.

    Its joint sets: ``smpl24`` are the kinematic joints; ``smpl29`` those and the face; ``coco17``, ``coco18`` and
    ``body25`` are keypoints of COCO's definition; ``h36m17`` are the joints as regressed from posed vertices.
    It is not SMPL: betas, joint offsets and surface differ, so its numbers are not comparable with SMPL's.

    Args:
        path: a file in the asset's format; the included one by default.
    """

    meta: dict[str, Any]

    def __init__(self, path: str | Path | None = None, name: str = "open", dtype: torch.dtype = torch.float32) -> None:
        source = files("semtta") / "assets" / "open_body.npz" if path is None else Path(path)
        with as_file(source) as file:
            arrays = read_npz(file)
        try:
            weights = arrays["lbs_weights"].astype(np.float64)  # float16 in the file
            super().__init__(
                name,
                v_template=arrays["v_template"],
                shapedirs=arrays["shapedirs"],
                faces=arrays["faces"].astype(np.int64),
                lbs_weights=weights / weights.sum(1, keepdims=True),
                J_regressor=_normalised(arrays["J_regressor"]),
                dtype=dtype,
            )
            self.meta = json.loads(str(arrays["meta"]))
            names, rows = arrays["regressor_names"].tolist(), torch.as_tensor(_normalised(arrays["regressors"]))
        except (OSError, ValueError, KeyError) as error:
            raise SemttaError(
                f"{source} is not a body in the open format ({error}): build it with scripts/build_open_body.py."
            ) from error
        self._points = dict(zip(names, rows, strict=True))

    def regressor(self, joint_set: str) -> Tensor:
        if joint_set in self._regressors or joint_set == "smpl24":
            return super().regressor(joint_set)
        try:
            return torch.stack([self._row(joint_set, name) for name in names_of(joint_set)])
        except KeyError:
            return super().regressor(joint_set)  # which says that it has none

    def _row(self, joint_set: str, name: str) -> Tensor:
        """Weights [24+V] of one joint of a joint set."""
        row = torch.zeros(NUM_JOINTS + self.num_vertices, dtype=torch.float64)
        if joint_set == "smpl29" and name in SMPL24:
            row[SMPL24.index(name)] = 1
            return row
        kind = "smpl" if joint_set == "h36m17" and name in SMPL24 else "coco"
        points = MEANS.get((joint_set, name), (f"{kind}:{name}",))
        row[NUM_JOINTS:] = torch.stack([self._points[point] for point in points]).mean(0)
        return row


def _normalised(rows: np.ndarray) -> np.ndarray:
    return rows.astype(np.float64) / rows.astype(np.float64).sum(1, keepdims=True)
