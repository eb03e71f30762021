"""The root's path: a walk that is known is found again, and each part of what is minimised is needed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from semtta.constants import SMPL29
from semtta.refine import refine
from semtta.refine.root import UNSOLVED, RootSettings
from semtta.refine.root_path import Manner, Sight, camera_scale, solve_path, stillness
from semtta.settings import Part
from semtta.types import Camera, CameraPath, Keypoints2D

FPS, LEFT, RIGHT = 30.0, 4, 5
USUAL = Manner(**RootSettings().model_dump())
#: A person of six joints around the root: shoulders, hips, feet; metres, y down.
BODY = np.array([[-0.2, -0.5, 0], [0.2, -0.5, 0], [-0.1, 0.05, 0], [0.1, 0.05, 0], [-0.1, 0.9, 0], [0.1, 0.9, 0]])


def without(**changes: float) -> Manner:
    """The usual manner with parts of what is minimised switched off."""
    return replace(USUAL, **changes)


def seen(path: np.ndarray, body: np.ndarray | None = None, noise: float = 0.0, rotation: np.ndarray | None = None,
         translation: np.ndarray | None = None, feet: tuple[int, ...] = ()) -> Sight:  # fmt: skip
    """A body that goes along a path [T, 3] of the world without turning, as a camera sees it; ``noise`` in units of x / z."""
    count = len(path)
    points = np.broadcast_to(BODY, (count, *BODY.shape)) if body is None else body
    rotation = np.tile(np.eye(3), (count, 1, 1)) if rotation is None else rotation
    translation = np.zeros((count, 3)) if translation is None else translation
    points = points @ rotation.swapaxes(-1, -2)
    there = points + ((rotation @ path[..., None])[..., 0] + translation)[:, None]
    pixels = there[..., :2] / there[..., 2:] + noise * np.random.default_rng(0).normal(size=(*there.shape[:2], 2))
    times = np.arange(count) / FPS
    return Sight(points, pixels, np.ones(there.shape[:2]), times, rotation, translation, feet)


def walk(count: int = 60) -> np.ndarray:
    """Two seconds from left to right and towards the camera, swaying."""
    t = np.arange(count) / FPS
    return np.stack((t - 1, 0.03 * np.sin(12 * t), 5 - 0.8 * t), -1)


def off(found: np.ndarray, path: np.ndarray) -> float:
    return float(np.linalg.norm(found - path, axis=-1).max())


def test_a_walk_is_found_from_a_wrong_start():
    path = walk()
    assert off(solve_path(seen(path), path * [1, 1, 3] + [0.5, 0.3, 0.0], USUAL), path) < 0.01


def test_smoothness_in_depth_is_what_steadies_a_noisy_depth():
    path = walk()
    start = path + np.random.default_rng(1).normal(size=path.shape) * [0, 0, 0.5]
    sight = seen(path, noise=0.004)  # 2 cm at 5 m
    steady, free = (solve_path(sight, start, manner) for manner in (USUAL, without(depth_acceleration=1e5, velocity=1e5)))
    assert off(steady, path) < 0.08
    assert off(free, path) > 2 * off(steady, path)


def test_smoothness_across_takes_out_the_picture_s_noise():
    path = walk()
    sight = seen(path, noise=0.01)
    rough, steady = (solve_path(sight, path, manner) for manner in (without(acceleration=1e5), without(acceleration=1.0)))
    assert off(steady[:, :2], path[:, :2]) < 0.6 * off(rough[:, :2], path[:, :2])


def test_who_is_seen_once_stays_there():
    """Nothing but the penalty on velocity says so: a path that goes on evenly has no acceleration."""
    path = walk()
    sight = seen(path)
    sight.weight[:20] = sight.weight[21:] = 0
    start = path + np.arange(60)[:, None] * np.array((0.5, 0, 0.5))
    stayed = solve_path(sight, start, USUAL)
    assert off(stayed, np.broadcast_to(stayed[20], stayed.shape)) < 0.2
    assert off(solve_path(sight, start, without(velocity=1e5)), np.broadcast_to(stayed[20], stayed.shape)) > 1


def test_a_start_behind_the_camera():
    path = walk()
    assert off(solve_path(seen(path), path * [1, 1, -1], USUAL), path) < 0.01


def test_the_frame_rate_does_not_matter():
    """A leaning trunk makes someone seem to go away: as far at 15 as at 120 frames a second."""
    spans = []
    for count in (45, 360):
        path, body, thought = squat(count)
        sight = replace(seen(path, body, feet=(LEFT, RIGHT)), points=thought, times=np.linspace(0, 3, count))
        spans.append(float(np.ptp(solve_path(sight, path, USUAL)[:, 2])))
    assert spans[0] == pytest.approx(spans[1], rel=0.1)


def test_a_gap_is_crossed_smoothly():
    path = walk()
    sight = seen(path)
    sight.weight[20:40] = 0
    start = path.copy()
    start[20:40] += 2.0  # what the network says of frames that it did not see
    assert off(solve_path(sight, start, USUAL), path) < 0.1


def test_a_clip_that_shows_nothing_keeps_its_path():
    sight = seen(walk())
    sight.weight[:] = 0
    start = walk() + 1
    np.testing.assert_array_equal(solve_path(sight, start, USUAL), start)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_clips_of_a_few_frames(count):
    path = walk()[:count]
    assert off(solve_path(seen(path, feet=(LEFT, RIGHT)), path + np.array((0.2, 0, 0.5)), USUAL), path) < 0.05


def test_joints_that_are_wrong_hardly_count():
    path = walk()
    sight = seen(path)
    sight.seen[:, 0] += 0.1  # a shoulder that is half a metre off all along
    assert off(solve_path(sight, path, USUAL), path) < 0.03


def test_confidence_counts():
    path = walk()
    sight = seen(path)
    sight.seen[:, :2] += 0.02
    sure = solve_path(sight, path, USUAL)
    sight.weight[:, :2] = 0.01
    assert off(solve_path(sight, path, USUAL), path) < 0.2 * off(sure, path)


def test_depth_from_the_trunk_alone():
    """Legs out of the picture for the second half: shoulders and hips give the size, smoothness the rest."""
    path = walk()
    sight = seen(path, noise=0.002)
    sight.weight[30:, [LEFT, RIGHT]] = 0
    assert off(solve_path(sight, path + np.array((0, 0, 1.0)), USUAL), path) < 0.15


def test_times_of_frames_count():
    """Two frames a tenth of a second apart, then one two seconds later: the same path, whatever the frames' spacing."""
    times = np.concatenate((np.arange(10) / 30, 3 + np.arange(10) / 30))
    path = np.stack((0.5 * times - 1, 0 * times, 6 - 0.5 * times), -1)
    sight = replace(seen(path, noise=0.002), times=times)
    assert off(solve_path(sight, path, USUAL), path) < 0.1
    assert off(solve_path(replace(sight, times=np.arange(20) / 30), path, USUAL), path) > 0.3  # a run of 1.5 m in a 30th


