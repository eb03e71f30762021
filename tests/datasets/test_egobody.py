"""EgoBody in miniature: two recordings, one of the test split."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from miniature import REC, body_joints, write_egobody

from semtta.datasets import datasets
from semtta.errors import SemttaError


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


def zero_poses(folder, frames):
    """Cameras as the release writes them where the headset lost its place: in turn all zero, or without one of its axes."""
    path = next(folder.glob("*_pv.txt"))
    first, *rows = path.read_text().splitlines()
    for i, frame in enumerate(frames):
        row = next(n for n, text in enumerate(rows) if text.startswith(f"{1000 + frame},"))
        numbers = rows[row].split(",")
        lost = slice(3, 19) if i % 2 == 0 else slice(3, 7)
        numbers[lost] = ["0.0"] * len(numbers[lost])
        rows[row] = ",".join(numbers)
    path.write_text("\n".join([first, *rows]) + "\n")


def test_frames_without_a_tracked_camera_are_left_out(tmp_path, smpl_store):
    write_egobody(tmp_path)
    dataset = datasets.create("egobody", root=tmp_path)
    whole = dataset.load(REC)
    folder = next(path for path in (tmp_path / "egocentric_color" / REC).iterdir() if path.is_dir())
    zero_poses(folder, [5, 8])
    video = dataset.load(REC)
    assert video.frame_index.tolist() == [6, 9]
    assert video.messages == ("Left out: 2 frames in which the head-mounted camera was not tracked (5, 8).",)
    assert whole.messages == ()
    for kept, row in ((0, 1), (1, 3)):
        torch.testing.assert_close(video.ground_truth.joints[kept], whole.ground_truth.joints[row])
        assert torch.equal(video.keypoints.xy[kept], whole.keypoints.xy[row])
    zero_poses(folder, [6, 7, 9])
    with pytest.raises(SemttaError, match="tracked in none of the 4 frames"):
        dataset.load(REC)


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
