"""The conformance test of refiners."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch

from ..body import Body, load
from ..geometry import axis_angle_to_matrix
from ..types import BodyParams, Camera, Keypoints2D, Result
from .rotations import require_rotations


def check_refiner(refiner: Callable[[Sequence[Result], Body], list[Result]], body: Body | None = None) -> None:
    """A refiner (with its settings bound): the same people in the same frames, joints that go with the parameters.

    It is given nobody, one frame of one person, and two people of whom the second is seen later and not to the end. ``world``, if
    there is one afterwards, must be the motion of the camera's frame moved rigidly.
    """
    body = body or load("open")
    assert refiner([], body) == [], "of no results it must make an empty list."
    for people in ((_person(body, 1),), (_person(body, 12), _person(body, 8, 6))):
        before = copy.deepcopy(people)
        done = refiner(people, body)
        assert [result.name for result in done] == [result.name for result in people], "it must return its results in order."
        for result, given, kept in zip(done, people, before, strict=True):
            same = torch.equal(given.params.rotations, kept.params.rotations) and torch.equal(given.joints, kept.joints)
            assert same, "it must not change the results that it is given."
            assert torch.equal(result.frame_index, given.frame_index), "the frames must stay as they are."
            _check_result(result, body)


def _check_result(result: Result, body: Body) -> None:
    params, count = result.params, len(result.frame_index)
    require_rotations(params.rotations, "rotations")
    assert tuple(params.rotations.shape) == (count, 24, 3, 3), f"rotations are {list(params.rotations.shape)} of {count} frames."
    assert params.translation is not None, "there must be a translation."
    assert torch.isfinite(params.translation).all(), "the translation is not finite."
    joints = body.joints(params.rotations, params.betas, params.translation)
    assert torch.allclose(joints, result.joints, atol=1e-3), "joints do not go with params: use semtta.refine.moved."
    world = result.world
    if world is None:
        return
    require_rotations(world.params.rotations, "rotations in the world")
    require_rotations(world.camera.rotation, "the camera's rotations")
    seen = world.joints @ world.camera.rotation.mT + world.camera.translation[:, None]
    assert torch.allclose(seen, result.joints, atol=1e-3), "world.joints, seen by world.camera, are not the joints."
    posed = body.joints(world.params.rotations, world.params.betas, world.params.translation)
    assert torch.allclose(posed, world.joints, atol=1e-3), "world.joints do not go with world.params."
    assert tuple(world.contacts.shape) == (count, 4), f"contacts are {list(world.contacts.shape)}, not [{count}, 4]."
    assert ((world.contacts >= 0) & (world.contacts <= 1)).all(), "contacts must be in [0, 1]."


def _person(body: Body, frames: int, start: int = 0) -> Result:
    """Somebody who stands, moves a little and is seen from slightly above."""
    generator = torch.Generator().manual_seed(start)
    turns = 0.1 * torch.randn(frames, 24, 3, generator=generator)
    rotations = axis_angle_to_matrix(turns)
    rotations[:, 0] = axis_angle_to_matrix(torch.tensor([torch.pi + 0.1, 0.0, 0.0])) @ rotations[:, 0]
    betas = torch.zeros(frames, 10)
    place = torch.tensor([0.3 * start / 6, 0.1, 4.0]) + 0.02 * torch.randn(frames, 3, generator=generator)
    joints = body.joints(rotations, betas, place)
    camera = Camera(400.0, (160.0, 120.0))
    xy = camera.focal_px * joints[..., :2] / joints[..., 2:] + torch.tensor(camera.center_px)
    keypoints = Keypoints2D(xy, torch.ones(frames, 24), "smpl24")
    params = BodyParams(rotations, betas, place)
    return Result(
        f"person {start}", params, joints, keypoints, (), (), camera, params, keypoints, 30.0, (320, 240),
        torch.tensor([160.0, 120.0, 200.0]).repeat(frames, 1), torch.arange(start, start + frames), body.name,
    )  # fmt: skip
