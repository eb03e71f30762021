"""MPI-INF-3DHP's test set in miniature."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from miniature import H36M_ROWS, REST, write_test_person

from semtta import evaluate
from semtta.constants import H36M17
from semtta.datasets import datasets
from semtta.errors import SemttaError
from semtta.types import BodyParams

h5py = pytest.importorskip("h5py")
#: The release's order, from SPIN's mapping of it.
RELEASE = [
    "Head_Top", "Neck", "R_Shoulder", "R_Elbow", "R_Wrist", "L_Shoulder", "L_Elbow", "L_Wrist", "R_Hip", "R_Knee", "R_Ankle",
    "L_Hip", "L_Knee", "L_Ankle", "Pelvis", "Torso", "Nose",
]  # fmt: skip


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "mpi_inf_3dhp_test_set"
    valid, points = np.ones((6, 1)), np.stack(np.meshgrid(5 + 2 * np.arange(17.0), np.zeros(6)), -1)[:, None]
    valid[2] = 0
    points[..., 1] = 10 + np.arange(17)
    points[4, 0, 3, 0] = 80.0  # just outside of the image
    write_test_person(folder / "TS1", valid_frame=valid, annot2=points)
    write_test_person(folder / "TS5")
    return tmp_path


@pytest.mark.parametrize(("protocol", "scale"), [("3dhp/boa", 1.0), ("3dhp/spin", 0.9)])
def test_joints_are_named_in_metres_and_of_the_protocols_annotation(root, protocol, scale):
    dataset = datasets.create("3dhp", root=root, protocol=protocol)
    assert dataset.tracks() == ["TS1", "TS5"]
    video = dataset.load("TS5")
    truth = video.ground_truth
    assert truth.joint_set == "h36m17"
    for name in H36M17:
        j = RELEASE.index(name)
        by_hand = scale * torch.tensor([10 + j + 3, 20 + 2 * j, 3000 + 1000 * j]) / 1000
        torch.testing.assert_close(truth.joints[3, H36M17.index(name)], by_hand, atol=1e-6, rtol=1e-6)
    assert (video.size, video.keypoints, truth.params) == ((80, 60), None, None)


def test_the_camera_is_that_of_the_annotation(tmp_path):
    joints = np.random.default_rng(0).uniform((-900, -900, 3000), (900, 900, 5000), (6, 1, 17, 3))
    points = 40 * joints[..., :2] / joints[..., 2:] + [40, 30]  # focal length 40, centre (40, 30)
    write_test_person(tmp_path / "TS2", annot3=joints, annot2=points)
    camera = datasets.create("3dhp", root=tmp_path).load("TS2").ground_truth.camera
    assert camera.focal_px == pytest.approx(40, abs=1e-3)
    assert camera.center_px == pytest.approx((40, 30), abs=1e-3)


def test_frames_that_are_invalid_or_cut_off_are_left_out(root):
    video = datasets.create("3dhp", root=root).load("TS1")
    assert video.frame_index.tolist() == [0, 1, 3, 5]
    assert [path.name for path in video.frames.paths] == ["img_000001.jpg", "img_000002.jpg", "img_000004.jpg", "img_000006.jpg"]
    # the joints lie in x from 5 to 37 and in y from 10 to 26: centre (21, 18), 1.2 times 32
    np.testing.assert_allclose(video.boxes[0], [21, 18, 38.4], rtol=1e-6)
    assert video.fps == pytest.approx(25 / 2)  # steps of 1, 2 and 2


def test_protocol_by_hand(root, smpl_store, as_result):
    """All 17 joints, relative to the annotated pelvis; the truth is 7 mm beside the prediction in one of them."""
    video = datasets.create("3dhp", root=root).load("TS5")
    joints = torch.from_numpy(REST[H36M_ROWS]).float().expand(6, 17, 3).clone() + torch.tensor([0.3, 0.2, 3.0])
    joints[:, H36M17.index("L_Wrist"), 0] += 0.007
    zero = BodyParams(torch.eye(3).expand(6, 24, 3, 3), torch.zeros(6, 10), torch.zeros(6, 3))
    numbers = evaluate(as_result(video, zero), replace(video.ground_truth, joints=joints))
    assert numbers["mpjpe"] == pytest.approx(7 / 17, abs=1e-3)
    assert "mpvpe" not in numbers


def test_openpose_of_the_person_with_the_box(root):
    folder = root / "mpi_inf_3dhp_test_set" / "TS1" / "openpose"
    folder.mkdir()
    for frame in range(1, 7):
        near, far = np.tile([21.0, 18 + frame / 10, 0.8], 25), np.tile([70.0, 50, 0.9], 25)
        people = [{"pose_keypoints_2d": p.tolist()} for p in ((far, near) if frame != 2 else ())]
        (folder / f"img_{frame:06d}_keypoints.json").write_text(json.dumps({"people": people}))
    points = datasets.create("3dhp", root=root).load("TS1").keypoints
    assert points.joint_set == "body25"
    torch.testing.assert_close(points.xy[:, 0, 1], torch.tensor([18.1, 0, 18.4, 18.6]))
    assert points.confidence[1].sum() == 0


def test_bad_files_say_what_is_wrong(root):
    dataset = datasets.create("3dhp", root=root)
    (root / "mpi_inf_3dhp_test_set" / "TS1" / "imageSequence" / "img_000004.jpg").unlink()
    with pytest.raises(SemttaError, match=r"1 of 4 images are missing, the first is .*img_000004.jpg"):
        dataset.load("TS1")
    with pytest.raises(SemttaError, match="no track 'TS2'"):
        dataset.load("TS2")
    annot = np.ones((6, 1, 17, 3))
    annot[3, 0, 5] = np.nan
    write_test_person(root / "mpi_inf_3dhp_test_set" / "TS5", annot3=annot)
    with pytest.raises(SemttaError, match="annot3: NaN or infinite values in frame 3"):
        dataset.load("TS5")
    write_test_person(root / "mpi_inf_3dhp_test_set" / "TS5", annot3=annot[:, 0])
    with pytest.raises(SemttaError, match="expected"):
        dataset.load("TS5")
    path = root / "mpi_inf_3dhp_test_set" / "TS5" / "annot_data.mat"
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(SemttaError, match="HDF5"):
        dataset.load("TS5")


def test_check_counts_the_official_frames(root):
    findings = {item.what: item for item in datasets.create("3dhp", root=root).check()}
    assert (findings["TS*/annot_data.mat"].found, findings["TS*/annot_data.mat"].expected) == (2, 6)
    assert (findings["TS1: valid frames"].found, findings["TS1: valid frames"].expected) == (5, 603)
    assert findings["TS1: images"].good


def test_no_folder_says_where_to_get_it(tmp_path):
    with pytest.raises(SemttaError, match=r"3dhp-dataset.*research"):
        datasets.create("3dhp", root=tmp_path)
