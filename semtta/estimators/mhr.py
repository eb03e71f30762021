"""SAM 3D Body's results: MHR keypoints -> SMPL's rotations. Its own pose parameters are of another skeleton and not used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..constants import SMPL24
from ..errors import SemttaError
from ..geometry import rotations_from_joints

#: SMPL's joints as means of MHR's 70 keypoints; "Hips" is the middle of the hips.
_MEANS = {
    "Hips": (9, 10), "L_Hip": (9,), "R_Hip": (10,), "L_Knee": (11,), "R_Knee": (12,), "L_Ankle": (13,), "R_Ankle": (14,),
    "L_Foot": (15, 16), "R_Foot": (18, 19), "Neck": (69,), "Head": (3, 4), "L_Shoulder": (5,), "R_Shoulder": (6,),
    "L_Elbow": (7,), "R_Elbow": (8,), "L_Wrist": (62,), "R_Wrist": (41,),
}  # fmt: skip
#: Joints that no keypoint is at: where they lie among others on SMPL's mean skeleton at rest.
_MIXED: dict[str, dict[str, float]] = {
    **{name: {"Hips": 1 - share, "Neck": share} for name, share in
       (("Pelvis", 0.15), ("Spine1", 0.333), ("Spine2", 0.55), ("Spine3", 0.65))},
    **{f"{side}_Collar": {"Neck": 0.449, f"{side}_Shoulder": 0.444, "Hips": 0.107} for side in "LR"},
}  # fmt: skip
_POINTS, _PLACE, _FOCAL = "pred_keypoints_3d", "pred_cam_t", "focal_length"


@dataclass(frozen=True)
class Sam3d:
    """One person in n frames."""

    frames: Tensor  # [n]
    rotations: Tensor  # [n, 24, 3, 3]
    translation: Tensor  # [n, 3] of the pelvis, metres, camera frame
    focal_px: Tensor  # [n]
    length: int


def is_sam3d(content: Any) -> bool:
    """Whether it is a list (or mapping) over frames of what the model says of an image: a list of dictionaries."""
    frames = _frames(content)
    return any(frames) and all(
        isinstance(one, Mapping) and ("mhr_model_params" in one or _POINTS in one) for f in frames for one in f
    )


def _frames(content: Any) -> list[Sequence[Any]]:
    """The people of each frame; empty for anything else."""
    if isinstance(content, np.ndarray) and content.dtype == object:
        content = content.tolist()
    if isinstance(content, Mapping):
        content = [content[key] for key in sorted(content, key=str)]
    if not isinstance(content, (list, tuple)):
        return []
    frames = [[item] if isinstance(item, Mapping) else item for item in content]
    return frames if all(isinstance(frame, (list, tuple)) for frame in frames) else []


def from_sam3d(content: Any) -> Sam3d:
    """The one person of each frame; SemttaError where a frame has several, or a file has parameters without keypoints."""
    frames = _frames(content)
    if any(len(people) > 1 for people in frames):
        raise SemttaError("SAM 3D Body's results do not say who is who from frame to frame: keep one person a frame.")
    rows = [(number, people[0]) for number, people in enumerate(frames) if people]
    if not all(key in one for _, one in rows for key in (_POINTS, _PLACE, _FOCAL)):
        raise SemttaError(
            f"MHR parameters of SAM 3D Body are of another skeleton and are not read: keep {_POINTS}, {_PLACE} and {_FOCAL}."
        )
    stack = {
        key: torch.from_numpy(np.stack([np.asarray(one[key], dtype=np.float32).squeeze() for _, one in rows]))
        for key in (_POINTS, _PLACE, _FOCAL)
    }
    joints = smpl_joints(stack[_POINTS])
    numbers = torch.tensor([number for number, _ in rows])
    return Sam3d(numbers, rotations_from_joints(joints), stack[_PLACE] + joints[:, 0], stack[_FOCAL].view(-1), len(frames))


def smpl_joints(points: Tensor) -> Tensor:
    """MHR's keypoints [n, 70, 3] -> SMPL's first 22 joints [n, 22, 3], where they lie on MHR's body."""
    if points.shape[-2] != 70:
        raise SemttaError(f"{_POINTS} has {points.shape[-2]} points: expected MHR's 70.")
    found = {name: points[:, list(rows)].mean(1) for name, rows in _MEANS.items()}
    for name, mix in _MIXED.items():
        found[name] = torch.stack([share * found[other] for other, share in mix.items()]).sum(0)
    return torch.stack([found[name] for name in SMPL24[:22]], 1)
