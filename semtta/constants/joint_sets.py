"""Joint sets by name, and the maps between them.

A joint set is a tuple of joint names; a map between two sets pairs equal names. Names are SMPL's where SMPL has the
joint. OpenPose's and COCO's "hip" and "shoulder" are other points of the body than SMPL's; pairing them by name is the
convention of the published systems.
"""

from __future__ import annotations

from ..errors import unknown_name

SMPL24 = (
    "Pelvis", "L_Hip", "R_Hip", "Spine1", "L_Knee", "R_Knee", "Spine2", "L_Ankle", "R_Ankle", "Spine3", "L_Foot", "R_Foot",
    "Neck", "L_Collar", "R_Collar", "Head", "L_Shoulder", "R_Shoulder", "L_Elbow", "R_Elbow", "L_Wrist", "R_Wrist",
    "L_Hand", "R_Hand",
)  # fmt: skip
SMPL_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)

#: CycleAdapt's 29 joints: SMPL's 24 and five points of the face.
SMPL29 = (*SMPL24, "Nose", "L_Eye", "R_Eye", "L_Ear", "R_Ear")

H36M17 = (
    "Pelvis", "R_Hip", "R_Knee", "R_Ankle", "L_Hip", "L_Knee", "L_Ankle", "Torso", "Neck", "Nose", "Head_Top",
    "L_Shoulder", "L_Elbow", "L_Wrist", "R_Shoulder", "R_Elbow", "R_Wrist",
)  # fmt: skip
#: The 14 of these 17 that CycleAdapt evaluates.
H36M_EVALUATION = (1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16)

COCO17 = (
    "Nose", "L_Eye", "R_Eye", "L_Ear", "R_Ear", "L_Shoulder", "R_Shoulder", "L_Elbow", "R_Elbow", "L_Wrist", "R_Wrist",
    "L_Hip", "R_Hip", "L_Knee", "R_Knee", "L_Ankle", "R_Ankle",
)  # fmt: skip

#: The joints of OpenPose's COCO model.
COCO18 = (
    "Nose", "Neck", "R_Shoulder", "R_Elbow", "R_Wrist", "L_Shoulder", "L_Elbow", "L_Wrist", "R_Hip", "R_Knee", "R_Ankle",
    "L_Hip", "L_Knee", "L_Ankle", "R_Eye", "L_Eye", "R_Ear", "L_Ear",
)  # fmt: skip

BODY25 = (
    "Nose", "Neck", "R_Shoulder", "R_Elbow", "R_Wrist", "L_Shoulder", "L_Elbow", "L_Wrist", "Pelvis", "R_Hip", "R_Knee",
    "R_Ankle", "L_Hip", "L_Knee", "L_Ankle", "R_Eye", "L_Eye", "R_Ear", "L_Ear", "L_BigToe", "L_SmallToe", "L_Heel",
    "R_BigToe", "R_SmallToe", "R_Heel",
)  # fmt: skip

#: MediaPipe's 33 pose landmarks.
BLAZEPOSE33 = (
    "Nose", "L_EyeInner", "L_Eye", "L_EyeOuter", "R_EyeInner", "R_Eye", "R_EyeOuter", "L_Ear", "R_Ear", "L_Mouth", "R_Mouth",
    "L_Shoulder", "R_Shoulder", "L_Elbow", "R_Elbow", "L_Wrist", "R_Wrist", "L_Pinky", "R_Pinky", "L_Index", "R_Index",
    "L_Thumb", "R_Thumb", "L_Hip", "R_Hip", "L_Knee", "R_Knee", "L_Ankle", "R_Ankle", "L_Heel", "R_Heel", "L_BigToe", "R_BigToe",
)  # fmt: skip

#: What SPIN regresses beside SMPL's own joints: points as LSP, MPII and H36M annotate them.
SPIN9 = ("R_Hip", "L_Hip", "Neck", "Head_Top", "Pelvis", "Thorax", "Spine", "Jaw", "Head")

JOINT_SETS: dict[str, tuple[str, ...]] = {
    "smpl24": SMPL24, "smpl29": SMPL29, "h36m17": H36M17, "coco17": COCO17, "coco18": COCO18, "body25": BODY25,
    "blazepose33": BLAZEPOSE33, "spin9": SPIN9,
}  # fmt: skip

#: The 13 joints that CycleAdapt supervises on 3DPW: the neck and the twelve limb joints.
LIMBS13 = (
    "Neck", "L_Shoulder", "R_Shoulder", "L_Elbow", "R_Elbow", "L_Wrist", "R_Wrist", "L_Hip", "R_Hip", "L_Knee", "R_Knee",
    "L_Ankle", "R_Ankle",
)  # fmt: skip
#: The twelve limb joints.
LIMBS12 = LIMBS13[1:]
#: The joints that its demo supervises: the limbs, the face, and the pelvis and head from their neighbours.
LIMBS_AND_FACE = (*LIMBS13, "Pelvis", "Head", "Nose", "L_Eye", "R_Eye", "L_Ear", "R_Ear")

#: Joints that a 2D set may lack, as the midpoint of two others (CycleAdapt's demo).
MIDPOINTS = {"Neck": ("L_Shoulder", "R_Shoulder"), "Pelvis": ("L_Hip", "R_Hip"), "Head": ("L_Ear", "R_Ear")}

#: SMPL joints that no 2D detector gives -> the joints whose visibility stands in for theirs.
_EVIDENCE = {
    "Pelvis": ("L_Hip", "R_Hip"), "Spine1": ("L_Hip", "R_Hip"), "Spine2": ("L_Hip", "R_Hip", "L_Shoulder", "R_Shoulder"),
    "Spine3": ("L_Shoulder", "R_Shoulder"), "Head": ("Nose", "Neck"), "L_Collar": ("L_Shoulder",), "R_Collar": ("R_Shoulder",),
    "L_Foot": ("L_Ankle",), "R_Foot": ("R_Ankle",), "L_Hand": ("L_Wrist",), "R_Hand": ("R_Wrist",),
}  # fmt: skip


def evidence_matrix() -> list[list[float]]:
    """Weights [24][29] that map the visibility of the 29 joints to that of SMPL's 24; rows sum to 1."""
    rows = []
    for name in SMPL24:
        sources = _EVIDENCE.get(name, (name,))
        rows.append([1 / len(sources) if other in sources else 0.0 for other in SMPL29])
    return rows


SUPERVISED_SETS = {"limbs": LIMBS13, "limbs+face": LIMBS_AND_FACE, "smpl24": SMPL24}


def joint_set(name: str) -> tuple[str, ...]:
    """The joint names of a set; raises SemttaError for an unknown one."""
    if name not in JOINT_SETS:
        raise unknown_name("joint set", name, JOINT_SETS)
    return JOINT_SETS[name]


def shared_joints(source: str, target: str) -> tuple[list[int], list[int]]:
    """Indices into ``source`` and into ``target`` of their common joints, in the target's order."""
    names = joint_set(source)
    pairs = [(names.index(name), i) for i, name in enumerate(joint_set(target)) if name in names]
    return [a for a, _ in pairs], [b for _, b in pairs]


def mirrored(name: str) -> list[int]:
    """The index permutation of a joint set that swaps left and right."""
    names = joint_set(name)
    swap = {"L_": "R_", "R_": "L_"}
    return [names.index(swap[n[:2]] + n[2:]) if n[:2] in swap else i for i, n in enumerate(names)]
