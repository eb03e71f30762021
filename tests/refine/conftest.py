"""People on a floor whose truth is known: the included clips' motions, seen by their cameras."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from semtta.data.truth import load_truth
from semtta.geometry import axis_angle_to_matrix, project_to_image
from semtta.motions.mocap import load_file
from semtta.results import AdaptResult
from semtta.synthesis import synthwild
from semtta.types import BodyParams, Camera, CameraPath, Keypoints2D


@dataclass(frozen=True)
class Scene:
    """A true motion in the camera's frame, and the true camera: x_camera = rotation x_world + translation, y up."""

    result: AdaptResult
    rotation: Tensor  # [T, 3, 3]
    translation: Tensor  # [T, 3]

    @property
    def up(self) -> Tensor:
        return self.rotation[..., 1]


def result_of(params: BodyParams, joints: Tensor, camera: Camera, **changes) -> AdaptResult:
    count = len(joints)
    keypoints = Keypoints2D(project_to_image(joints, camera.focal_px, camera.center_px), torch.ones(count, 24), "smpl24")
    span = keypoints.xy.amax(1) - keypoints.xy.amin(1)
    middle = (keypoints.xy.amax(1) + keypoints.xy.amin(1)) / 2
    values = {
        "name": "someone", "params": params, "joints": joints, "keypoints": keypoints, "history": (), "labels": (),
        "camera": camera, "unadapted": params, "keypoints_before": keypoints, "fps": 30.0, "size": (480, 360),
        "boxes": torch.cat((middle, 1.2 * span.amax(-1, keepdim=True)), 1), "frame_index": torch.arange(count), "body": "open",
    }  # fmt: skip
    return AdaptResult(**(values | changes))


@pytest.fixture(scope="session")
def scene() -> Callable[[str], Scene]:
    """``scene("waving")``: a clip of synthwild's val split, by a part of its name."""
    motions = {clip.clip_id: clip for clip in load_file(synthwild.FOLDER / "motions.npz")}

    def make(name: str) -> Scene:
        take = next(take for take in synthwild.takes("val") if name in take.name)
        truth = load_truth(synthwild.FOLDER / take.name / "ground_truth.npz")
        clip, count = motions[take.motion], len(truth.joints)
        rotation = truth.params.rotations[:, 0] @ clip.rotations(0, count)[:, 0].mT
        translation = truth.joints[:, 0] - (rotation @ torch.from_numpy(clip.trans[:count, :, None]))[..., 0]
        return Scene(result_of(truth.params, truth.joints, truth.camera), rotation, translation)

    return make


@pytest.fixture(scope="session")
def posed(open_body) -> Callable[..., AdaptResult]:
    """``posed({"L_Knee": (0.5, 0, 0)}, frames=10, pitch=0.0)``: one pose, before a camera that looks down by pitch.

    The pelvis is at ``place`` in the camera's frame, and the person faces the camera; ``turn`` turns the whole body.
    """
    from semtta.constants import SMPL24

    def make(
        pose=None, frames=10, pitch=0.0, place=(0.0, 0.0, 4.0), turn=(0.0, 0.0, 0.0), path: CameraPath | None = None, **changes
    ):
        vectors = torch.zeros(24, 3)
        for side, sign in (("L", -1.0), ("R", 1.0)):
            vectors[SMPL24.index(f"{side}_Shoulder"), 2] = sign * 1.2  # arms down
        for joint, vector in (pose or {}).items():
            vectors[SMPL24.index(joint)] = torch.tensor(vector)
        rotations = axis_angle_to_matrix(vectors).repeat(frames, 1, 1, 1)
        down = axis_angle_to_matrix(torch.tensor([torch.pi + torch.deg2rad(torch.tensor(pitch)).item(), 0.0, 0.0]))
        rotations[:, 0] = down @ axis_angle_to_matrix(torch.tensor(turn))
        betas, translation = torch.zeros(frames, 10), torch.tensor(place).repeat(frames, 1)
        joints = open_body.joints(rotations, betas, translation)
        return result_of(
            BodyParams(rotations, betas, translation), joints, Camera(500.0, (240.0, 180.0)), camera_path=path, **changes
        )

    return make
