"""Human3.6M as SPIN prepares it, in miniature; and as labelled images to train on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from miniature import H36M_ROWS, REST, write_h36m

from semtta.body import load
from semtta.constants import H36M17
from semtta.datasets import datasets
from semtta.errors import SemttaError
from semtta.geometry import project_to_crop
from semtta.training.images import ImageShards
from semtta.training.source import fit_camera, write_source


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
    with pytest.raises(SemttaError, match="not a readable image"):
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
