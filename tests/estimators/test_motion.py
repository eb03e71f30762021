"""``motion:FILE``: another system's result as the start, refined by the same loop."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from disturbed import refine
from other_systems import (
    BETAS,
    T,
    places,
    rotations,
    write_amass,
    write_gvhmr,
    write_prompthmr,
    write_tram,
    write_wham,
)

import semtta
from semtta.body import Body
from semtta.build import build_estimator, make_config
from semtta.constants import SMPL29
from semtta.errors import SemttaError
from semtta.estimators.motion import MotionEstimator, fitted_cameras
from semtta.estimators.motion_files import read_motion
from semtta.geometry import crop_points, project_to_image
from semtta.methods.passes import predict
from semtta.testing import check_estimator
from semtta.types import FrameBatch, Keypoints2D, Video

SIZE = (320, 240)


class Undecodable:
    """Frames that nobody may read."""

    def __iter__(self) -> Iterator[np.ndarray]:
        pytest.fail("a frame was decoded")


def make_video(frames: int = T) -> Video:
    points = torch.rand(frames, 25, 2, generator=torch.Generator().manual_seed(1)) * torch.tensor((60.0, 160.0)) + 40
    return Video("clip", Undecodable(), frames, 30.0, SIZE, Keypoints2D(points, torch.ones(frames, 25), "body25"))


def batch_for(estimator: MotionEstimator, frames: int = T) -> FrameBatch:
    camera = estimator.picture_camera(SIZE)
    boxes = torch.tensor((170.0, 130.0, 150.0)).expand(frames, 3) + torch.arange(frames)[:, None]
    intrinsics = torch.tensor((camera.focal_px, *camera.center_px)).expand(frames, 3)
    return FrameBatch(torch.arange(frames), boxes, intrinsics, None, SIZE, make_video(frames).keypoints)


def test_it_passes_the_conformance_test(tmp_path, open_body):
    write_amass(tmp_path / "m.npz", camera=True)
    estimator = build_estimator(make_config({"estimator": f"motion:{tmp_path / 'm.npz'}"}), open_body)
    check_estimator(estimator, frames=T)


def test_it_starts_where_the_file_is_and_no_frame_is_decoded(tmp_path):
    """Exactly, in 3D: rotations, shape, place and camera of a file of the same body."""
    write_amass(tmp_path / "m.npz", camera=True)
    settings = {"loop.epochs": 1, "labeler": "none", "prior": "none"}
    result = semtta.adapt(make_video(), estimator=f"motion:{tmp_path / 'm.npz'}", settings=settings)
    before = result.unadapted
    torch.testing.assert_close(before.rotations, rotations(), atol=1e-5, rtol=0)
    torch.testing.assert_close(before.betas, torch.from_numpy(BETAS).expand(T, 10))
    torch.testing.assert_close(before.translation, torch.from_numpy(places()), atol=1e-4, rtol=0)
    assert result.camera.focal_px == 500.0
    assert not torch.equal(result.params.rotations, before.rotations)
    assert result.setting("loop.learning_rate") == 0.015  # what suits it


def test_joints_are_projected_by_the_camera_of_the_picture(tmp_path, open_body: Body):
    """By hand: joints, moved to their place, through the pinhole, into the crop."""
    write_amass(tmp_path / "m.npz", camera=True)
    estimator = MotionEstimator(read_motion(tmp_path / "m.npz"), open_body)
    batch = batch_for(estimator)
    prediction = predict(estimator, dict(estimator.named_parameters()), batch)
    joints = open_body.keypoints(rotations(), torch.from_numpy(BETAS).expand(T, 10), "smpl29")
    picture = project_to_image(joints + torch.from_numpy(places())[:, None], 500.0, (160.0, 120.0))
    projected = estimator.project(joints, prediction.camera, batch)
    torch.testing.assert_close(projected, crop_points(picture, batch.boxes), atol=0.02, rtol=0)


def test_bodies_of_other_families_keep_their_pelvis_and_not_their_shape(tmp_path, open_body: Body):
    write_gvhmr(tmp_path / "m.pt")
    estimator = MotionEstimator(read_motion(tmp_path / "m.pt"), open_body)
    batch = batch_for(estimator)
    prediction = predict(estimator, dict(estimator.named_parameters()), batch)
    assert not prediction.betas.any()
    pelvis = torch.from_numpy(places()) + torch.tensor((0.003, -0.351, 0.012))  # SMPL-X's is that far from its origin
    joints = open_body.joints(prediction.rotations, prediction.betas)
    projected = estimator.project(joints, prediction.camera, batch)[:, 0]
    expected = crop_points(project_to_image(pelvis[:, None], 500.0, (160.0, 120.0)), batch.boxes)[:, 0]
    torch.testing.assert_close(projected, expected, atol=0.05, rtol=0)


def test_cameras(tmp_path, open_body: Body):
    """Of pictures that were made smaller the focal length grows with them; without one it is the picture's diagonal."""
    write_prompthmr(tmp_path / "p.pkl")
    assert MotionEstimator(read_motion(tmp_path / "p.pkl"), open_body).picture_camera(SIZE).focal_px == pytest.approx(500)
    write_wham(tmp_path / "w.pkl")
    assert MotionEstimator(read_motion(tmp_path / "w.pkl"), open_body).picture_camera(SIZE).focal_px == pytest.approx(400)


