"""Two people of one clip: one in all frames, one in some of them, further left and further away; in a world if asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from semtta.geometry.world import to_world
from semtta.types import BodyParams, CameraPath, Result, World

SHIFT = torch.tensor([-0.9, 0.0, 0.8])
TILT = 0.3  # radians: the camera of the world looks down


def two_people(make_result: Any, frames: int = 12, start: int = 4, stop: int = 10) -> list[Result]:
    """Both without a world; the second is in frames ``start`` to ``stop`` and begins like the first."""
    first, second = make_result(frames=frames), make_result(frames=stop - start)

    def moved(params: BodyParams) -> BodyParams:
        assert params.translation is not None
        return replace(params, translation=params.translation + SHIFT)

    second = replace(
        second, params=moved(second.params), unadapted=moved(second.unadapted), joints=second.joints + SHIFT, person=1,
        frame_index=torch.arange(start, stop),
    )  # fmt: skip
    return [first, second]


def in_world(results: list[Result], body: Any) -> list[Result]:
    """The same in one world, seen by a camera that looks down by ``TILT``; everybody stands on their left foot."""
    simple = to_world(results[0], "z", "person")
    cosine, sine = torch.tensor(TILT).cos().double(), torch.tensor(TILT).sin().double()
    tilt = torch.tensor([[1.0, 0, 0], [0, cosine, sine], [0, -sine, cosine]], dtype=torch.float64)
    turn = tilt @ simple.rotation  # from the camera to the world
    done = []
    for result in results:
        count = len(result.joints)
        rotations = result.params.rotations.double().clone()
        rotations[:, 0] = turn @ rotations[:, 0]
        joints = result.joints.double() @ turn.T + simple.shift
        rest = body.rest_joints(result.params.betas[0]).double().reshape(24, 3)[0]
        params = BodyParams(rotations.float(), result.params.betas, (joints[:, 0] - rest).float())
        path = CameraPath(turn.T.expand(count, 3, 3).float(), -(turn.T @ simple.shift).expand(count, 3).float())
        contacts = torch.tensor([1.0, 1, 0, 0]).expand(count, 4)
        done.append(replace(result, world=World(params, joints.float(), contacts, path)))
    return done
