"""3DPW in miniature: the release's layout and CycleAdapt's json, numbers by hand, and what is wrong with files."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from miniature import CAMERA, LENS, REST, body_joints, threedpw_sequence, write_threedpw

from semtta import evaluate
from semtta.body import load
from semtta.constants import H36M_EVALUATION, SMPL24
from semtta.datasets import PROTOCOLS, datasets
from semtta.errors import SemttaError
from semtta.geometry import axis_angle_to_matrix, project_to_image
from semtta.types import BodyParams


@pytest.fixture
def root(tmp_path):
    valid = np.array([1, 1, 0, 1, 1, 1, 1, 1])
    first = threedpw_sequence("street_00", "mf", campose_valid=[valid, np.ones(8)])
    write_threedpw(tmp_path, street_00=first, office_01=threedpw_sequence("office_01", "f", 5))
    return tmp_path


def break_file(root, name: str, **changes) -> None:
    path = root / "sequenceFiles" / "test" / f"{name}.pkl"
    path.write_bytes(pickle.dumps({**pickle.loads(path.read_bytes()), **changes}, protocol=2))


def test_tracks_are_the_people_of_each_sequence(root):
    assert datasets.create("3dpw", root=root).tracks() == ["office_01_0", "street_00_0", "street_00_1"]


def test_a_track_has_the_frames_with_a_camera_pose(root):
    video = datasets.create("3dpw", root=root).load("street_00_0")
    assert video.frame_index.tolist() == [0, 1, 3, 4, 5, 6, 7]
    assert video.size == (64, 48)
    assert len(list(video.frames)) == video.num_frames == 7
    assert video.frames.paths[2].name == "image_00003.jpg"
    assert video.keypoints.joint_set == "coco18"
    assert video.ground_truth.protocol is PROTOCOLS["3dpw/cycleadapt"]
    assert (video.fps, video.boxes) == (30.0, None)


def test_the_truth_is_in_the_camera_frame(root, smpl_store):
    video = datasets.create("3dpw", root=root).load("street_00_0")
    data = pickle.loads((root / "sequenceFiles" / "test" / "street_00.pkl").read_bytes())
    # by hand: the camera swaps x and y and turns z over, and shifts by (0.2, 0.1, 4)
    x, y, z = data["jointPositions"][0][3].reshape(24, 3).T
    by_hand = np.stack((y + 0.2, x + 0.1, 4 - z), -1)
    truth = video.ground_truth
    np.testing.assert_allclose(truth.joints[2], by_hand, atol=1e-5)
    assert truth.body == "smpl-male"
    # the parameters give the same joints: the global rotation and the translation are the camera's too
    params = truth.params
    joints = load("smpl-male").joints(params.rotations, params.betas, params.translation)
    torch.testing.assert_close(joints, truth.joints, atol=1e-5, rtol=0)
    # and the camera of the file projects them onto the released keypoints
    assert truth.camera.focal_px == LENS[0, 0]
    neck = project_to_image(truth.joints[:, SMPL24.index("Neck")], truth.camera.focal_px, truth.camera.center_px)
    torch.testing.assert_close(neck, video.keypoints.xy[:, 1], atol=1e-3, rtol=0)


def test_spins_boxes(root):
    """Each frame's own: 1.2 times what its detected points cover, however weak; the other protocols' are made while adapting."""
    path = root / "sequenceFiles" / "test" / "street_00.pkl"
    data = pickle.loads(path.read_bytes())
    detected = np.stack(data["poses2d"])
    detected[0, 1, 2, [5, 6]] = 0.01  # weak points count
    detected[0, 3, 2, 9:] = 0  # the arms are left
    detected[0, 4, 2] = 0  # none is left
    break_file(root, "street_00", poses2d=list(detected))
    video = datasets.create("3dpw", root=root, protocol="spin").load("street_00_0")
    expected = {}
    for row, frame in enumerate(video.frame_index.tolist()):
        seen = detected[0, frame].T[detected[0, frame, 2] > 0]
        if len(seen):
            low, high = seen[:, :2].min(0), seen[:, :2].max(0)
            expected[row] = [*(low + high) / 2, 1.2 * (high - low).max()]
    assert sorted(expected) == [0, 1, 2, 4, 5, 6]
    torch.testing.assert_close(video.boxes[list(expected)], torch.tensor(list(expected.values())).float())
    torch.testing.assert_close(video.boxes[3], (video.boxes[2] + video.boxes[4]) / 2)  # SPIN has no such frame
    assert datasets.create("3dpw", root=root, protocol="vibe").load("street_00_0").boxes is None
    write_json(root)
    with_json = datasets.create("3dpw", root=root, protocol="spin").load("street_00_0")
    assert torch.equal(with_json.boxes, video.boxes)
    assert with_json.keypoints.source == datasets.create("3dpw", root=root).load("street_00_0").keypoints.source


def flat(video, shape: float = 0.0) -> BodyParams:
    """The zero pose in every frame."""
    count = video.num_frames
    betas = torch.zeros(count, 10)
    betas[:, 0] = shape
    return BodyParams(torch.eye(3).expand(count, 24, 3, 3), betas, torch.zeros(count, 3))


@pytest.mark.parametrize(
    ("protocol", "shape", "larger"),
    [
        ("3dpw/cycleadapt", 0.0, 0.1), ("3dpw/spin", 0.0, 0.1), ("3dpw/vibe", 0.0, 0.0),
        # the true beta of 4 makes the man 4 % larger still, but CycleAdapt takes the mean shape for a beta beyond 3
        ("3dpw/cycleadapt", 4.0, 0.1), ("3dpw/spin", 4.0, 1.1 * 1.04 - 1), ("3dpw/vibe", 4.0, 0.04),
    ],
)  # fmt: skip
def test_protocols_by_hand(root, smpl_store, as_result, protocol, shape, larger):
    """The truth is a man in the zero pose, 10 % larger than the neutral body that was predicted in the same pose."""
    video = datasets.create("3dpw", root=root, protocol=protocol).load("street_00_0")
    truth = replace(video.ground_truth, params=flat(video, shape))
    numbers = evaluate(as_result(video, flat(video)), truth)
    h36m = [SMPL24.index(name) for name in (
        "R_Hip", "R_Knee", "R_Ankle", "L_Hip", "L_Knee", "L_Ankle", "Neck", "Head", "L_Shoulder", "L_Elbow", "L_Wrist",
        "R_Shoulder", "R_Elbow", "R_Wrist",
    )]  # fmt: skip
    root_point = REST[[1, 2]].mean(0) if protocol == "3dpw/vibe" else REST[0]
    assert numbers["mpjpe"] == pytest.approx(1000 * larger * np.linalg.norm(REST[h36m] - root_point, axis=-1).mean(), abs=0.02)
    assert numbers["pa_mpjpe"] == pytest.approx(0, abs=0.02)
    # VIBE compares the meshes as they are; every mesh has its pelvis at the origin here
    vertices = np.linalg.norm(REST[np.arange(6890) % 24], axis=-1).mean()
    assert numbers["mpvpe"] == pytest.approx(1000 * larger * vertices, abs=0.05)
    assert numbers["frames"] == video.num_frames
    assert len(H36M_EVALUATION) == len(h36m)


def test_gaps_do_not_count_as_acceleration(root, smpl_store, as_result):
    video = datasets.create("3dpw", root=root).load("street_00_0")
    params = flat(video)
    turned = params.rotations.clone()
    turned[2:, 16] = axis_angle_to_matrix(torch.tensor([0.0, 0, 1.0]))  # from the frame after the gap on, the arm is elsewhere
    truth = replace(video.ground_truth, params=params)
    numbers = evaluate(as_result(video, replace(params, rotations=turned)), truth)
    assert numbers["accel"] == pytest.approx(0, abs=1e-2)  # frames 0, 1 | 3, 4, 5, 6, 7
    assert numbers["mpjpe"] > evaluate(as_result(video, params), truth)["mpjpe"]


def test_vibe_counts_frames_by_their_keypoints(root):
    data = pickle.loads((root / "sequenceFiles" / "test" / "street_00.pkl").read_bytes())
    points = data["poses2d"][0].copy()
    points[1, 2, 2:8] = 0.0  # six limb joints unseen: six are left, too few
    points[4, 2, 2:7] = 0.3  # five unseen, as 0.3 is not above 0.3: seven are left
    points[6, 2, [0, 1, 14, 15, 16, 17]] = 0.0  # these are no limbs
    break_file(root, "street_00", poses2d=[points, data["poses2d"][1]])
    video = datasets.create("3dpw", root=root, protocol="vibe").load("street_00_0")
    assert video.frame_index.tolist() == [0, 2, 3, 4, 5, 6, 7]  # campose_valid does not matter


def write_json(root, shuffled: bool = True) -> None:
    """CycleAdapt's annotation of the same sequences."""
    images, annotations = [], []
    for path in sorted((root / "sequenceFiles" / "test").glob("*.pkl")):
        data = pickle.loads(path.read_bytes())
        for frame in range(len(data["poses"][0])):
            image = {
                "id": len(images) + 100, "sequence": path.stem, "file_name": f"image_{frame:05d}.jpg", "width": 64, "height": 48,
                "cam_param": {"R": CAMERA[:3, :3].tolist()},
            }  # fmt: skip
            images.append(image)
            for person, gender in enumerate(data["genders"]):
                if not data["campose_valid"][person][frame]:
                    continue
                joints = data["jointPositions"][person][frame].reshape(24, 3) @ CAMERA[:3, :3].T + CAMERA[:3, 3]
                annotations.append({
                    "id": len(annotations), "image_id": image["id"], "person_id": person, "bbox": [10.0, 5.0, 20.0, 30.0],
                    "openpose_result": data["poses2d"][person][frame].T.ravel().tolist(),
                    "joint_cam": (1000 * joints).ravel().tolist(),
                    "smpl_param": {
                        "pose": data["poses"][person][frame].tolist(), "shape": data["betas"][person][:10].tolist(),
                        "trans": data["trans"][person][frame].tolist(), "gender": {"m": "male", "f": "female"}[gender],
                    },
                })  # fmt: skip
    if shuffled:
        annotations.reverse()
    (root / "3DPW_test.json").write_text(json.dumps({"images": images, "annotations": annotations}))


