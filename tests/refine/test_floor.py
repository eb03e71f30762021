"""One floor: against the truth of rendered clips, and in every odd situation."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from semtta.body import Surface
from semtta.geometry import axis_angle_to_matrix
from semtta.refine import refine
from semtta.refine.contact import ContactSettings
from semtta.refine.floor import FloorSettings, floor, grounded, levelling, mean_rotation
from semtta.refine.placing import into_camera, into_world, told, world_of
from semtta.refine.turning import azimuth_steps, azimuths
from semtta.settings import Part
from semtta.types import CameraPath

LYING = (-math.pi / 2, 0.0, 0.0)


def run(body, *results, **settings):
    return floor(list(results), body, FloorSettings(**settings))


def up_in_camera(result):
    """The world's up in the camera's frame [T, 3]."""
    return result.world.camera.rotation[..., 2]


def angle(a, b):
    return torch.rad2deg(torch.acos((a * b).sum(-1).clamp(-1, 1)))


def sole(result, body):
    """Heights of the outermost points [T, K]."""
    return into_world(Surface(body).points(result.params)[0], result.world.camera)[..., 2]


# -- against the truth ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["waving", "jumping", "walking-occluded"])
def test_up_and_the_floor_are_those_of_the_truth(scene, open_body, name):
    made = scene(name)
    (result,) = run(open_body, made.result)
    assert angle(up_in_camera(result), made.up).median() < 5
    lowest = sole(result, open_body).amin(1)
    assert abs(float(lowest.quantile(0.2))) < 0.03  # jumping or not
    assert float(lowest.quantile(0.02)) > -0.06


def test_a_camera_that_pans_with_a_walker_is_found(scene, open_body):
    """It turns by 27 degrees; taken as still, the walker would seem to walk on the spot."""
    made = scene("walking-occluded")
    (result,), (still,) = run(open_body, made.result), run(open_body, made.result, camera="still")
    turned = made.rotation[-1] @ made.rotation[0].mT
    found = result.world.camera.rotation[-1] @ result.world.camera.rotation[0].mT
    off = torch.rad2deg(torch.acos((((turned.mT @ found).trace() - 1) / 2).clamp(-1, 1)))
    assert off < 4
    assert any("pan" in message for message in result.messages)
    walked = [float((r.world.joints[-1, 0] - r.world.joints[0, 0])[:2].norm()) for r in (result, still)]
    assert walked[0] == pytest.approx(3.96, abs=0.5)
    assert walked[1] < 3
    assert still.world.camera.rotation.std(0).max() == 0


def test_a_camera_that_tilts_is_said_and_feet_stay_near_the_floor(posed, open_body):
    """It looks up ever more, from level to 15 degrees: the person seems to sink by a metre."""
    still = posed(frames=40)
    tilt = axis_angle_to_matrix(torch.linspace(0, 0.26, 40)[:, None] * torch.tensor([1.0, 0, 0]))
    params = still.params
    rotations = torch.cat((tilt[:, None] @ params.rotations[:, :1], params.rotations[:, 1:]), 1)
    pelvis = still.joints[:, 0] - params.translation
    place = (tilt @ still.joints[:, 0, :, None])[..., 0] - pelvis
    params = replace(params, rotations=rotations, translation=place)
    seen = replace(still, params=params, joints=open_body.joints(rotations, params.betas, place))
    (result,), (steady,) = run(open_body, seen), run(open_body, still)
    assert not result.world.contacts.any()
    beside = run(open_body, seen, still)  # somebody else keeps still: the camera does
    assert not any("tilt" in message for message in beside[0].messages)
    assert sole(result, open_body).amin(1).abs().max() < 0.12
    assert any("tilt" in message for message in result.messages)
    assert steady.messages == ()


def test_one_foot_that_slips_is_no_camera_that_turns():
    """Of three feet that stand, one is wrong about it."""
    times, ones = torch.arange(40) / 30.0, torch.ones(40, 3)
    feet = torch.tensor([[-0.5, 4.0], [0.0, 4.0], [0.5, 4.0]]).repeat(40, 1, 1)
    feet[:, 2, 0] += 1.5 * times
    assert azimuths([(feet, ones, times, torch.arange(40))])[2] == 0
    feet[:, 1, 0] += 1.5 * times
    assert azimuths([(feet, ones, times, torch.arange(40))])[2] == pytest.approx(1.5, abs=0.1)


def test_a_camera_that_stands_still_is_left_alone(scene, open_body):
    (result,) = run(open_body, scene("waving").result)
    assert result.world.camera.rotation.std(0).max() == 0
    assert result.messages == ()


# -- what is given ----------------------------------------------------------------------------------------------------


def test_up_and_pitch_are_taken_as_given(posed, open_body):
    person = posed(pitch=20.0)
    (by_pitch,), (by_up,) = (
        run(open_body, person, pitch=20),
        run(open_body, person, up=(0, -2 * math.cos(0.5), -2 * math.sin(0.5))),
    )
    wanted = torch.tensor([0, -math.cos(math.radians(20)), -math.sin(math.radians(20))])
    torch.testing.assert_close(up_in_camera(by_pitch), wanted.expand(10, 3), atol=1e-5, rtol=0)
    assert angle(up_in_camera(by_up), torch.tensor([0, -math.cos(0.5), -math.sin(0.5)])).max() < 0.1


@pytest.mark.parametrize("wrong", [{"up": (0, 0, 0)}, {"up": (0, 1, 0), "pitch": 3}, {"pitch": 100}, {"up": (0, 1)}])
def test_directions_that_are_none_are_refused(wrong):
    with pytest.raises(ValidationError):
        FloorSettings(**wrong)


def test_a_given_path_is_kept(posed, open_body):
    """The camera is carried past a person who stands: the person stands in the world too."""
    shift = torch.linspace(0, 1, 10)[:, None] * torch.tensor([1.0, 0, 0])
    path = CameraPath(torch.eye(3).repeat(10, 1, 1), -shift)
    person = posed()
    moved = replace(person.params, translation=person.params.translation - shift)
    seen = replace(person, params=moved, joints=person.joints - shift[:, None], camera_path=path)
    (result,) = run(open_body, seen)
    assert result.world.joints.std(0).max() < 1e-4
    eyes = into_world(torch.zeros(10, 3), result.world.camera)
    assert float((eyes[-1] - eyes[0]).norm()) == pytest.approx(1, abs=1e-4)


# -- the world is the camera's frame, moved ---------------------------------------------------------------------------


def test_the_world_is_a_rigid_transform(scene, open_body):
    (result,) = run(open_body, scene("walking-occluded").result)
    world = result.world
    torch.testing.assert_close(into_camera(world.joints, world.camera), result.joints, atol=1e-4, rtol=0)
    posed = open_body.joints(world.params.rotations, world.params.betas, world.params.translation)
    torch.testing.assert_close(posed, world.joints, atol=1e-4, rtol=0)
    torch.testing.assert_close(world.params.rotations[:, 1:], result.params.rotations[:, 1:])
    assert world.joints[0, 0, :2].tolist() == pytest.approx([0, 0], abs=1e-5)


def test_people_share_one_floor(posed, open_body):
    first, second = posed(), posed(place=(1.0, 0.0, 5.0), frames=6, frame_index=torch.arange(4, 10))
    together = run(open_body, first, second)
    torch.testing.assert_close(together[0].world.camera[4:].rotation, together[1].world.camera.rotation)
    torch.testing.assert_close(together[0].world.camera[4:].translation, together[1].world.camera.translation)
    between = together[1].world.joints[0, 0] - together[0].world.joints[0, 0]
    assert between[:2].tolist() == pytest.approx([1, 1], abs=0.06)  # to the right, and further ahead
    apart = [run(open_body, person)[0] for person in (first, second)]
    again = run(open_body, *apart)
    for one, other in zip(together, again, strict=True):
        torch.testing.assert_close(one.world.joints, other.world.joints)


def test_each_shot_has_its_own_camera_and_floor(posed, open_body):
    """Who is seen after a cut changes nothing for those before it."""
    first, second = posed(pitch=20.0), posed(place=(0.0, 1.0, 6.0), frame_index=torch.arange(10, 20), shot=1)
    together, apart = run(open_body, first, second), [run(open_body, person)[0] for person in (first, second)]
    for one, other in zip(together, apart, strict=True):
        torch.testing.assert_close(one.world.joints, other.world.joints)
    shared = run(open_body, first, replace(second, shot=0))
    assert (shared[1].world.joints - together[1].world.joints).abs().max() > 0.1


def test_the_registry_runs_it_on_all_people(posed, open_body):
    results = refine(
        (Part(name="floor", settings=FloorSettings(pitch=0.0)), Part(name="contact", settings=ContactSettings())),
        [posed(), posed()],
        open_body,
    )
    assert all(result.world is not None for result in results)


# -- odd situations ---------------------------------------------------------------------------------------------------


def test_one_who_stands_stands_on_it(posed, open_body):
    (result,) = run(open_body, posed(frames=1))
    assert float(sole(result, open_body).min()) == pytest.approx(0, abs=0.01)
    assert (result.world.contacts > 0.5).all()


def test_one_who_jumps_leaves_it(posed, open_body):
    """Up in the air for two thirds of the clip: the floor stays under the frames in which she stands."""
    height = torch.cat((torch.zeros(10), 0.5 * torch.linspace(0, math.pi, 20).sin()))
    person = posed(frames=30)
    lifted = person.params.translation - height[:, None] * torch.tensor([0, 1.0, 0])
    params = replace(person.params, translation=lifted)
    joints = open_body.joints(params.rotations, params.betas, params.translation)
    (result,) = run(open_body, replace(person, params=params, joints=joints))
    lowest = sole(result, open_body).amin(1)
    assert lowest[:10].abs().max() < 0.03
    assert float(lowest[19]) == pytest.approx(0.5, abs=0.05)
    assert (result.world.contacts[17:22] < 0.5).all()  # the pose is one of standing: the height tells


@pytest.mark.parametrize("turn", [LYING, (math.pi / 2, 0.0, 0.0), (0.0, 0.0, 1.5)])
def test_one_who_lies_is_not_below_it(posed, open_body, turn):
    (result,) = run(open_body, posed(turn=turn))
    assert angle(up_in_camera(result), torch.tensor([0.0, -1, 0])).max() < 15  # the camera is held level
    assert float(sole(result, open_body).amin(1).median()) > -0.03


def test_feet_that_nobody_saw_are_said_to_be_guessed(posed, open_body):
    person = posed()
    hidden = person.keypoints_before.confidence.clone()
    hidden[:, [4, 5, 7, 8, 10, 11]] = 0
    (result,) = run(open_body, replace(person, keypoints_before=replace(person.keypoints_before, confidence=hidden)))
    assert any("No feet are seen" in message for message in result.messages)
    assert float(sole(result, open_body).min()) == pytest.approx(0, abs=0.08)
    assert run(open_body, result)[0].messages == result.messages  # said once


def test_nobody(open_body):
    assert run(open_body) == []


# -- pieces by hand ---------------------------------------------------------------------------------------------------


def test_bearings_by_hand():
    """A foot 4 m ahead that moves to the left by a quarter of a turn, and one that is in the air and does not count."""
    feet = torch.tensor([[[0.0, 4.0], [1.0, 1.0]], [[-4.0, 0.0], [5.0, 1.0]]])
    steps, weight = azimuth_steps(feet, torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
    assert steps.tolist() == pytest.approx([math.pi / 2])
    assert weight.tolist() == [1]


def test_two_people_tell_one_turn():
    """Feet on a circle around the camera, of two people seen one after the other: 0.02 radians a frame."""
    turn = 0.02 * torch.arange(40)
    feet = 3 * torch.stack((turn.sin().neg(), turn.cos()), -1)[:, None]
    ones, times = torch.ones(40, 1), torch.arange(40) / 30
    rows = [(feet[a:b], ones[a:b], times[a:b], torch.arange(a, b)) for a, b in ((0, 25), (20, 40))]
    frames, turned, passing = azimuths(rows)
    assert frames.tolist() == list(range(40))
    torch.testing.assert_close(turned, turn, atol=1e-3, rtol=0)
    assert passing == pytest.approx(3 * 0.02 * 30, rel=0.01)
    assert azimuths([(feet, 0 * ones, times, torch.arange(40))])[2] == 0


def test_levelling_by_hand():
    torch.testing.assert_close(levelling(torch.tensor([0.0, -1, 0])), torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]))
    down = levelling(torch.tensor([0.0, 0, -1]))  # straight down: ahead is the picture's top
    torch.testing.assert_close(down, torch.tensor([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]]))


def test_the_mean_of_rotations_by_hand():
    turns = axis_angle_to_matrix(torch.tensor([[0.0, 0.2, 0], [0, -0.2, 0], [0.0, 0.3, 0]]))
    torch.testing.assert_close(mean_rotation(turns), axis_angle_to_matrix(torch.tensor([0, 0.1, 0])), atol=2e-3, rtol=0)


def test_what_can_stand_by_hand():
    times = torch.arange(4) / 30
    feet = torch.zeros(4, 4, 3)
    feet[:, 1, 2] = 0.5  # on a step
    feet[:, 2, 2] = 0.5 + torch.arange(4) / 30 * 2  # in the air, 2 m/s
    feet[:, 3, 0] = torch.arange(4) / 30 * 2  # on the floor: the pose decides whether it slides
    assert (grounded(feet, times) > 0.5).all(0).tolist() == [True, True, False, True]
    assert (grounded(feet[:1], times[:1]) > 0.5).tolist() == [[True, False, False, True]]


def test_a_message_is_told_once(posed):
    result = told(told(posed(frames=1), "a"), "a")
    assert result.messages == ("a",)
    camera = CameraPath(torch.eye(3)[None], torch.zeros(1, 3))
    assert torch.equal(world_of(result, camera, torch.zeros(1, 4)).joints, result.joints)
