"""SMPL-H and SMPL-X from the user's licensed files, through the package ``smplx``: their bodies, with hands and face at rest."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch

from ..constants import SMPL_PARENTS
from ..errors import SemttaError, missing_extra
from .base import NUM_BETAS, NUM_JOINTS, Body
from .smpl import MODELS, SMPL, VERTICES, WITH_HANDS, gender, model_sizes, smpl_arrays

log = logging.getLogger(__name__)

#: Joints that these models share with SMPL: pelvis to wrists.
BODY_JOINTS = 22
#: Stand-ins for SMPL's L_Hand and R_Hand, which lie at the knuckles: the base joints of the middle fingers.
HAND_JOINTS = ("left_middle1", "right_middle1")
#: Our names of the points of face and feet -> smplx's vertex names.
_VERTEX_NAMES = {
    "Nose": "nose", "L_Eye": "leye", "R_Eye": "reye", "L_Ear": "lear", "R_Ear": "rear", "L_BigToe": "LBigToe",
    "L_SmallToe": "LSmallToe", "L_Heel": "LHeel", "R_BigToe": "RBigToe", "R_SmallToe": "RSmallToe", "R_Heel": "RHeel",
}  # fmt: skip


class SMPLHX(SMPL):
    """SMPL-H (Romero et al. 2017; 6890 vertices, 52 joints) or SMPL-X (Pavlakos et al. 2019; 10475 vertices, 55 joints).

    Its 24 joints are the model's 22 body joints and, for SMPL's hands, the middle fingers' base joints. Fingers, jaw and
    eyes stay at rest (flat hands, neutral face): they move with wrist and head, and the rotations 22 and 23 move nothing.
    Betas are the model's first ten; SMPL-X's are not SMPL's. ``keypoints`` works as for SMPL, with SMPL-X's own vertices
    of face and feet; a regressor needs the model's own number of vertices.
    """

    def __init__(self, arrays: Mapping[str, Any], name: str = "", **options: Any) -> None:
        """Build from the arrays of a model file, under the file's own names. Without smplx the SemttaError names the extra."""
        data = smpl_arrays(arrays)
        vertices, joints = model_sizes(data)
        if WITH_HANDS.get(joints) != vertices:
            raise SemttaError(f"Neither SMPL-H nor SMPL-X: {vertices} vertices and {joints} joints.")
        model, names, vertex_ids = _through_smplx(data, joints)
        parents = model.parents.tolist()
        if parents[1:BODY_JOINTS] != list(SMPL_PARENTS[1:BODY_JOINTS]) or not all(0 <= parents[j] < j for j in range(1, joints)):
            raise SemttaError(f"Not {MODELS[joints]}'s kinematic tree: the joints have other parents.")
        carrier: list[int] = []  # the body joint with which each joint moves
        for joint in range(joints):
            carrier.append(joint if joint < BODY_JOINTS else carrier[parents[joint]])
        taken = [*range(BODY_JOINTS), *(names.index(hand) for hand in HAND_JOINTS)]
        if [carrier[joint] for joint in taken[BODY_JOINTS:]] != list(SMPL_PARENTS[BODY_JOINTS:]):
            raise SemttaError(f"Not {MODELS[joints]}'s kinematic tree: the hands are not at the wrists.")
        weights = torch.zeros(vertices, NUM_JOINTS, dtype=torch.float64)
        posedirs = model.posedirs.unflatten(1, (vertices, 3)).permute(1, 2, 0)[..., : 9 * (BODY_JOINTS - 1)]
        Body.__init__(
            self,
            name or _short(joints),
            v_template=model.v_template,
            shapedirs=model.shapedirs,
            faces=model.faces_tensor,
            lbs_weights=weights.index_add_(1, torch.tensor(carrier), model.lbs_weights),
            J_regressor=model.J_regressor[taken],
            posedirs=torch.nn.functional.pad(posedirs, (0, 9 * (NUM_JOINTS - BODY_JOINTS))),
            **options,
        )
        self.landmarks = VERTICES if _short(joints) == "smplh" else {k: vertex_ids[v] for k, v in _VERTEX_NAMES.items()}
        log.warning("%s is %s: its hands and face stay at rest, their rotations are ignored.", self.name, MODELS[joints])

    @classmethod
    def name_of(cls, path: Path, arrays: Mapping[str, Any]) -> str:
        """ "smplh" or "smplx", with "-male" or "-female" according to the name of the file or its folder."""
        kind = _short(model_sizes(smpl_arrays(arrays))[1])
        found = next((g for g in (gender(path), gender(path.parent)) if g != "neutral"), "neutral")
        return kind if found == "neutral" else f"{kind}-{found}"


def _short(joints: int) -> str:
    return MODELS[joints].replace("-", "").lower()


def _through_smplx(data: Mapping[str, Any], joints: int) -> tuple[Any, list[str], Mapping[str, int]]:
    """The model as built by smplx (float64), its joint names, and its vertices of face and feet.

    ``smplx.SMPL`` covers what all models of the family share. smplx's classes for SMPL-H and SMPL-X need arrays of the hands,
    which not every file has, and the one for SMPL-X reads the file itself, executing the pickle in it.
    """
    try:
        import smplx
        from smplx.joint_names import JOINT_NAMES, SMPLH_JOINT_NAMES
        from smplx.utils import Struct
        from smplx.vertex_ids import vertex_ids
    except ImportError as error:
        raise missing_extra(f"Reading a file of {MODELS[joints]}", "smpl", error) from error
    kind = _short(joints)
    options = {f"create_{part}": False for part in ("betas", "global_orient", "body_pose", "transl")}
    with redirect_stdout(io.StringIO()):  # it prints a note on the number of coefficients
        model = smplx.SMPL(
            "", data_struct=Struct(**data), num_betas=NUM_BETAS, vertex_ids=vertex_ids[kind], dtype=torch.float64, **options
        )
    return model, SMPLH_JOINT_NAMES if kind == "smplh" else JOINT_NAMES, vertex_ids[kind]
