"""From MakeHuman's A-pose into SMPL's T-pose, by forward kinematics over the 104 bones; for build_open_body.py."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from semtta.constants import SMPL24

FINGERS = tuple(f"finger{i}-{j}" for i in range(1, 6) for j in (1, 2, 3))
TOES = tuple(f"toe{i}-{j}" for i in range(1, 6) for j in (1, 2, 3) if (i, j) != (1, 3))
#: The bones whose skinning weights each SMPL joint takes, its centre's first; "L_X" stands for both sides.
BONES = {
    "Pelvis": ("root", "pelvis.L", "pelvis.R", "spine05"), "Spine1": ("spine04", "spine03"), "Spine2": ("spine02",),
    "Spine3": ("spine01",), "Neck": ("neck01", "neck02"), "Head": ("neck03", "head", "eye.L", "eye.R"),
    "L_Hip": ("upperleg01", "upperleg02"), "L_Knee": ("lowerleg01", "lowerleg02"), "L_Ankle": ("foot",), "L_Foot": TOES,
    "L_Collar": ("clavicle", "shoulder01"), "L_Shoulder": ("upperarm01", "upperarm02"),
    "L_Elbow": ("lowerarm01", "lowerarm02"), "L_Wrist": ("wrist", *(f"metacarpal{i}" for i in range(1, 5))),
    "L_Hand": FINGERS,
}  # fmt: skip

#: Rest directions of the left limbs. They are those of the rest pose that the free mocap is expressed in: fitted on
#: its source files, where every one is constant within 0.01 degrees. So a pose means the same on this body.
THIGH, SHANK = (0.037, -0.999, 0.0), (0.037, -0.996, -0.082)
UPPER_ARM, FOREARM = (0.995, -0.009, -0.096), (1.0, -0.010, -0.019)
CLAVICLE_DEG, SHOULDER_DEG = 10.0, 18.0  # of the 48 degrees by which the arm is raised from the A-pose
#: MakeHuman's hip joints lie 23 cm apart, above the middle of the thighs; femoral heads lie about 18 cm apart.
HIP_INWARD = 0.85


@dataclass
class Shapes:
    """Sampled adults in the T-pose, pelvis at the origin: vertices [N,V,3], joints [N,24,3]; weights [V,24]."""

    vertices: np.ndarray
    joints: np.ndarray
    weights: np.ndarray
    faces: np.ndarray


def frame(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Orthonormal frame [3,3] whose columns are ``first``, the normal of both, and their product."""
    x = first / np.linalg.norm(first)
    z = np.cross(first, second)
    z = z / np.linalg.norm(z)
    return np.stack([x, z, np.cross(x, z)], axis=1)


