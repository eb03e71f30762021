"""Miniature results of other systems, in the layout in which their demos write them."""

from __future__ import annotations

import pickle
from collections import defaultdict
from pathlib import Path

import joblib
import numpy as np
import torch

from semtta.constants import SMPL24
from semtta.geometry import axis_angle_to_matrix, matrix_to_axis_angle, pelvis_frame_positions

T = 6


def rotations(frames: int = T, seed: int = 0) -> torch.Tensor:
    """[T, 24, 3, 3] someone upright before the camera, hands and feet at rest."""
    poses = 0.3 * torch.randn(frames, 24, 3, generator=torch.Generator().manual_seed(seed))
    poses[:, [10, 11, 22, 23]] = 0
    turned = axis_angle_to_matrix(poses)
    turned[:, 0] = torch.diag(torch.tensor([1.0, -1, -1])) @ turned[:, 0]
    return turned


def poses(frames: int = T, seed: int = 0) -> np.ndarray:
    """The same as axis-angle [T, 24, 3]."""
    return matrix_to_axis_angle(rotations(frames, seed)).numpy()


def places(frames: int = T) -> np.ndarray:
    """[T, 3] metres, walking to the side."""
    return np.stack((np.linspace(-0.5, 0.5, frames), np.full(frames, 0.3), np.full(frames, 4.0)), -1).astype(np.float32)


BETAS = np.linspace(-1, 1, 10, dtype=np.float32)


def write_gvhmr(path: Path) -> None:
    params = {
        "body_pose": torch.from_numpy(poses()[:, 1:22].reshape(T, 63)), "betas": torch.from_numpy(BETAS).expand(T, 10),
        "global_orient": torch.from_numpy(poses()[:, 0]), "transl": torch.from_numpy(places()),
    }  # fmt: skip
    intrinsics = torch.tensor([[500.0, 0, 160], [0, 500, 120], [0, 0, 1]]).expand(T, 3, 3)
    world = {name: torch.zeros_like(value) for name, value in params.items()}
    torch.save(
        {"smpl_params_global": world, "smpl_params_incam": params, "K_fullimg": intrinsics, "net_outputs": {"a": torch.ones(2)}},
        path,
    )


def write_wham(path: Path) -> None:
    """Two people, the second in frames 2 to 5 only; joblib."""
    results: dict[int, dict[str, np.ndarray]] = defaultdict(dict)
    for person, frames in ((0, np.arange(T)), (3, np.arange(2, T))):
        count = len(frames)
        results[person]["pose"] = poses(T, person)[frames].reshape(count, 72)
        results[person]["trans"] = places()[frames]
        results[person]["pose_world"] = np.zeros((count, 72), np.float32)
        results[person]["trans_world"] = np.zeros((count, 3), np.float32)
        results[person]["betas"] = np.tile(BETAS, (count, 1))
        results[person]["verts"] = np.zeros((count, 5, 3), np.float32)
        results[person]["frame_ids"] = frames
    joblib.dump(results, path)


def write_phalp(path: Path) -> None:
    """Two tracks, 1 and 4; track 4 is the first of a frame's list, and is lost in frame 2."""
    matrices = {1: rotations(T, 0).numpy(), 4: rotations(T, 3).numpy()}
    content = {}
    for frame in range(T):
        tracks = [1] if frame == 2 else [4, 1]
        content[f"img/{frame:06d}.jpg"] = {
            "time": frame, "shot": 0, "tid": tracks, "tracked_ids": tracks, "tracked_time": [0] * len(tracks),
            "bbox": [np.zeros(4)] * len(tracks), "size": [[240, 320]] * len(tracks), "conf": [0.9] * len(tracks),
            "camera": [places()[frame]] * len(tracks), "embedding": [torch.zeros(3)] * len(tracks),
            "smpl": [
                {"global_orient": matrices[t][frame, :1], "body_pose": matrices[t][frame, 1:], "betas": BETAS} for t in tracks
            ],
        }  # fmt: skip
    joblib.dump(content, path)