@pytest.mark.parametrize("with_release", [True, False])
def test_cycleadapts_annotation(root, with_release):
    """Boxes made square and not enlarged; frames out of order are put in order; the truth is that of the release."""
    released = datasets.create("3dpw", root=root).load("street_00_0")
    write_json(root)
    if not with_release:
        for path in (root / "sequenceFiles" / "test").glob("*.pkl"):
            path.unlink()
    dataset = datasets.create("3dpw", root=root)
    assert dataset.tracks() == ["office_01_0", "street_00_0", "street_00_1"]
    video = dataset.load("street_00_0")
    assert video.frame_index.tolist() == released.frame_index.tolist()
    assert [path.name for path in video.frames.paths] == [path.name for path in released.frames.paths]
    assert video.boxes[0].tolist() == [20.0, 20.0, 30.0]
    assert "CycleAdapt" in video.keypoints.source
    torch.testing.assert_close(video.keypoints.xy, released.keypoints.xy)
    truth = video.ground_truth
    assert truth.body == "smpl-male"
    torch.testing.assert_close(truth.joints, released.ground_truth.joints, atol=1e-4, rtol=0)
    torch.testing.assert_close(truth.params.rotations, released.ground_truth.params.rotations, atol=1e-5, rtol=0)
    torch.testing.assert_close(truth.params.betas, released.ground_truth.params.betas)


