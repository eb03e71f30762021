"""Miniature datasets in the official formats, and a body in SMPL's format whose errors can be worked out by hand."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from semtta.body import load
from semtta.constants import H36M17, SMPL24, SMPL_PARENTS
from semtta.geometry import axis_angle_to_matrix, project_to_crop

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


def write_test_person(folder: Path, frames: int = 6, **changes: Any) -> dict[str, np.ndarray]:
    """``annot_data.mat`` and images of 80 x 60 pixels; joint j of frame t is at x = 10 + j + t mm, 1000 j mm away ..."""
    j, t = np.meshgrid(np.arange(17.0), np.arange(frames))
    annot3 = np.stack((10 + j + t, 20 + 2 * j, 3000 + 1000 * j), -1)[:, None]
    arrays = {
        "annot2": np.stack((5 + 2 * j, 10 + j), -1)[:, None], "annot3": annot3, "univ_annot3": 0.9 * annot3,
        "valid_frame": np.ones((frames, 1)), **changes,
    }  # fmt: skip
    import h5py

    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / "annot_data.mat", "w") as file:
        for key, values in arrays.items():
            file[key] = values
    for frame in range(frames):
        write_image(folder / "imageSequence" / f"img_{frame + 1:06d}.jpg", (80, 60), frame)
    return arrays


REC, OTHER = "recording_20210907_S02_S01_01", "recording_20210911_S03_S04_02"
DATE = "2021-09-07-155421"
#: HoloLens to Kinect: a quarter turn about z and a shift; and the camera of each image in the HoloLens' world.
HOLO = np.array([[0.0, -1, 0, 0.5], [1, 0, 0, 0], [0, 0, 1, -0.2], [0, 0, 0, 1]])
PV = np.array([[1.0, 0, 0, 0.1], [0, 1, 0, 0.2], [0, 0, 1, 0.3], [0, 0, 0, 1]])
FRAMES = (4, 5, 6, 7, 8, 9)  # of the file


def write_egobody(root: Path, others: str = "train") -> dict[int, dict[str, np.ndarray]]:
    """EgoBody: a recording of the test split, and one of another split. Returns the fits of the first by frame."""
    (root / "data_splits.csv").write_text(f"train,val,test\n{OTHER},,{REC}\n" + (f",,{OTHER}\n" if others == "test" else ""))
    (root / "data_info_release.csv").write_text(
        "scene_name,recording_name,start_frame,end_frame,body_idx_0,body_idx_1,body_idx_fpv\n"
        f"seminar,{REC},5,9,0 male,1 female,1 female\n"
        f"office,{OTHER},1,9,0 male,1 male,1 male\n"
    )
    if others == "test":
        _write_recording(root, OTHER)
    return _write_recording(root, REC)


def _write_recording(root: Path, recording: str) -> dict[int, dict[str, np.ndarray]]:
    calibration = root / "calibrations" / recording / "cal_trans"
    calibration.mkdir(parents=True)
    (calibration / "holo_to_kinect12.json").write_text(json.dumps({"trans": HOLO.tolist()}))
    folder = root / "egocentric_color" / recording / DATE
    names = [f"egocentric_color/{recording}/{DATE}/PV/{1000 + n}_frame_{n:05d}.jpg" for n in FRAMES]
    rows, fits = [], {}
    for frame, name in zip(FRAMES, names, strict=True):
        write_image(root / name, (80, 60), frame)
        rows.append(",".join(map(str, [1000 + frame, 70.0, 71.0, *PV.ravel()])))
        fit = {
            "global_orient": np.array([[0.1 * frame, 0.2, 0]], np.float32),
            "body_pose": np.full((1, 69), 0.02 * frame, np.float32),
            "betas": np.eye(10, dtype=np.float32)[:1], "transl": np.array([[0.3, 0.1 * frame, 2.5]], np.float32),
            "gender": "female", "camera_rotation": np.eye(3)[None],
        }  # fmt: skip
        fits[frame] = fit
        path = root / "smpl_interactee_test" / recording / "body_idx_1" / "results" / f"frame_{frame:05d}" / "000.pkl"
        path.parent.mkdir(parents=True)
        path.write_bytes(pickle.dumps(fit, protocol=2))
    (folder / f"{DATE}_pv.txt").write_text("40.0,30.0,80,60\n" + "\n".join(rows) + "\n")
    shuffled = [3, 0, 5, 1, 4, 2]
    points = np.random.default_rng(0).uniform(5, 55, (6, 25, 3))
    points[:, 0, 0] = FRAMES
    np.savez(
        folder / "keypoints.npz", imgname=np.array(names)[shuffled], center=np.full((6, 2), 30.0), scale=np.full(6, 0.25),
        keypoints=points[shuffled], gender=np.array(["female"] * 6),
    )  # fmt: skip
    np.savez(folder / "valid_frame.npz", imgname=np.array(names), valid=np.array([f != 7 for f in FRAMES]))
    return fits


#: SPIN's 24: right ankle, knee, hip, left hip, knee, ankle, right wrist, elbow, shoulder, left shoulder, elbow, wrist, neck ...
SPIN24: tuple[str | None, ...] = (
    "R_Ankle", "R_Knee", "R_Hip", "L_Hip", "L_Knee", "L_Ankle", "R_Wrist", "R_Elbow", "R_Shoulder", "L_Shoulder", "L_Elbow",
    "L_Wrist", "Neck", None, "Pelvis", None, "Torso", "Nose", "Head_Top", None, None, None, None, None,
)  # fmt: skip


def write_h36m(root: Path, name: str = "h36m_train.npz", **changes: Any) -> None:
    """Two videos, frames 1, 6, 11 of each, listed out of order."""
    names = [f"S1/images/S1_{action}.54138969_{frame:06d}.jpg" for frame in (6, 1, 11) for action in ("Walking_1", "Sitting")]
    parts, joints = np.zeros((6, 24, 3)), np.zeros((6, 24, 4))
    rest = torch.from_numpy(REST).float() * torch.tensor([1.0, -1, -1])  # upright in the camera frame
    image = project_to_crop(rest[None], torch.tensor([[0.9, 0.05, 0.1]]))[0] * (100 / 224) + torch.tensor([10.0, 20])
    for i, joint in enumerate(SPIN24):
        if joint is not None:
            row = H36M_ROWS[H36M17.index(joint)]
            parts[:, i] = [*image[row].tolist(), 1]
            joints[:, i] = [*rest[row].tolist(), 1]
    poses = np.zeros((6, 72))
    poses[:, 0] = np.pi
    arrays = {
        "imgname": np.array(names), "center": np.full((6, 2), [60.0, 70.0]), "scale": np.full(6, 0.5), "part": parts, "S": joints,
        "pose": poses, "shape": np.zeros((6, 10)), **changes,
    }  # fmt: skip
    np.savez(root / name, **arrays)
    for image_name in names:
        write_image(root / image_name, (160, 150))