def write_tram(path: Path) -> None:
    """A track's ``.npy``: a dictionary of tensors, frames 1 to 5 without 3."""
    frames = torch.tensor([1, 2, 4, 5])
    content = {
        "pred_cam": torch.zeros(4, 3), "pred_pose": torch.zeros(4, 144), "pred_shape": torch.from_numpy(BETAS).expand(4, 10),
        "pred_rotmat": rotations()[frames], "pred_trans": torch.from_numpy(places())[frames, None], "frame": frames,
    }  # fmt: skip
    with path.open("wb") as file:
        np.save(file, content, allow_pickle=True)


def write_prompthmr(path: Path) -> None:
    """SMPL-X in pictures of half the width; joblib, with the masks that its pipeline leaves in."""
    pose = np.concatenate((poses()[:, :22].reshape(T, 66), np.zeros((T, 9), np.float32)), -1)
    motion = {"rotmat": np.zeros((T, 55, 3, 3), np.float32), "pose": pose, "shape": np.tile(BETAS, (T, 1)), "trans": places()}
    person = {
        "frames": np.arange(T), "bboxes": np.zeros((T, 4)), "track_id": 1, "masks": np.zeros((T, 4, 4), bool),
        "smplx_cam": motion,
    }  # fmt: skip
    camera = {
        "pred_cam_R": np.tile(np.eye(3), (T, 1, 1)), "pred_cam_T": np.zeros((T, 3)), "img_focal": np.float64(250.0),
        "img_center": np.array([80.0, 60.0]),
    }  # fmt: skip
    joblib.dump({"camera": camera, "people": {1: person}, "timings": {}, "masks": None, "has_slam": True}, path)


def mhr_points() -> np.ndarray:
    """[T, 70, 3] MHR keypoints around the pelvis, metres, where the average skeleton's joints are."""
    turned = rotations()
    joints = (turned[:, :1] @ pelvis_frame_positions(turned)[..., None])[..., 0].numpy()
    points = np.zeros((T, 70, 3), np.float32)
    at = {
        "L_Shoulder": 5, "R_Shoulder": 6, "L_Elbow": 7, "R_Elbow": 8, "L_Hip": 9, "R_Hip": 10, "L_Knee": 11, "R_Knee": 12,
        "L_Ankle": 13, "R_Ankle": 14, "R_Wrist": 41, "L_Wrist": 62, "Neck": 69,
    }  # fmt: skip
    for name, row in at.items():
        points[:, row] = joints[:, SMPL24.index(name)]
    for name, rows in (("L_Foot", (15, 16)), ("R_Foot", (18, 19)), ("Head", (3, 4))):
        points[:, rows] = joints[:, None, SMPL24.index(name)]
    return points


def write_sam3d(path: Path, people: int = 1, keypoints: bool = True) -> None:
    """What the estimator says of each image, collected in a list."""
    points, frames = mhr_points(), []
    for frame in range(T):
        one = {
            "bbox": np.zeros(4, np.float32), "focal_length": np.float32(500), "pred_cam_t": places()[frame],
            "pred_keypoints_3d": points[frame], "mhr_model_params": np.zeros(204, np.float32), "mask": None,
        }  # fmt: skip
        frames.append([{k: v for k, v in one.items() if keypoints or k != "pred_keypoints_3d"}] * people)
    path.write_bytes(pickle.dumps(frames))


def write_amass(path: Path, camera: bool = False, **changes: object) -> None:
    """AMASS's keys, SMPL-H; with a camera they are those of this project's ``motion.npz``."""
    full = np.zeros((T, 52, 3), np.float32)
    full[:, :22] = poses()[:, :22]
    own = {
        "poses": poses().reshape(T, 72), "camera_focal_px": 500.0, "camera_center_px": np.array([160.0, 120.0]),
        "image_size": np.array([320, 240]), "body": "open",
    }  # fmt: skip
    arrays = {
        "poses": full.reshape(T, 156), "trans": places(), "betas": BETAS, "mocap_framerate": 30.0, "gender": "neutral",
        **(own if camera else {}), **changes,
    }  # fmt: skip
    np.savez(path, **arrays)