def test_check_says_what_is_missing(root):
    findings = {item.what: item for item in datasets.create("3dpw", root=root).check()}
    assert (findings["sequenceFiles/test/*.pkl"].found, findings["sequenceFiles/test/*.pkl"].expected) == (2, 24)
    assert (findings["tracks (people in sequences)"].found, findings["tracks (people in sequences)"].expected) == (3, 37)
    assert (findings["frames with campose_valid"].found, findings["frames with campose_valid"].expected) == (7 + 8 + 5, 35515)
    assert findings["imageFiles/*/image_*.jpg"].good
    (root / "imageFiles" / "office_01" / "image_00002.jpg").unlink()
    images = {item.what: item for item in datasets.create("3dpw", root=root).check()}["imageFiles/*/image_*.jpg"]
    assert (images.found, images.expected) == (12, 13)


class Malicious:
    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def nan_pose(data):
    poses = data["poses"][0].copy()
    poses[4, 7] = np.nan
    return {"poses": [poses, *data["poses"][1:]]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (nan_pose, "poses of person 0: NaN or infinite values in frame 4"),
        (lambda data: {"img_frame_ids": np.array([0, 2, 6, 4, 8, 10, 12, 14])}, "frames are out of order"),
        (lambda data: {"campose_valid": [np.zeros(8), np.ones(8)]}, "no frame is evaluated"),
        (lambda data: {"trans": [data["trans"][0][:5], data["trans"][1]]}, "different lengths"),
    ],
)
def test_damaged_annotations_say_what_and_where(root, change, message):
    data = pickle.loads((root / "sequenceFiles" / "test" / "street_00.pkl").read_bytes())
    break_file(root, "street_00", **change(data))
    dataset = datasets.create("3dpw", root=root)
    with pytest.raises(SemttaError, match=message):
        dataset.load("street_00_0")
    assert dataset.load("office_01_0").num_frames == 5  # the others are as they were


