"""Human3.6M as SPIN prepares it, in miniature; and as labelled images to train on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from miniature import H36M_ROWS, REST, write_image

from semtta.body import load
from semtta.datasets import datasets
from semtta.errors import SemttaError
from semtta.geometry import project_to_crop
from semtta.skeletons import H36M17
from semtta.training.images import ImageShards
from semtta.training.source import fit_camera, write_source

#: SPIN's 24: right ankle, knee, hip, left hip, knee, ankle, right wrist, elbow, shoulder, left shoulder, elbow, wrist, neck ...
SPIN24 = ["R_Ankle", "R_Knee", "R_Hip", "L_Hip", "L_Knee", "L_Ankle", "R_Wrist", "R_Elbow", "R_Shoulder", "L_Shoulder", "L_Elbow",
          "L_Wrist", "Neck", None, "Pelvis", None, "Torso", "Nose", "Head_Top", None, None, None, None, None]  # fmt: skip


def write_h36m(root, name: str = "h36m_train.npz", **changes) -> None:
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


def test_a_track_is_a_video_in_the_order_of_its_frames(tmp_path):
    write_h36m(tmp_path)
    dataset = datasets.create("h36m", root=tmp_path, split="train")
    assert dataset.tracks() == ["S1_Sitting.54138969", "S1_Walking_1.54138969"]
    video = dataset.load("S1_Sitting.54138969")
    assert video.frame_index.tolist() == [1, 6, 11]
    assert video.fps == 10  # every fifth of 50 a second
    assert video.boxes[0].tolist() == [60, 70, 100]
    truth = video.ground_truth
    wrist = REST[H36M_ROWS[H36M17.index("L_Wrist")]] * [1, -1, -1]
    np.testing.assert_allclose(truth.joints[0, H36M17.index("L_Wrist")], wrist, atol=1e-6)
    assert truth.valid.all()
    assert video.keypoints.joint_set == "h36m17"
    assert all(item.good for item in dataset.check())


def test_bad_input(tmp_path):
    with pytest.raises(SemttaError, match=r"vision.imar.ro.*h36m_train.npz.*licence"):
        datasets.create("h36m", root=tmp_path, split="train")
    write_h36m(tmp_path, "h36m_valid_protocol2.npz", scale=np.array([0.5, 0.5, 0.5, np.nan, 0.5, 0.5]))
    dataset = datasets.create("h36m", root=tmp_path, split="p2")
    with pytest.raises(SemttaError, match=r"scale of S1_Sitting.54138969: NaN or infinite values in frame 1"):
        dataset.load("S1_Sitting.54138969")
    (tmp_path / "S1" / "images" / "S1_Walking_1.54138969_000006.jpg").write_bytes(b"\xff\xd8 cut off")
    video = dataset.load("S1_Walking_1.54138969")
    with pytest.raises(SemttaError, match="no image that can be read"):
        list(video.frames)
    with pytest.raises(SemttaError, match="no split 'val'"):
        datasets.create("h36m", root=tmp_path, split="val")


def test_the_camera_that_fits_is_found():
    generator = torch.Generator().manual_seed(0)
    joints = torch.randn(5, 17, 3, generator=generator) * 0.4
    cameras = torch.tensor([[0.9, 0.1, -0.2]]).expand(5, 3) + 0.05 * torch.randn(5, 3, generator=generator)
    # exactly weak perspective, by hand, and one point that does not count
    points = 112 + 112 * cameras[:, None, :1] * (joints[..., :2] + cameras[:, None, 1:])
    points[:, 3] += 50
    weight = torch.ones(5, 17)
    weight[:, 3] = 0
    torch.testing.assert_close(fit_camera(joints, points, weight), cameras, atol=1e-4, rtol=0)


def test_labelled_images_to_train_on(tmp_path, smpl_store):
    write_h36m(tmp_path)
    dataset = datasets.create("h36m", root=tmp_path, split="train")
    assert write_source(dataset, tmp_path / "source", load("smpl"), 32) == {}
    shards = ImageShards(tmp_path / "source")
    batch = shards.batch(np.arange(6))
    assert batch.images.shape == (6, 3, 32, 32)
    torch.testing.assert_close(batch.camera[0], torch.tensor([0.9, 0.05, 0.1]), atol=2e-3, rtol=0)
    again = project_to_crop(load("smpl").keypoints(batch.rotations, batch.betas, "smpl29"), batch.camera)
    torch.testing.assert_close(batch.joints2d, again, atol=1e-3, rtol=0)
    assert batch.visible[0].sum() == 15  # pelvis, neck, nose and the twelve of the limbs; not torso and head top