def test_a_change_is_shared_with_the_frames_around(tmp_path, open_body: Body):
    write_amass(tmp_path / "m.npz", camera=True)
    estimator = MotionEstimator(read_motion(tmp_path / "m.npz"), open_body, smooth=1.0)
    batch = batch_for(estimator)
    weights = dict(estimator.named_parameters())
    before = predict(estimator, weights, batch).betas
    change = torch.zeros(T, 10)
    change[3] = 1
    moved = predict(estimator, {**weights, "shape": change}, batch).betas - before
    shares = [math.exp(-0.5 * k * k) for k in (-2, -1, 0, 1, 2)]
    torch.testing.assert_close(moved[1:, 0], torch.tensor(shares) / sum(shares))
    alone = MotionEstimator(read_motion(tmp_path / "m.npz"), open_body, smooth=0.0)
    moved = predict(alone, {**weights, "shape": change}, batch).betas - before
    torch.testing.assert_close(moved, change)


def test_without_a_camera_the_keypoints_place_the_motion(tmp_path, open_body: Body):
    write_amass(tmp_path / "m.npz")
    estimator = MotionEstimator(read_motion(tmp_path / "m.npz"), open_body)
    joints = open_body.keypoints(rotations(), torch.zeros(T, 10), "smpl29")
    scale, shift = torch.linspace(50, 60, T), torch.stack((torch.linspace(100, 150, T), torch.full((T,), 90.0)), -1)
    points = scale[:, None, None] * joints[..., :2] + shift[:, None]
    confidence = torch.ones(T, 29)
    confidence[2] = 0  # what is not seen lies between its neighbours
    confidence[2, :3] = 1
    found = fitted_cameras(joints, Keypoints2D(points, confidence, "smpl29"), SIZE)
    torch.testing.assert_close(found, torch.cat((scale[:, None], shift), -1), atol=1e-3, rtol=1e-4)
    points[:, SMPL29.index("L_Knee")] = torch.nan
    assert fitted_cameras(joints, Keypoints2D(points, confidence, "smpl29"), SIZE).isfinite().all()
    nothing = fitted_cameras(joints, Keypoints2D(points, torch.zeros(T, 29), "smpl29"), SIZE)
    assert nothing[0].tolist() == [120, 160, 120]
    usual = make_video()
    result = semtta.adapt(usual, estimator=estimator, settings={"loop.epochs": 0, "labeler": "none"})
    assert result.params.translation.isfinite().all()
    assert result.camera.focal_px > 2000


def test_the_person_who_is_asked_for(tmp_path):
    write_wham(tmp_path / "w.pkl")
    settings = {"estimator.person": 1, "loop.epochs": 0, "labeler": "none"}
    result = semtta.adapt(make_video(), estimator=f"motion:{tmp_path / 'w.pkl'}", settings=settings)
    torch.testing.assert_close(result.unadapted.rotations[2:], rotations(T, 3)[2:], atol=1e-5, rtol=0)
    torch.testing.assert_close(result.unadapted.rotations[0], rotations(T, 3)[2], atol=1e-5, rtol=0)  # not yet there


@pytest.mark.parametrize("frames", [T - 1, T + 1])
def test_another_clip_gets_one_line(tmp_path, frames):
    write_gvhmr(tmp_path / "m.pt")
    with pytest.raises(SemttaError, match=f"^The motion has {T} frames, the video {frames}: they are not of the same clip.$"):
        semtta.adapt(make_video(frames), estimator=f"motion:{tmp_path / 'm.pt'}", settings={"labeler": "none"})


def test_a_track_may_end_before_its_video(tmp_path):
    write_tram(tmp_path / "track.npy")
    settings = {"loop.epochs": 1, "labeler": "none"}
    result = semtta.adapt(make_video(T + 2), estimator=f"motion:{tmp_path / 'track.npy'}", settings=settings)
    assert torch.equal(result.unadapted.rotations[T - 1], result.unadapted.rotations[T + 1])


def test_it_needs_a_file(open_body):
    with pytest.raises(SemttaError, match="needs a file: --estimator motion:FILE"):
        build_estimator(make_config({"estimator": "motion"}), open_body)


def test_hidden_legs_follow_the_label(tmp_path):
    """60 mm of correlated noise and legs at rest in a third of the frames: errors of hidden joints fall by a quarter at least.

    Not without the label: it is what says how the legs go on.
    """
    before, after = refine("val-walking-and-turning-left-truncated", tmp_path, threads=1)
    assert before["mpjpe"] > 60
    assert after["mpjpe_occluded"] < 0.75 * before["mpjpe_occluded"]
    assert after["mpjpe"] < 0.75 * before["mpjpe"]
    assert after["accel"] < 1.3 * before["accel"]
    _, unlabelled = refine("val-walking-and-turning-left-truncated", tmp_path, label=None, threads=1)
    assert unlabelled["mpjpe_occluded"] > 1.2 * after["mpjpe_occluded"]
