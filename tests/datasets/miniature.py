"""Miniature datasets in the official formats, and a body in SMPL's format whose errors can be worked out by hand."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from semtta.body import load
from semtta.geometry import axis_angle_to_matrix
from semtta.skeletons import H36M17, SMPL24, SMPL_PARENTS

VERTICES = 6890
#: Rest joints of every made-up body: the free body's, pelvis at the origin; vertex v lies on joint v % 24 and moves with it.
REST = (load("open").rest_joints(torch.zeros(10)) - load("open").rest_joints(torch.zeros(10))[:1]).double().numpy()
SCALES = {"NEUTRAL": 1.0, "MALE": 1.1, "FEMALE": 0.9}
#: SMPL's joint that stands for each of H36M's 17.
H36M_OF = {"Torso": "Spine2", "Nose": "Head", "Head_Top": "Head"}
H36M_ROWS = [SMPL24.index(H36M_OF.get(name, name)) for name in H36M17]


def write_smpl(folder: Path) -> None:
    """SMPL_NEUTRAL, MALE (10 % larger) and FEMALE (10 % smaller); beta 0 makes it 1 % larger. And J_regressor_h36m.npy."""
    owner = np.arange(VERTICES) % 24
    regressor = np.eye(24, VERTICES)
    for gender, scale in SCALES.items():
        shapedirs = np.zeros((VERTICES, 3, 10))
        shapedirs[:, :, 0] = 0.01 * scale * REST[owner]
        np.savez(
            folder / f"SMPL_{gender}.npz",
            v_template=scale * REST[owner], shapedirs=shapedirs, posedirs=np.zeros((VERTICES, 3, 207), np.float32),
            weights=np.eye(24)[owner], J_regressor=regressor, f=np.array([[0, 1, 2]], np.uint32),
            kintree_table=np.array([(2**32 - 1, *SMPL_PARENTS[1:]), range(24)], np.int64).astype(np.uint32),
        )  # fmt: skip
    np.save(folder / "J_regressor_h36m.npy", np.eye(24, VERTICES)[H36M_ROWS])


def write_image(path: Path, size: tuple[int, int] = (64, 48), seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def world_motion(frames: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Poses [T, 72] and translations [T, 3]."""
    rng = np.random.default_rng(seed)
    return 0.3 * rng.normal(size=(frames, 72)), rng.normal(size=(frames, 3))


def body_joints(gender: str, poses: np.ndarray, betas: np.ndarray, trans: np.ndarray) -> np.ndarray:
    """Joints [T, 24, 3] of a made-up body by plain forward kinematics, written out here once more."""
    scale = SCALES[gender] * (1 + 0.01 * betas[0])
    rest = scale * REST
    turned = axis_angle_to_matrix(torch.from_numpy(poses).unflatten(-1, (24, 3))).numpy()
    joints = np.zeros((len(poses), 24, 3))
    for t in range(len(poses)):
        world = [turned[t, 0]]
        joints[t, 0] = rest[0]
        for j in range(1, 24):
            parent = SMPL_PARENTS[j]
            joints[t, j] = joints[t, parent] + world[parent] @ (rest[j] - rest[parent])
            world.append(world[parent] @ turned[t, j])
    return joints + trans[:, None]


#: World to camera: world y up becomes y down, z away from the camera, 4 m off; and a quarter turn about the view axis.
CAMERA = np.array([[0.0, 1, 0, 0.2], [1, 0, 0, 0.1], [0, 0, -1, 4], [0, 0, 0, 1]])
LENS = np.array([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]])


def threedpw_sequence(name: str, people: str, frames: int = 8, **changes: Any) -> dict[str, Any]:
    """What a sequence file of 3DPW holds; ``people`` is a letter of gender for each."""
    data: dict[str, Any] = {
        "sequence": name, "genders": list(people), "cam_intrinsics": LENS, "img_frame_ids": 2 * np.arange(frames),
        "cam_poses": np.tile(CAMERA, (frames, 1, 1)), "poses": [], "trans": [], "betas": [], "poses2d": [],
        "campose_valid": [], "jointPositions": [],
    }  # fmt: skip
    for person, gender in enumerate(people):
        poses, trans = world_motion(frames, person)
        betas = np.zeros(300)
        betas[0] = 1.0 + person
        joints = body_joints({"m": "MALE", "f": "FEMALE"}[gender], poses, betas, trans)
        seen = joints @ CAMERA[:3, :3].T + CAMERA[:3, 3]
        points = np.zeros((frames, 18, 3))
        points[:, :14, :2] = (seen[:, [15, 12, 17, 19, 21, 16, 18, 20, 2, 5, 8, 1, 4, 7]] @ LENS.T)[..., :2]
        points[:, :14, :2] /= seen[:, [15, 12, 17, 19, 21, 16, 18, 20, 2, 5, 8, 1, 4, 7], 2:]
        points[:, :14, 2] = 0.9
        data["poses"].append(poses)
        data["trans"].append(trans)
        data["betas"].append(betas)
        data["poses2d"].append(points.transpose(0, 2, 1))
        data["jointPositions"].append(joints.reshape(frames, 72))
        data["campose_valid"].append(np.ones(frames, dtype=np.uint8))
    return {**data, **changes}


def write_threedpw(root: Path, **sequences: dict[str, Any]) -> None:
    """Sequence files and images; the pickles in protocol 2, as the release's."""
    folder = root / "sequenceFiles" / "test"
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in sequences.items():
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(data, protocol=2))
        for frame in range(len(data["poses"][0])):
            write_image(root / "imageFiles" / name / f"image_{frame:05d}.jpg", seed=frame)
