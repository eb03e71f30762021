"""Several calibrated cameras: calibration, who is who, triangulation, and the dataset made of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import call
from recordings import FACE_AND_FEET, FPS, cameras, detected, qualisys, toml, two_people, write_recording, write_video

from semtta.constants import BODY25, LIMBS12
from semtta.data.calibration import read_calibration
from semtta.datasets import open_dataset
from semtta.datasets.multiview_people import gathered, match_people
from semtta.datasets.multiview_triangulation import filled, low_passed, triangulate, without_jumps
from semtta.errors import SemttaError
from semtta.metrics import limb_direction_error, pa_mpjpe, pa_mpjpe_without_offsets, torso_axes
from semtta.metrics.evaluation import evaluate_joints

LIMBS = [BODY25.index(name) for name in LIMBS12]


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> tuple[Path, np.ndarray]:
    """A recording of two people by four cameras, and their true joints [2, T, 25, 3]; not to be changed."""
    folder = tmp_path_factory.mktemp("recording")
    return folder, write_recording(folder)


def seen_from(*places: tuple[float, float, float]) -> np.ndarray:
    """Projections [V, 3, 4] of cameras at these places that all look along z."""
    return np.stack([np.concatenate((np.eye(3), -np.array(place)[:, None]), 1) for place in places])


# -- triangulation ------------------------------------------------------------------------------------------------------


def test_two_rays_by_hand():
    """From (0, 0, 0) and (1, 0, 0) the point (0.5, 0.2, 2) is at x = 0.25 and -0.25, y = 0.1."""
    found = triangulate(seen_from((0, 0, 0), (1, 0, 0)), np.array([[[0.25, 0.1]], [[-0.25, 0.1]]]), np.ones((2, 1)))
    np.testing.assert_allclose(found.points, [[0.5, 0.2, 2.0]], atol=1e-9)
    assert found.used.all()


def test_the_view_that_is_wrong_is_left_out_and_measured():
    projections = seen_from((0, 0, 0), (1, 0, 0), (0, 1, 0))
    x = np.array([[[0.25, 0.1]], [[-0.25, 0.1]], [[0.25, 0.1]]])  # right: (0.25, -0.4); it is off by 0.5 at a depth of 2
    found = triangulate(projections, x, np.ones((3, 1)))
    np.testing.assert_allclose(found.points, [[0.5, 0.2, 2.0]], atol=1e-9)
    assert found.used[:, 0].tolist() == [True, True, False]
    assert found.error[2, 0] == pytest.approx(1.0)


def test_two_views_that_disagree_and_one_view_give_nothing():
    projections = seen_from((0, 0, 0), (1, 0, 0))
    x = np.array([[[0.25, 0.1], [0.25, 0.1]], [[-0.25, 0.6], [-0.25, 0.1]]])
    found = triangulate(projections, x, np.array([[1.0, 1.0], [1.0, 0.0]]))
    assert np.isnan(found.points).all()
    assert not found.used.any()


def test_confidence_weighs_the_views():
    """Three views that agree within the tolerance: the point lies nearer to the rays of the sure ones."""
    projections = seen_from((0, 0, 0), (1, 0, 0), (0.5, 0, 0))
    x = np.array([[[0.25, 0.1]], [[-0.25, 0.1]], [[0.0, 0.12]]])
    sure, unsure = (triangulate(projections, x, np.array([[1.0], [1.0], [c]])).points[0, 1] for c in (1.0, 0.4))
    assert 0.2 < unsure < sure < 0.24


def test_gaps_are_bridged_and_jumps_removed():
    line = np.linspace(0, 1, 20)[:, None, None] * np.ones(3)
    gap, long_gap = line.copy(), line.copy()
    gap[5:8], long_gap[5:12] = np.nan, np.nan
    np.testing.assert_allclose(filled(gap, 3), line)
    assert np.isnan(filled(long_gap, 3)[5:12]).all()
    jump = line.copy()
    jump[9] += 1
    assert np.isnan(without_jumps(jump, FPS)[9]).all()
    np.testing.assert_allclose(filled(without_jumps(jump, FPS), 1), line)


def test_the_filter_has_no_delay_and_takes_fast_noise_away():
    t = np.arange(120) / 60
    slow = np.sin(2 * np.pi * 1.0 * t)[:, None, None] * np.ones(3)
    noisy = slow + 0.02 * np.sin(2 * np.pi * 25 * t)[:, None, None]
    smooth = low_passed(noisy, 60, 6.0)
    assert np.abs(smooth - slow)[10:-10].max() < 0.005
    noisy[60:70] = np.nan
    assert np.isnan(low_passed(noisy, 60, 6.0)[60:70]).all()  # a gap stays one, and spoils nothing else
    assert np.isfinite(low_passed(noisy, 60, 6.0)[:60]).all()


# -- calibration --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "write"), [("Calib.toml", toml), ("Calib.qca.txt", qualisys)])
def test_both_formats_place_the_cameras(tmp_path, name, write):
    made, points = cameras(), two_people(3)[:, :, LIMBS]
    (tmp_path / name).write_text(write(made))
    views = read_calibration(tmp_path / name)
    assert [view.name for view in views] == ["cam01", "cam02", "cam03", "cam04"]
    for view, camera in zip(views, made, strict=True):
        assert view.size == (320, 240)
        np.testing.assert_allclose(view.project(points), camera.pixels(points), atol=1e-6)
        np.testing.assert_allclose(view.to_camera(points), camera.in_frame(points), atol=1e-9)
        moved = view.to_camera(points)
        np.testing.assert_allclose(view.normalised(camera.pixels(points)), moved[..., :2] / moved[..., 2:], atol=1e-6)


# -- who is who ---------------------------------------------------------------------------------------------------------


def test_people_are_told_apart_whatever_their_order_and_if_a_view_is_wrong():
    made, people, rng = cameras(), two_people(30), np.random.default_rng(0)
    projections = np.stack([np.concatenate((c.rotation, -(c.rotation @ c.position)[:, None]), 1) for c in made])
    poses = [detected(c, people, 0.5, rng)[:, :, LIMBS] for c in made]
    poses[2][10:20] = poses[2][10:20, ::-1] + [40, 10, 0]  # everyone is somewhere else in one view
    poses[1][5, :, :, 2] = 0  # and one view sees nobody for a frame
    x = []
    for camera, pose in zip(made, poses, strict=True):
        centred = pose.copy()
        centred[..., :2] = (pose[..., :2] - camera.matrix[:2, 2]) / camera.matrix[[0, 1], [0, 1]]
        x.append(centred.transpose(1, 0, 2, 3))
    chosen = match_people(projections, x)[:2]
    found = [triangulate(projections, (p := gathered(x, c))[..., :2], p[..., 2]).points for c in chosen]
    errors = np.array([[np.nanmedian(np.linalg.norm(a - b[:, LIMBS], axis=-1)) for b in people] for a in found])
    order = errors.argmin(1)
    assert sorted(order) == [0, 1]
    for person, joints in zip(order, found, strict=True):  # lens distortion was not removed here: centimetres
        error = np.linalg.norm(joints - people[person][:, LIMBS], axis=-1)
        assert np.nanmax(np.nanmedian(error, 1)) < 0.06
        assert np.isfinite(joints).all(-1).mean() > 0.95


# -- the dataset --------------------------------------------------------------------------------------------------------


def test_a_recording_becomes_tracks_with_truth(recording):
    folder, people = recording
    dataset = open_dataset("multiview", folder)
    assert dataset.tracks() == [f"cam{c:02d}_person{p}" for c in (1, 2, 3, 4) for p in (0, 1)]
    assert all(finding.good for finding in dataset.check())
    made, owners = cameras(), set()
    for person in (0, 1):
        for index, camera in enumerate(made):
            video = dataset.load(f"{camera.name}_person{person}")
            truth = video.ground_truth
            assert truth is not None
            assert truth.valid is not None
            assert truth.valid.all()
            true = camera.in_frame(people)[:, :, LIMBS]  # [2, T, 12, 3]
            off = np.linalg.norm(truth.joints.numpy()[:, LIMBS] - true, axis=-1).mean((1, 2))
            owner = int(off.argmin())
            owners.add((person, owner))
            assert off[owner] < 0.02
            assert truth.joints[:, FACE_AND_FEET].isnan().all()  # never seen: unknown, not zero
            pixels = camera.pixels(people[owner])[:, LIMBS]
            assert video.keypoints is not None
            assert np.linalg.norm(video.keypoints.xy[:, LIMBS].numpy() - pixels, axis=-1).max() < 3  # of this person throughout
            landmarks = video.keypoints.landmarks
            assert landmarks is not None
            expected = true[owner] - camera.in_frame(people[owner])[:, [BODY25.index("Pelvis")]]
            np.testing.assert_allclose(landmarks.xyz[:, LIMBS].numpy(), expected, atol=1e-5)
            assert video.fps == pytest.approx(FPS)
            assert truth.camera is not None
            assert truth.camera.center_px == pytest.approx((158 + index, 121 - index))
    assert len(owners) == 2  # each person is one and the same in all views


def test_the_layout_of_a_pose2sim_project(tmp_path):
    """Qualisys calibration, OpenPose JSON, subfolders, names that differ in zeros and signs, a camera without a video."""
    made, people, rng = cameras(), two_people(12), np.random.default_rng(0)
    (tmp_path / "calibration").mkdir()
    (tmp_path / "calibration" / "Calib.qca.txt").write_text(qualisys(made))
    for number, camera in enumerate(made, 1):
        if number < 4:
            write_video(tmp_path / "videos" / f"Cam_{number}.mp4", 12)
        pose = tmp_path / "pose" / (f"Cam_{number}_json" if number < 4 else "cam04_json")
        pose.mkdir(parents=True)
        for t, frame in enumerate(detected(camera, people, 0.3, rng)):
            text = json.dumps({"people": [{"pose_keypoints_2d": one.ravel().tolist()} for one in frame]})
            (pose / f"Cam_{number}_{t:06d}.json").write_text(text)
    (tmp_path / "labels.txt").write_text("walking\n")
    dataset = open_dataset("multiview", tmp_path)
    assert dataset.tracks() == [f"cam{c:02d}_person{p}" for c in (1, 2, 3) for p in (0, 1)]
    video = dataset.load("cam03_person1")
    assert video.labels[0].label == "walking"
    assert video.ground_truth is not None
    off = np.linalg.norm(video.ground_truth.joints.numpy()[:, LIMBS] - made[2].in_frame(people)[:, :, LIMBS], axis=-1)
    assert off.mean((1, 2)).min() < 0.02


def test_a_camera_that_is_calibrated_wrongly_is_named(recording, tmp_path):
    """A principal point 5 pixels off is 8 cm at 4 m with this lens; with the right calibration there is no message."""
    folder, _ = recording
    assert open_dataset("multiview", folder).load("cam01_person0").messages == ()
    copy, made = shutil.copytree(folder, tmp_path / "copy"), cameras()
    made[2].matrix[0, 2] -= 5  # the true centre is further right: its points lie to the right
    (copy / "Calib.toml").write_text(toml(made))
    message = open_dataset("multiview", copy).load("cam01_person0").messages[-1]
    assert "cam03 sees the joints" in message
    assert "to the right" in message


def test_a_given_truth_is_taken_as_it_is(recording, tmp_path):
    folder, people = recording
    copy = shutil.copytree(folder, tmp_path / "copy")
    np.savez(copy / "truth.npz", joints=people[::-1][:, :, LIMBS] + 0.01, joint_names=np.array(LIMBS12))
    video = open_dataset("multiview", copy).load("cam02_person0")
    assert video.ground_truth is not None
    expected = cameras()[1].in_frame(people[1][:, LIMBS] + 0.01)
    np.testing.assert_allclose(video.ground_truth.joints[:, LIMBS].numpy(), expected, atol=1e-5)
    assert video.keypoints is not None
    assert np.linalg.norm(video.keypoints.xy[:, LIMBS].numpy() - cameras()[1].pixels(people[1])[:, LIMBS], axis=-1).max() < 3


def test_landmarks_are_a_row_of_compare(monkeypatch, capsys, recording, tmp_path):
    """The landmarks of this recording are the true joints: their errors are those of the triangulation, a centimetre or two."""
    folder, _ = recording
    out = tmp_path / "study"
    arguments = ("--dataset", "multiview", "--root", folder, "--methods", "landmarks", "--out", out)
    code, text, err = call(monkeypatch, capsys, "compare", *arguments)
    assert code == 0, err
    assert "Jitter of the truth" in text
    assert "cam03_person1" in text  # a table for each view and person
    records = [json.loads(path.read_text()) for path in sorted((out / "runs").rglob("*.json"))]
    assert len(records) == 8
    for record in records:
        assert record["metrics"]["mpjpe"] < 30
        assert record["metrics"]["limb_deg"] < 5
        assert record["weights"] == {"frames": 24}
    csv = (out / "tables" / "methods-cam01_person0.csv").read_text()
    assert "Limb directions (degrees)" in csv
    assert csv.splitlines()[-1].startswith("landmarks,")


# -- its measures -------------------------------------------------------------------------------------------------------


def test_limb_directions_by_hand():
    """One limb is turned by 90 degrees, the other is right but twice as long: 45 degrees in the mean."""
    true = torch.tensor([[[0.0, 0, 0], [0, 1, 0], [1, 0, 0]]])
    predicted = torch.tensor([[[0.0, 0, 0], [0, 2, 0], [0, 0, 1]]])
    assert limb_direction_error(predicted, true, [(0, 1), (0, 2)]).tolist() == pytest.approx([45.0])
    assert limb_direction_error(-true, true, [(0, 1), (0, 2)]).tolist() == pytest.approx([180.0])


def test_offsets_that_turn_with_the_body_are_removed_and_nothing_else():
    generator = torch.Generator().manual_seed(0)
    pose = torch.randn(12, 3, generator=generator) + 0.05 * torch.randn(20, 12, 3, generator=generator)
    turns = torch.linalg.qr(torch.randn(20, 3, 3, generator=generator))[0]
    turns = turns * torch.linalg.det(turns)[:, None, None]
    hips, shoulders = ([LIMBS12.index(f"{side}_{name}") for side in "LR"] for name in ("Hip", "Shoulder"))
    true = pose @ turns.mT
    axes = torso_axes(true[:, hips], true[:, shoulders])
    shifted = (true @ axes + 0.02 * torch.randn(12, 3, generator=generator)) @ axes.mT
    assert pa_mpjpe(shifted, true).mean() > 15
    assert pa_mpjpe_without_offsets(shifted, true, axes).mean() < 3
    noise = 0.02 * torch.randn(20, 12, 3, generator=generator)
    assert pa_mpjpe_without_offsets(true + noise, true, axes).mean() > 0.8 * pa_mpjpe(true + noise, true).mean()
    torch.testing.assert_close(axes.mT @ axes, torch.eye(3).expand(20, 3, 3), atol=1e-5, rtol=0)


def test_joints_without_a_body_need_a_protocol_of_limbs(recording):
    video = open_dataset("multiview", recording[0]).load("cam01_person0")
    truth = video.ground_truth
    assert truth is not None
    everything = torch.ones(len(truth.joints), dtype=torch.bool)
    numbers = evaluate_joints(truth.joints + 1, "body25", everything, truth)
    assert numbers["mpjpe"] < 0.01
    assert numbers["limb_deg"] < 0.1
    assert numbers["joint_jitter"] == pytest.approx(numbers["true_jitter"], rel=1e-3)
    with pytest.raises(SemttaError, match="nothing to evaluate"):
        evaluate_joints(truth.joints, "body25", ~everything, truth)
