"""Evaluation protocols by name: joints, root, regressor, body and frames.

Two systems that report "MPJPE on 3DPW" may mean different quantities; each definition is recorded here as data, which
``semtta.metrics.evaluate`` follows. docs/datasets.md explains the differences.
"""

from __future__ import annotations

from dataclasses import replace

from ..constants import BODY25, H36M_EVALUATION, LIMBS12
from ..errors import SemttaError, unknown_name
from ..types import EvaluationProtocol

#: 3DPW's frames with a valid camera pose.
CAMPOSE_VALID = "campose_valid"
#: VIBE's frames on 3DPW: at least seven of the twelve limb joints are detected, whether or not the camera pose is valid.
LIMBS_SEEN = "more than 6 of the 12 limb joints detected with a confidence above 0.3"
#: Its boxes are SPIN's too.
SPIN = "3dpw/spin"
#: SPIN's frames on MPI-INF-3DHP.
INSIDE = "valid_frame, and all 17 joints inside the image"

_CYCLEADAPT = EvaluationProtocol(
    name="3dpw/cycleadapt",
    joint_set="h36m17",
    joints=H36M_EVALUATION,
    root="Pelvis",
    regressor="h36m",
    gender="annotated",
    frames=CAMPOSE_VALID,
    source="CycleAdapt (Nam et al., ICCV 2023), public code",
    max_beta=3.0,
    bodies=("smpl-male", "smpl-female"),
)
_3DHP = EvaluationProtocol(
    name="3dhp/boa",
    joint_set="h36m17",
    joints=None,
    root="Pelvis",
    regressor="annotated",
    gender="annotated",
    frames=INSIDE,
    source="BOA (Guan et al., CVPR 2021), public code: annot3",
    vertices="none",
)
_EGOBODY = replace(
    _CYCLEADAPT,
    name="egobody/h36m14",
    frames="valid_frame of the interactee, between start_frame and end_frame",
    source="this project: the paper gives no protocol; joints as on 3DPW",
    max_beta=None,
)
_ALL_SMPL = EvaluationProtocol(
    name="folder",
    joint_set="smpl24",
    joints=None,
    root="Pelvis",
    regressor="smpl24",
    gender="annotated",
    frames="all",
    source="this project",
)
#: Pairs of LIMBS12: upper arms, forearms, thighs, shins.
_LIMBS = tuple(
    (LIMBS12.index(f"{side}_{upper}"), LIMBS12.index(f"{side}_{lower}"))
    for side in "LR" for upper, lower in (("Shoulder", "Elbow"), ("Elbow", "Wrist"), ("Hip", "Knee"), ("Knee", "Ankle"))
)  # fmt: skip
_MULTIVIEW = EvaluationProtocol(
    name="multiview",
    joint_set="body25",
    joints=tuple(BODY25.index(name) for name in LIMBS12),
    root="midhip",
    regressor="annotated",
    gender="triangulated",
    frames="in which all twelve joints are triangulated",
    source="this project",
    vertices="none",
    limbs=_LIMBS,
)

PROTOCOLS: dict[str, EvaluationProtocol] = {
    item.name: item
    for item in (
        _CYCLEADAPT,
        replace(_CYCLEADAPT, name=SPIN, source="SPIN (Kolotouros et al., ICCV 2019), public code", max_beta=None),
        replace(
            _CYCLEADAPT, name="3dpw/vibe", root="midhip", gender="neutral", frames=LIMBS_SEEN, vertices="as is",
            source="VIBE (Kocabas et al., CVPR 2020), public code", max_beta=None, bodies=("smpl",),
        ),
        _3DHP,
        replace(_3DHP, name="3dhp/spin", source="SPIN (Kolotouros et al., ICCV 2019), public code: univ_annot3"),
        _EGOBODY,
        replace(_EGOBODY, name="egobody/smpl24", joint_set="smpl24", joints=None, regressor="smpl24",
                source="this project: the paper gives no protocol; SMPL's 24 joints"),
        replace(_3DHP, name="h36m/spin", joints=H36M_EVALUATION, frames="all of the npz",
                source="SPIN (Kolotouros et al., ICCV 2019), public code"),
        replace(_ALL_SMPL, name="synthwild", gender="neutral"),
        _MULTIVIEW,
        _ALL_SMPL,
    )
}  # fmt: skip


def find(dataset: str, name: str | None, default: str) -> EvaluationProtocol:
    """The protocol ``name`` of a dataset ("spin" is short for "3dpw/spin"), or ``default`` if None.

    Raises SemttaError for an unknown protocol, and for one of another dataset.
    """
    full_name = name or default
    full_name = f"{dataset}/{full_name}" if f"{dataset}/{full_name}" in PROTOCOLS else full_name
    if full_name not in PROTOCOLS:
        raise unknown_name("protocol", full_name, PROTOCOLS)
    if full_name.split("/")[0] != dataset:
        known = ", ".join(key for key in PROTOCOLS if key.split("/")[0] == dataset)
        raise SemttaError(f"Protocol '{full_name}' is not one of the dataset '{dataset}' (those are: {known}).")
    return PROTOCOLS[full_name]