def squat(count: int = 90) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Someone who bends twice on the spot and looks a tenth smaller then, of which the pose knows nothing.

    Path, body as it is and body as it is thought to be.
    """
    bent = (1 - np.cos(np.linspace(0, 4 * np.pi, count))) / 2
    thought = np.broadcast_to(BODY, (count, 6, 3)).copy()
    body = thought * (1 - 0.1 * bent)[:, None, None]
    path = np.stack((0 * bent, 0.9 - body[:, LEFT, 1], np.full(count, 4.0)), -1)  # the feet stay where they are
    body[:, [LEFT, RIGHT], 0] = thought[:, [LEFT, RIGHT], 0]
    return path, body, thought


def test_feet_that_stand_hold_the_depth():
    path, body, thought = squat()
    sight = replace(seen(path, body, feet=(LEFT, RIGHT)), points=thought)
    spans = {
        name: float(np.ptp(solve_path(sight, path, manner)[:, 2]))
        for name, manner in {
            "none": without(foot_m_s=1e5, stand_m_s=1e5), "feet": without(stand_m_s=1e5), "standing": USUAL,
        }.items()
    }  # fmt: skip
    assert spans["none"] > 0.2
    assert spans["feet"] < 0.8 * spans["none"]
    assert spans["standing"] < 0.4 * spans["none"]


def test_feet_of_a_walker_are_not_held():
    path = walk()
    sight = seen(path, feet=(LEFT, RIGHT))  # it slides without moving its feet, so none of them stands
    assert stillness(sight, path).max() < 0.01
    assert off(solve_path(sight, path, USUAL), path) < 0.02


def test_a_foot_that_stands_is_told_from_one_that_swings():
    body = np.broadcast_to(BODY, (60, 6, 3)).copy()
    body[:, RIGHT, 0] += np.arange(60) / 30  # a metre a second
    still = stillness(seen(np.tile([0.0, 0, 4], (60, 1)), body, feet=(LEFT, RIGHT)), np.tile([0.0, 0, 4], (60, 1)))
    assert still[:, 0].min() > 0.99
    assert still[:, 1].max() < 0.01


def moving_camera(count: int) -> tuple[np.ndarray, np.ndarray]:
    """A camera that shakes and travels: rotation and translation, world to camera."""
    t = np.arange(count) / FPS
    turn = Rotation.from_euler("yx", np.stack((0.2 * np.sin(9 * t), 0.1 * np.sin(14 * t)), -1)).as_matrix()
    place = np.stack((0.3 * np.sin(8 * t), 0 * t, 0.4 * np.sin(11 * t)), -1)
    return turn, -(turn @ place[..., None])[..., 0]


def test_a_moving_cameras_path_is_smooth_in_the_world():
    path = walk()
    turn, shift = moving_camera(len(path))
    sight = seen(path, noise=0.002, rotation=turn, translation=shift)
    here = sight.to_camera(path)
    as_still = replace(sight, rotation=np.tile(np.eye(3), (len(path), 1, 1)), translation=np.zeros_like(shift))
    known, unknown = (solve_path(s, here + np.array((0, 0, 0.3)), USUAL) for s in (sight, as_still))
    assert off(known, here) < 0.1
    assert off(unknown, here) > 2 * off(known, here)


def test_a_standing_foot_is_known_through_a_moving_camera():
    path = np.tile([0.0, 0, 4], (60, 1))
    turn, shift = moving_camera(60)
    sight = seen(path, rotation=turn, translation=shift, feet=(LEFT, RIGHT))
    here = sight.to_camera(path)
    still = replace(sight, rotation=np.tile(np.eye(3), (60, 1, 1)), translation=np.zeros_like(shift))
    assert stillness(sight, here).min() > 0.9
    assert stillness(still, here).min() < 0.1


@pytest.mark.parametrize("unit", [0.1, 1.0, 8.0])
def test_the_unit_of_a_cameras_path_is_found(unit):
    """A camera that shakes by 30 cm, in units of its own: with any other unit the person would shake."""
    path = walk()
    turn, shift = moving_camera(len(path))
    sight = seen(path, noise=0.001, rotation=turn, translation=shift)
    here = sight.to_camera(path)
    strange = replace(sight, translation=shift / unit)
    assert camera_scale(strange, here + np.array((0, 0, 0.3)), USUAL) == pytest.approx(unit, rel=0.05)


def test_a_camera_that_stands_still_has_the_unit_1():
    path = walk()
    assert camera_scale(seen(path), path, USUAL) == pytest.approx(1)


def test_a_path_of_many_frames_costs_little():
    path = np.tile(walk(), (100, 1))  # it jumps back every two seconds
    assert solve_path(seen(path), path, USUAL).shape == (6000, 3)


# -- the refiner -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def misplaced(make_result, open_body):
    """A result whose keypoints are the projections of its body, and whose translation is off: the true one beside it."""

    def make(camera_path=None, **changes):
        result = make_result(frames=24, **changes)
        truth = result.params.translation
        points = open_body.keypoints(result.params.rotations, result.params.betas, "smpl29") + truth[:, None]
        xy = points[..., :2] / points[..., 2:] * result.camera.focal_px + torch.tensor(result.camera.center_px)
        keypoints = Keypoints2D(xy, torch.ones(24, len(SMPL29)), "smpl29")
        shaken = truth + 0.3 * torch.randn(24, 3, generator=torch.Generator().manual_seed(0))
        params = replace(result.params, translation=shaken)
        return replace(result, keypoints_before=keypoints, params=params, camera_path=camera_path), truth

    return make


def test_the_refiner_moves_translation_and_joints_only(misplaced, open_body):
    result, truth = misplaced()
    (done,) = refine((Part(name="root", settings=RootSettings()),), [result], open_body)
    assert (done.params.translation - truth).norm(dim=-1).max() < 0.05
    torch.testing.assert_close(done.joints, open_body.joints(done.params.rotations, done.params.betas, done.params.translation))
    assert torch.equal(done.params.rotations, result.params.rotations)
    assert torch.equal(done.params.betas, result.params.betas)


def test_the_refiner_takes_the_cameras_path(misplaced, open_body):
    turn, shift = moving_camera(24)
    path = CameraPath(torch.from_numpy(turn).float(), torch.from_numpy(shift).float())
    result, _ = misplaced()
    (still,) = refine((Part(name="root", settings=RootSettings()),), [result], open_body)
    (moving,) = refine((Part(name="root", settings=RootSettings()),), [replace(result, camera_path=path)], open_body)
    assert (still.params.translation - moving.params.translation).norm(dim=-1).max() > 0.01
    unknown = replace(path, translation=path.translation / 3, metric=False)
    (scaled,) = refine((Part(name="root", settings=RootSettings()),), [replace(result, camera_path=unknown)], open_body)
    assert scaled.camera_path.metric
    assert scaled.messages[-1].startswith("The camera's path is in units of")
    assert not torch.equal(scaled.camera_path.translation, unknown.translation)


def test_the_focal_length_scales_the_depth(misplaced, open_body):
    result, truth = misplaced()
    longer = replace(result, camera=Camera(2 * result.camera.focal_px, result.camera.center_px))
    (done,) = refine((Part(name="root", settings=RootSettings()),), [longer], open_body)
    assert (done.params.translation[:, 2] / truth[:, 2]).mean() == pytest.approx(2, rel=0.05)


def test_a_system_that_cannot_be_solved_loses_nothing(misplaced, open_body, monkeypatch):
    def fails(*_, **__):
        raise np.linalg.LinAlgError

    result, _ = misplaced()
    monkeypatch.setattr("semtta.refine.root_path.solveh_banded", fails)
    (done,) = refine((Part(name="root", settings=RootSettings()),), [result], open_body)
    assert UNSOLVED in done.messages
    assert torch.equal(done.params.translation, result.params.translation)


def test_joints_that_are_no_numbers_and_results_without_a_translation(misplaced, open_body):
    result, truth = misplaced()
    xy = result.keypoints_before.xy.clone()
    xy[3:6, 5:9] = torch.nan
    broken = replace(result, keypoints_before=Keypoints2D(xy, result.keypoints_before.confidence, "smpl29"))
    (done,) = refine((Part(name="root", settings=RootSettings()),), [broken], open_body)
    assert (done.params.translation - truth).norm(dim=-1).max() < 0.05
    nowhere = replace(result, params=replace(result.params, translation=None))
    (kept,) = refine((Part(name="root", settings=RootSettings()),), [nowhere], open_body)
    assert kept.params.translation is None
