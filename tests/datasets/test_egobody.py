"""EgoBody in miniature: two recordings, one of the test split."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
from miniature import body_joints, write_image

from semtta.datasets import datasets
from semtta.errors import SemttaError

REC = "recording_20210907_S02_S01_01"
DATE = "2021-09-07-155421"
#: HoloLens to Kinect: a quarter turn about z and a shift; and the camera of each image in the HoloLens' world.
HOLO = np.array([[0.0, -1, 0, 0.5], [1, 0, 0, 0], [0, 0, 1, -0.2], [0, 0, 0, 1]])
PV = np.array([[1.0, 0, 0, 0.1], [0, 1, 0, 0.2], [0, 0, 1, 0.3], [0, 0, 0, 1]])
FRAMES = (4, 5, 6, 7, 8, 9)  # of the file


def write_egobody(root) -> dict[int, dict[str, np.ndarray]]:
    (root / "data_splits.csv").write_text(f"train,val,test\nrecording_20210911_S03_S04_02,,{REC}\n")
    (root / "data_info_release.csv").write_text(
        "scene_name,recording_name,start_frame,end_frame,body_idx_0,body_idx_1,body_idx_fpv\n"
        f"seminar,{REC},5,9,0 male,1 female,1 female\n"
        "office,recording_20210911_S03_S04_02,1,9,0 male,1 male,0 male\n"
    )
    calibration = root / "calibrations" / REC / "cal_trans"
    calibration.mkdir(parents=True)
    (calibration / "holo_to_kinect12.json").write_text(json.dumps({"trans": HOLO.tolist()}))
    folder = root / "egocentric_color" / REC / DATE
    names = [f"egocentric_color/{REC}/{DATE}/PV/{1000 + n}_frame_{n:05d}.jpg" for n in FRAMES]
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
        path = root / "smpl_interactee_test" / REC / "body_idx_1" / "results" / f"frame_{frame:05d}" / "000.pkl"
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


def test_a_track_is_the_interactee_in_valid_frames_in_order(tmp_path, smpl_store):
    fits = write_egobody(tmp_path)
    dataset = datasets.create("egobody", root=tmp_path)
    assert dataset.tracks() == [REC]
    video = dataset.load(REC)
    assert video.frame_index.tolist() == [5, 6, 8, 9]  # 4 is before the start, 7 is not valid
    assert video.keypoints.xy[:, 0, 0].tolist() == [5, 6, 8, 9]
    assert video.keypoints.joint_set == "body25"
    assert video.boxes[0].tolist() == [30, 30, 50]
    truth = video.ground_truth
    assert (truth.body, truth.protocol.name) == ("smpl-female", "egobody/h36m14")
    assert (truth.camera.focal_px, truth.camera.center_px) == (70.0, (40.0, 30.0))
    # by hand: the joints in the Kinect's frame, into the HoloLens' world, into the camera, y and z turned over
    fit = fits[6]
    poses = np.concatenate((fit["global_orient"], fit["body_pose"]), -1).astype(np.float64)
    kinect = body_joints("FEMALE", poses, fit["betas"][0], fit["transl"])[0]
    x, y, z = (kinect - [0.5, 0, -0.2]).T  # HOLO turned back: (x, y) -> (y, -x)
    camera = np.stack((y - 0.1, -(-x - 0.2), -(z - 0.3)), -1)
    np.testing.assert_allclose(truth.joints[1], camera, atol=1e-5)
    assert torch.isfinite(truth.params.translation).all()


def test_what_is_missing_or_damaged(tmp_path, smpl_store):
    write_egobody(tmp_path)
    dataset = datasets.create("egobody", root=tmp_path)
    assert {item.what: item.found for item in dataset.check()}["valid frames, start_frame to end_frame"] == 4
    fit = tmp_path / "smpl_interactee_test" / REC / "body_idx_1" / "results" / "frame_00006" / "000.pkl"
    content = pickle.loads(fit.read_bytes())
    fit.write_bytes(pickle.dumps({**content, "transl": np.full((1, 3), np.nan)}, protocol=2))
    with pytest.raises(SemttaError, match="transl: NaN or infinite values in frame 6"):
        dataset.load(REC)
    fit.unlink()  # a frame without a fit does not count
    assert dataset.load(REC).frame_index.tolist() == [5, 8, 9]
    (tmp_path / "calibrations" / REC / "cal_trans" / "holo_to_kinect12.json").unlink()
    with pytest.raises(SemttaError, match=r"no holo_to_kinect12.json"):
        dataset.load(REC)
    with pytest.raises(SemttaError, match="no recording 'other'"):
        dataset.load("other")
    with pytest.raises(SemttaError, match=r"egobody.inf.ethz.ch \(its own licence"):
        datasets.create("egobody", root=tmp_path / "nowhere")