def test_missing_keys_and_images_and_tracks(root):
    dataset = datasets.create("3dpw", root=root)
    (root / "imageFiles" / "street_00" / "image_00004.jpg").unlink()
    with pytest.raises(SemttaError, match=r"1 of 7 images are missing, the first is .*image_00004.jpg"):
        dataset.load("street_00_0")
    with pytest.raises(SemttaError, match="no track 'street_00_2'"):
        dataset.load("street_00_2")
    with pytest.raises(SemttaError, match="no track 'bridge_00_0'"):
        dataset.load("bridge_00_0")
    path = root / "sequenceFiles" / "test" / "street_00.pkl"
    path.write_bytes(pickle.dumps({"poses": []}))
    with pytest.raises(SemttaError, match="lacks betas, trans"):
        dataset.load("street_00_0")


def test_a_malicious_pickle_is_refused_and_the_others_go_on(root, tmp_path):
    harm = tmp_path / "harm"
    path = root / "sequenceFiles" / "test" / "street_00.pkl"
    path.write_bytes(pickle.dumps({"poses": Malicious(harm)}, protocol=2))
    dataset = datasets.create("3dpw", root=root)
    assert dataset.tracks() == ["office_01_0", "street_00_0"]
    with pytest.raises(SemttaError, match="refused, nothing of it was executed"):
        dataset.load("street_00_0")
    assert not harm.exists()
    assert dataset.load("office_01_0").num_frames == 5
    assert not all(item.good for item in dataset.check())


def test_no_folder_says_where_to_get_it(tmp_path):
    for options in ({}, {"root": tmp_path}):
        with pytest.raises(SemttaError, match=r"virtualhumans.*non-commercial.*--root"):
            datasets.create("3dpw", **options)


def test_protocols_of_other_datasets_are_refused(root):
    with pytest.raises(SemttaError, match=r"not one of the dataset '3dpw' \(those are: 3dpw/cycleadapt, 3dpw/spin"):
        datasets.create("3dpw", root=root, protocol="3dhp/boa")
    with pytest.raises(SemttaError, match="Did you mean '3dpw/spin'"):
        datasets.create("3dpw", root=root, protocol="3dpw/spinn")


def test_the_made_up_body_is_what_the_tests_think(smpl_store):
    poses, betas, trans = np.random.default_rng(0).normal(size=(2, 72)), np.eye(10)[0] * 2, np.zeros((2, 3))
    turned = axis_angle_to_matrix(torch.from_numpy(poses).float().unflatten(-1, (24, 3)))
    joints = load("smpl-female").joints(turned, torch.from_numpy(betas).float())
    np.testing.assert_allclose(joints, body_joints("FEMALE", poses, betas, trans), atol=1e-5)