def between(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Smallest rotation [3,3] that turns one direction into another."""
    source, target = source / np.linalg.norm(source), target / np.linalg.norm(target)
    axis = np.cross(source, target)
    sine = np.linalg.norm(axis)
    return Rotation.from_rotvec(axis / max(sine, 1e-12) * np.arctan2(sine, source @ target)).as_matrix()


def t_pose_rotations(heads: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """World rotation [3,3] of every bone that has to turn from the A-pose to the T-pose; others follow their parent."""
    rotations = {}
    for side, sign in (("L", 1.0), ("R", -1.0)):
        mirror = np.array([sign, 1.0, 1.0])
        thigh, shank, upper, fore = (np.array(d) * mirror for d in (THIGH, SHANK, UPPER_ARM, FOREARM))
        names = ("upperleg01", "lowerleg01", "foot", "upperarm01", "lowerarm01", "wrist")
        hip, knee, ankle, shoulder, elbow, wrist = (heads[f"{name}.{side}"] for name in names)
        knuckles = [heads[f"finger{i}-1.{side}"] for i in range(2, 6)]

        # The plane in which the elbow is bent in the A-pose becomes the one in which the T-pose has its slight bend.
        bend, bend_before = np.cross(upper, fore), np.cross(elbow - shoulder, wrist - elbow)
        upperarm = frame(upper, fore) @ frame(elbow - shoulder, wrist - elbow).T
        forearm = frame(fore, np.cross(bend, fore)) @ frame(wrist - elbow, np.cross(bend_before, wrist - elbow)).T
        # Palm down: the hand along the arm, its knuckles in the horizontal plane. The forearm takes half the twist.
        along, across = np.mean(knuckles, axis=0) - wrist, knuckles[0] - knuckles[-1]
        hand = frame(mirror * (1, 0, 0), np.array([0.0, 0.0, 1.0])) @ frame(along, across).T
        axis = fore / np.linalg.norm(fore)
        twist = Rotation.from_matrix(hand @ forearm.T).as_rotvec() @ axis

        bones = {
            "upperleg01": between(knee - hip, thigh),
            "lowerleg01": between(ankle - knee, shank),
            "foot": np.eye(3),
            "clavicle": raised(sign * CLAVICLE_DEG),
            "shoulder01": raised(sign * (CLAVICLE_DEG + SHOULDER_DEG)),
            "upperarm01": upperarm,
            "lowerarm01": forearm,
            "lowerarm02": Rotation.from_rotvec(0.5 * twist * axis).as_matrix() @ forearm,
            "wrist": hand,
        }
        rotations |= {f"{bone}.{side}": matrix for bone, matrix in bones.items()}
    return rotations


def raised(degrees: float) -> np.ndarray:
    return Rotation.from_euler("z", degrees, degrees=True).as_matrix()


def smpl_joints(posed: dict[str, np.ndarray]) -> np.ndarray:
    """SMPL's joint centres [24,3] from the heads of the bones in the T-pose."""
    joints = {}
    for name in SMPL24:
        side, base = (name[0], "L_" + name[2:]) if name[:2] in ("L_", "R_") else ("", name)
        bones = BONES[base]
        joints[name] = posed[f"{bones[0]}.{side}" if side else bones[0]]
        if base == "L_Foot":
            joints[name] = np.mean([posed[f"toe{i}-1.{side}"] for i in range(1, 6)], axis=0)
        elif base == "L_Hand":
            joints[name] = np.mean([posed[f"finger{i}-1.{side}"] for i in range(2, 6)], axis=0)
    joints["Head"] = (posed["neck03"] + posed["head"]) / 2
    joints["Pelvis"] = (joints["L_Hip"] + joints["R_Hip"]) / 4 + joints["Spine1"] / 2
    return np.stack([joints[name] for name in SMPL24])


def to_t_pose(model: torch.nn.Module, vertices: np.ndarray, heads: np.ndarray) -> Shapes:
    """Every sample brought into the T-pose, with SMPL's joints and weights."""
    labels, parents = model.bone_labels, model.bone_parents
    bone_weights = np.zeros((vertices.shape[1], len(labels)))
    np.add.at(
        bone_weights,
        (np.arange(len(bone_weights))[:, None], model.vertex_bone_indices.numpy()),
        model.vertex_bone_weights.numpy(),
    )
    for side in "LR":
        heads[:, labels.index(f"upperleg01.{side}"), 0] *= HIP_INWARD

    shapes, joints = np.empty_like(vertices), np.empty((len(vertices), 24, 3))
    for i, (points, head) in enumerate(zip(vertices, heads, strict=True)):
        target = t_pose_rotations(dict(zip(labels, head, strict=True)))
        rotations, positions = np.empty((len(labels), 3, 3)), np.empty((len(labels), 3))
        for b, (label, parent) in enumerate(zip(labels, parents, strict=True)):
            rotations[b] = target.get(label, rotations[parent] if parent >= 0 else np.eye(3))
            positions[b] = head[b] if parent < 0 else positions[parent] + rotations[parent] @ (head[b] - head[parent])
        offsets = positions - np.einsum("bij,bj->bi", rotations, head)
        skin = (bone_weights @ rotations.reshape(-1, 9)).reshape(-1, 3, 3)
        joints[i] = smpl_joints(dict(zip(labels, positions, strict=True)))
        shapes[i] = np.einsum("vij,vj->vi", skin, points) + bone_weights @ offsets - joints[i, 0]
        joints[i] -= joints[i, 0].copy()

    weights = np.zeros((len(bone_weights), 24))
    for base, bones in BONES.items():
        for side in ("L", "R") if base.startswith("L_") else ("",):
            columns = [labels.index(f"{bone}.{side}" if side else bone) for bone in bones]
            weights[:, SMPL24.index(f"{side}_{base[2:]}" if side else base)] = bone_weights[:, columns].sum(1)
    weights[weights < 0.01] = 0
    faces = model.get_triangular_faces().numpy()
    return Shapes(shapes, joints, weights / weights.sum(1, keepdims=True), faces)
