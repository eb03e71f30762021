"""Feet that stand keep their place, and the picture what it shows."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from semtta.body import Surface
from semtta.constants import SMPL24
from semtta.geometry import axis_angle_to_matrix, global_rotations, project_to_image
from semtta.metrics.ground import ground_quality, measure_ground, standing
from semtta.refine.contact import ContactSettings, _envelope, _limited, contact, contact_runs, picture_motion
from semtta.refine.floor import FloorSettings, floor
from semtta.refine.legs import Leg, reach
from semtta.refine.placing import into_camera, into_world
from semtta.refine.smooth import blend, second_differences, shift_root
from semtta.refine.turning import runs
from semtta.types import CameraPath

ANKLES = [SMPL24.index("L_Ankle"), SMPL24.index("R_Ankle")]


def locked(result, body, **settings):
    return contact([result], body, ContactSettings(**settings))[0]


def drawn(result):
    return project_to_image(result.joints, result.camera.focal_px, result.camera.center_px)


@pytest.fixture(scope="module")
def walk(scene, open_body):
    """A true walk of synthwild with slow errors of legs and root, on its floor: noisy, and the truth."""
    made = scene("walking-occluded").result
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(8, 24, 3, generator=generator) * 0.05
    slow = torch.nn.functional.interpolate(noise.permute(1, 2, 0), len(made.joints), mode="linear", align_corners=True)
    rotations = made.params.rotations @ axis_angle_to_matrix(slow.permute(2, 0, 1))
    shift = torch.linspace(0, 6, len(made.joints)).sin()[:, None] * torch.tensor([0.01, 0.02, 0.15])
    params = replace(made.params, rotations=rotations, translation=made.params.translation + shift)
    joints = open_body.joints(params.rotations, params.betas, params.translation)
    return floor([replace(made, params=params, joints=joints)], open_body, FloorSettings())[0], made


# -- the whole --------------------------------------------------------------------------------------------------------


def test_feet_slide_less_and_the_pose_stays_right(walk, open_body):
    noisy, true = walk
    result = locked(noisy, open_body)
    before, after = ground_quality(noisy, open_body), ground_quality(result, open_body)
    assert after["foot_slide_mm"] < 0.45 * before["foot_slide_mm"]
    assert after["penetration_mm"] < 3

    def error(one):
        return (one.joints - one.joints[:, :1] - true.joints + true.joints[:, :1]).norm(dim=-1).mean() * 1000

    assert error(result) < error(noisy) + 1


def test_the_picture_keeps_what_it_shows(walk, open_body):
    noisy, _ = walk
    result = locked(noisy, open_body)
    assert (drawn(result) - drawn(noisy)).norm(dim=-1).median() < 2
    other = [joint for joint in range(24) if joint not in (1, 2, 4, 5, 7, 8)]
    assert torch.equal(result.params.rotations[:, other], noisy.params.rotations[:, other])
    assert torch.equal(result.params.betas, noisy.params.betas)


def test_feet_that_would_take_the_body_off_the_picture_are_left(walk, open_body):
    noisy, _ = walk
    moved = picture_motion(noisy, locked(noisy, open_body))
    kept = locked(noisy, open_body, strain=0.9 * moved)
    assert torch.equal(kept.joints, noisy.joints)
    assert f"{100 * moved:.1f} % of its size in the picture" in kept.messages[-1]
    assert not torch.equal(locked(noisy, open_body, strain=1.1 * moved).joints, noisy.joints)


def test_motion_in_the_picture_by_hand(walk):
    """Ten pixels of a box of 200, in every frame."""
    result = replace(walk[0], boxes=torch.tensor([0.0, 0.0, 200.0]).expand(len(walk[0].joints), 3))
    aside = 10 / result.camera.focal_px * result.joints[..., 2:] * torch.tensor([1.0, 0.0, 0.0])
    assert picture_motion(result, replace(result, joints=result.joints + aside)) == pytest.approx(0.05, rel=1e-4)


def test_knees_do_not_pop(walk, open_body):
    """No joint is faster relative to the pelvis than in the motion before, by more than a little."""
    noisy, _ = walk
    result = locked(noisy, open_body)

    def bend(one):
        return (one.joints - one.joints[:, :1]).diff(n=2, dim=0)[:, [4, 5, 7, 8]].norm(dim=-1).amax()

    assert bend(result) < 1.3 * bend(noisy)


def test_camera_and_world_are_one_motion(walk, open_body):
    result = locked(walk[0], open_body)
    torch.testing.assert_close(into_camera(result.world.joints, result.world.camera), result.joints, atol=1e-4, rtol=0)
    params = result.world.params
    posed = open_body.joints(params.rotations, params.betas, params.translation)
    torch.testing.assert_close(posed, result.world.joints, atol=1e-4, rtol=0)
    assert torch.equal(result.world.camera.rotation, walk[0].world.camera.rotation)


def test_again_changes_little(walk, open_body):
    once = locked(walk[0], open_body)
    twice = locked(once, open_body)
    moved = (once.joints - walk[0].joints).norm(dim=-1).mean()
    assert (twice.joints - once.joints).norm(dim=-1).mean() < 0.5 * moved


def test_without_a_world_it_makes_one(posed, open_body):
    assert locked(posed(), open_body).world is not None


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_clips_of_few_frames(posed, open_body, frames):
    result = locked(posed(frames=frames), open_body)
    assert torch.isfinite(result.joints).all()
    assert float(into_world(Surface(open_body).points(result.params)[0], result.world.camera)[..., 2].min()) > -0.01


@pytest.mark.parametrize(
    "pose",
    [
        {"L_Hip": (-1.5, 0, 0), "R_Hip": (-1.5, 0, 0), "L_Knee": (1.6, 0, 0), "R_Knee": (1.6, 0, 0)},  # sits on nothing
        {"L_Knee": (2.4, 0, 0), "L_Hip": (-0.3, 0, 0)},  # on one leg
        {"Spine1": (1.5, 0, 0)},  # bows
    ],
)
def test_other_poses(posed, open_body, pose):
    result = locked(posed(pose), open_body)
    assert torch.isfinite(result.joints).all()
    lowest = into_world(Surface(open_body).points(result.params)[0], result.world.camera)[..., 2].amin(1)
    assert lowest.min() > -0.01
    assert lowest.max() < 0.03


def test_a_seen_foot_moves_no_further_than_it_may(posed, open_body):
    """Contacts that are wrong, on a foot that swings: in the picture it moves by the limit and the shift of the body, no more."""
    person = floor([posed(frames=30)], open_body, FloorSettings(pitch=0.0))[0]
    swing = torch.zeros(30, 3)
    swing[:, 2] = 0.12 * torch.linspace(0, 6, 30).sin()  # sideways, by 10 cm
    rotations = person.params.rotations.clone()
    rotations[:, 1] = axis_angle_to_matrix(swing)
    params = replace(person.params, rotations=rotations)
    joints = open_body.joints(params.rotations, params.betas, params.translation)
    moving = floor([replace(person, params=params, joints=joints)], open_body, FloorSettings(pitch=0.0))[0]
    sure = torch.zeros(30, 4)
    sure[:, 0] = 1
    moving = replace(moving, world=replace(moving.world, contacts=sure))
    tight, loose = (locked(moving, open_body, picture=share, strain=1) for share in (0.003, 0.05))
    far = [(drawn(r)[:, 7] - drawn(moving)[:, 7]).norm(dim=-1).max() for r in (tight, loose)]
    assert far[0] < 0.6 * far[1]
    near = locked(moving, open_body, picture=0.05, reach=0.01, strain=1)
    assert (near.joints[:, 7] - moving.joints[:, 7]).norm(dim=-1).max() < (loose.joints[:, 7] - moving.joints[:, 7]).norm(
        dim=-1
    ).max()


# -- legs, by hand ----------------------------------------------------------------------------------------------------


@pytest.fixture
def legs(open_body):
    """A body with bent legs, twice: rotations and joints."""
    vectors = torch.zeros(2, 24, 3)
    vectors[:, [1, 2], 0], vectors[:, [4, 5], 0] = -0.5, 0.9
    vectors[1, 0] = torch.tensor([0.3, 1.0, 0.2])
    rotations = axis_angle_to_matrix(vectors)
    return rotations, open_body.joints(rotations, torch.zeros(2, 10))


@pytest.mark.parametrize("side", ["L", "R"])
def test_an_ankle_comes_to_its_place(open_body, legs, side):
    rotations, joints = legs
    leg = Leg.of(side)
    goal = joints[:, leg.ankle] + torch.tensor([[0.05, 0.1, -0.03], [-0.04, 0.02, 0.08]])
    out = reach(rotations, joints, leg, goal)
    moved = open_body.joints(out, torch.zeros(2, 10))
    torch.testing.assert_close(moved[:, leg.ankle], goal, atol=1e-5, rtol=0)
    torch.testing.assert_close(global_rotations(out)[:, leg.ankle], global_rotations(rotations)[:, leg.ankle], atol=1e-5, rtol=0)
    others = [joint for joint in range(24) if joint not in (leg.hip, leg.knee, leg.ankle)]
    assert torch.equal(out[:, others], rotations[:, others])


def test_a_leg_that_is_where_it_should_be_does_not_move(legs):
    rotations, joints = legs
    torch.testing.assert_close(reach(rotations, joints, Leg.of("L"), joints[:, 7]), rotations, atol=1e-6, rtol=0)


def test_a_leg_stretches_no_further_than_it_can(open_body, legs):
    rotations, joints = legs
    leg = Leg.of("L")
    away = joints[:, leg.hip] + 5 * (joints[:, leg.ankle] - joints[:, leg.hip])
    moved = open_body.joints(reach(rotations, joints, leg, away), torch.zeros(2, 10))
    bones = (joints[:, [leg.knee, leg.ankle]] - joints[:, [leg.hip, leg.knee]]).norm(dim=-1).sum(1)
    long = (moved[:, leg.ankle] - moved[:, leg.hip]).norm(dim=-1)
    assert (long < bones).all()
    assert (long > 0.98 * bones).all()
    assert torch.isfinite(reach(rotations, joints, leg, joints[:, leg.hip])).all()  # onto the hip


def test_a_straight_leg_bends_about_its_hinge(open_body):
    """Forwards: the knee comes before the line from hip to ankle."""
    rotations = torch.eye(3).repeat(1, 24, 1, 1)
    rest = open_body.joints(rotations, torch.zeros(1, 10))
    hip, ankle = rest[:, 1], rest[:, 7]
    straight = rest.clone()
    straight[:, 4] = hip + (ankle - hip) * ((rest[:, 4] - hip).norm() / (ankle - hip).norm())
    out = reach(rotations, straight, Leg.of("L"), hip + 0.9 * (ankle - hip))
    knee = hip + (out[:, 1] @ (straight[:, 4] - hip)[..., None])[..., 0]
    assert float((knee - (hip + 0.5 * (ankle - hip)))[0, 2]) > 0.05  # the body faces +z


def test_a_foot_is_turned_as_asked(legs):
    rotations, joints = legs
    turn = axis_angle_to_matrix(torch.tensor([[0.2, 0, 0], [0, 0, 0.1]]))
    out = global_rotations(reach(rotations, joints, Leg.of("R"), joints[:, 8], turn))
    torch.testing.assert_close(out[:, 8], turn @ global_rotations(rotations)[:, 8], atol=1e-5, rtol=0)


# -- least squares, by hand -------------------------------------------------------------------------------------------


def test_second_differences_of_a_parabola():
    """x = t^2 at uneven times has x'' = 2."""
    times = np.array([0.0, 0.1, 0.3, 0.35, 0.7])
    np.testing.assert_allclose(second_differences(times) @ times**2, 2)
    assert second_differences(times[:2]).shape == (0, 2)


def test_blend_keeps_targets_and_dies_away():
    times, weights = np.arange(41) / 30, np.zeros(41)
    weights[15:26] = 1e6
    out = blend(np.where(weights[:, None] > 0, 0.05, 7.0), weights, times, 4.0, 0.05)[:, 0]
    np.testing.assert_allclose(out[15:26], 0.05, atol=1e-3)
    assert abs(out[0]) < 0.02
    assert np.abs(np.diff(out)).max() < 0.02
    assert blend(np.ones((1, 3)), np.ones(1), np.zeros(1), 4.0, 1.0).shape == (1, 3)


def test_the_body_moves_where_the_picture_does_not_decide():
    """A foot that drifts in depth (y) and across (x) by 10 cm: the body takes the drift in depth back, not the one across."""
    times = np.arange(20) / 30
    drift = np.linspace(0, 0.1, 20)
    feet = np.stack((drift, drift, 0 * drift), -1)[:, None]
    hold = np.broadcast_to(np.diag((1 / 0.001**2, 1 / 1.0**2, 1 / 0.001**2)), (20, 3, 3))
    shift, places = shift_root(feet, [(0, 0, 20)], np.ones((20, 1)), np.zeros(1), hold, times, 0.01, 100.0)
    moved = feet[:, 0] + shift
    assert np.ptp(moved[:, 1]) < 0.005
    assert np.ptp(moved[:, 0]) > 0.09
    assert places[0, 1] == pytest.approx(moved[:, 1].mean(), abs=1e-3)
    nothing, none = shift_root(feet, [], np.zeros((20, 1)), np.zeros(0), hold, times, 0.01, 100.0)
    assert not nothing.any()
    assert none.shape == (0, 3)


def test_short_contacts_and_short_gaps():
    times = torch.arange(12) / 30
    sure = torch.tensor([1.0, 1, 1, 1, 0, 1, 1, 0, 0, 0, 0, 1])[:, None]
    assert contact_runs(sure, times, 0.5) == [(0, 0, 7)]  # a gap of one frame is closed, a contact of one is none
    assert contact_runs(sure[:1], times[:1], 0.5) == [(0, 0, 1)]  # of a single frame it is all there is
    assert contact_runs(0.4 * sure, times, 0.5) == []
    assert runs(torch.zeros(3, dtype=torch.bool)) == []


def test_an_envelope_is_above_what_it_covers_and_smooth():
    need = np.zeros(40)
    need[20] = 0.03
    over = _envelope(need, np.arange(40) / 30)
    assert (over >= need).all()
    assert over.max() == pytest.approx(0.03, abs=1e-6)
    assert np.abs(np.diff(over)).max() < 0.015
    assert not _envelope(np.zeros(5), np.arange(5) / 30).any()


def test_moves_are_limited_across_the_line_of_sight():
    ray = np.array([[0.0, 1.0, 0.0]])
    np.testing.assert_allclose(_limited(np.array([[0.3, 0.02, 0.4]]), ray, np.array([0.05]), 1.0), [[0.03, 0.02, 0.04]])
    assert np.linalg.norm(_limited(np.array([[0.0, 3.0, 0.0]]), ray, np.array([0.05]), 0.1)) == pytest.approx(0.1)


# -- measures, by hand ------------------------------------------------------------------------------------------------


def test_ground_measures_by_hand():
    joints = torch.zeros(3, 24, 3)
    joints[:, 0] = torch.tensor([[0.0, 0, 1], [0.3, 0, 1.1], [0.1, 0.5, 1]])
    joints[:, 12] = joints[:, 0] + torch.tensor([0.1, 0, 0.1 / math.tan(math.radians(10))])
    for side, hip, knee, ankle in ((0.1, 1, 4, 7), (-0.1, 2, 5, 8)):
        for joint, height in ((hip, 0.9), (knee, 0.5), (ankle, 0.1)):
            joints[:, joint] = torch.tensor([side, 0, height])
    outer = torch.tensor([-0.01, 0.0, 0.02])[:, None, None] * torch.tensor([0.0, 0, 1])
    feet, contacts = torch.zeros(3, 4, 3), torch.zeros(3, 4)
    contacts[:, 0], contacts[:2, 1] = 1, 1
    feet[:, 0, 0] = torch.tensor([0.0, 0.003, 0.006])  # slides by 3 mm a frame
    feet[:, 1, 1] = torch.tensor([0.0, 0.009, 5.0])  # by 9 in the one step that counts
    feet[:, 2, 0] = torch.arange(3.0)  # in the air
    found = measure_ground(outer, feet, joints, contacts)
    assert found["foot_slide_mm"] == pytest.approx(5, abs=1e-3)
    assert found["penetration_mm"] == pytest.approx(10 / 3, abs=1e-3)
    assert found["floor_gap_95_mm"] == pytest.approx(19, abs=0.01)
    assert found["lean_deg"] == pytest.approx(10, abs=1e-3)
    assert (found["root_range_x_m"], found["root_range_y_m"]) == pytest.approx((0.3, 0.5))
    assert "foot_slide_mm" not in measure_ground(outer, feet, joints, torch.zeros(3, 4))


def test_bent_legs_do_not_stand(open_body):
    rotations = torch.eye(3).repeat(2, 24, 1, 1)
    rotations[1, 4] = axis_angle_to_matrix(torch.tensor([0.8, 0, 0]))
    assert standing(open_body.joints(rotations, torch.zeros(2, 10))).tolist() == [True, False]


def test_no_measures_without_a_world(posed, open_body):
    assert ground_quality(posed(), open_body) == {}
    moving = CameraPath(torch.eye(3).repeat(10, 1, 1), torch.zeros(10, 3))
    assert "lean_deg" in ground_quality(floor([posed(path=moving)], open_body, FloorSettings())[0], open_body)
