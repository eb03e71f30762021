"""By which camera a clip is adapted, placed and kept: nothing of the paper's numbers depends on it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from short_clips import tiny_hmr, write_clip
from torch import Tensor

import semtta
from semtta.api import body_params
from semtta.build import build_roles, resolve
from semtta.data import load_video
from semtta.estimators import estimators
from semtta.geometry import image_focal_px, image_translation, project_to_image, ray_rotation
from semtta.metrics import evaluate
from semtta.pipeline.camera import known_camera
from semtta.pipeline.identity import differences, identity_digest, run_identity
from semtta.settings import PRESETS
from semtta.types import Camera, CameraPath, GroundTruth, Prediction

SIZE = (640, 480)
KNOWN = Camera(700.0, (330.0, 230.0), "given: for a test")
SETTINGS = {"loop.epochs": 1, "loop.min_steps": 1, "labeler": "none", "prior": "none", "denoiser": "none"}


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Six frames of a person left of the middle, with a made-up truth and its camera."""
    folder = tmp_path_factory.mktemp("clip")
    found = load_video(write_clip(folder, 6), keypoints=folder / "keypoints.npz")
    joints = torch.randn(6, 24, 3, generator=torch.Generator().manual_seed(0)) * 0.3 + torch.tensor((0.0, 0.0, 4.0))
    return replace(found, ground_truth=GroundTruth(joints, camera=Camera(900.0, (320.0, 240.0))))


@pytest.fixture(scope="module")
def adapted(video):
    """``adapted(preset, camera, **settings)``: the result with a tiny network on crops."""

    def run(preset: str, camera: Camera | None = None, clip=video, **settings):
        return semtta.adapt(
            replace(clip, camera=camera), estimator=tiny_hmr(), preset=preset, settings={**SETTINGS, "refiners": (), **settings}
        )

    return run


def rays(camera: Camera, boxes: Tensor) -> Tensor:
    return ray_rotation(boxes[:, :2], torch.tensor((camera.focal_px, *camera.center_px)).expand(len(boxes), 3))


def test_a_known_camera_turns_what_a_network_on_crops_says(adapted):
    plain, known = adapted("best", evidence={"dataset_camera": False}), adapted("best", KNOWN)
    assert (plain.camera.focal_px, known.camera) == (image_focal_px(SIZE), KNOWN)
    assert "assumed" in plain.camera.source
    turn = rays(KNOWN, known.boxes)
    assert (turn - torch.eye(3)).abs().max() > 0.05  # the person is off the middle
    torch.testing.assert_close(known.params.rotations[:, 0], turn @ plain.params.rotations[:, 0], atol=1e-5, rtol=0)
    assert torch.equal(known.params.rotations[:, 1:], plain.params.rotations[:, 1:])
    torch.testing.assert_close(known.unadapted.rotations[:, 0], turn @ plain.unadapted.rotations[:, 0], atol=1e-5, rtol=0)
    for result in (known, plain):  # the pelvis is seen at the same place in the picture
        root = result.joints[:, :1]
        pixels = project_to_image(root, result.camera.focal_px, result.camera.center_px)
        assert (pixels[:, 0] - result.boxes[:, :2]).norm(dim=-1).max() < 0.5 * result.boxes[:, 2].max()
    assert known.params.translation[:, 2].mean() < 0.1 * plain.params.translation[:, 2].mean()


@pytest.mark.parametrize("preset", ["paper", "tables", "cycleadapt"])
def test_the_papers_numbers_do_not_hear_of_a_datasets_camera(adapted, video, preset):
    parts = {"estimator": "hmr"} if preset != "tables" else {}
    assert not resolve(preset, parts).config.evidence.dataset_camera
    assert resolve(preset, parts).config.refiners == ()
    blind = replace(video, ground_truth=replace(video.ground_truth, camera=None))
    with_camera, without = adapted(preset), adapted(preset, clip=blind)
    assert with_camera.camera.focal_px == image_focal_px(SIZE)
    assert torch.equal(with_camera.params.rotations, without.params.rotations)
    assert torch.equal(with_camera.joints, without.joints)
    assert evaluate(with_camera, video.ground_truth)["mpjpe"] == evaluate(without, video.ground_truth)["mpjpe"]


def test_which_camera_is_known(video):
    best, paper = resolve("best").config, resolve("paper").config
    assert known_camera(video, best).focal_px == 900
    assert known_camera(video, best).source == "the dataset's"
    assert known_camera(video, paper) is None
    given = replace(video, camera=KNOWN)
    assert known_camera(given, best) == known_camera(given, paper) == KNOWN


def test_another_camera_is_another_run(video):
    config = resolve("best", SETTINGS).config
    roles = build_roles(config, {"estimator": tiny_hmr()})
    path = CameraPath(torch.eye(3).expand(6, 3, 3), torch.zeros(6, 3))
    clips = (
        video, replace(video, camera=KNOWN), replace(video, camera=replace(KNOWN, center_px=(331.0, 230.0))),
        replace(video, camera=KNOWN, camera_path=path), replace(video, camera=KNOWN, camera_path=replace(path, metric=False)),
        replace(video, camera_path=path),
    )  # fmt: skip
    identities = [run_identity(clip, config, roles) for clip in clips]
    assert len({identity_digest(identity) for identity in identities}) == len(clips)
    assert "camera: 700 px" in differences(identities[1], identities[0])[0]
    told = run_identity(replace(video, camera=replace(KNOWN, source="the same in other words")), config, roles)
    assert identity_digest(told) == identity_digest(identities[1])


def test_a_cameras_path_goes_with_the_result(adapted, video):
    path = CameraPath(torch.eye(3).expand(6, 3, 3), torch.arange(18.0).view(6, 3))
    result = adapted("best", KNOWN, replace(video, camera_path=path))
    assert torch.equal(result.camera_path.translation, path.translation)


def test_placing_by_hand():
    """A person in the middle of the left half of a picture 400 px wide, 200 px tall: s = 1, side 200, so z = 2 f / 200."""
    prediction = Prediction(torch.eye(3).expand(1, 24, 3, 3), torch.zeros(1, 10), torch.tensor([[1.0, 0.0, 0.0]]))
    boxes = torch.tensor([[100.0, 100.0, 200.0]])
    wide, far = Camera(100.0, (200.0, 100.0)), Camera(1e9, (200.0, 100.0))
    placed = body_params(prediction, boxes, far, wide, in_crops=True)
    torch.testing.assert_close(placed.translation, torch.tensor([[-1.0, 0.0, 1.0]]))
    half = 0.5**0.5  # the ray is at 45 degrees: z of the body looks along it
    torch.testing.assert_close(placed.rotations[0, 0, :, 2], torch.tensor([-half, 0.0, half]))
    assert torch.equal(body_params(prediction, boxes, wide).rotations, prediction.rotations)
    seen_by = body_params(prediction, boxes, wide, wide)  # adapted by the known camera: it is in its frame already
    torch.testing.assert_close(seen_by.rotations, prediction.rotations)
    torch.testing.assert_close(seen_by.translation, image_translation(prediction.camera, boxes, 100.0, (200.0, 100.0)))


def test_the_network_on_keypoints_is_adapted_by_a_wider_camera_only():
    network = estimators.create("open")
    assert network.camera_for(SIZE, None).focal_px == 800  # the diagonal
    assert network.camera_for(SIZE, KNOWN) == KNOWN
    assert network.camera_for(SIZE, Camera(1500.0, (320.0, 240.0))).focal_px == 800
    assert tiny_hmr().camera_for(SIZE, KNOWN).focal_px == image_focal_px(SIZE)


def test_presets_that_look_at_a_datasets_camera():
    assert {name for name in PRESETS if resolve(name, {"estimator": "open"}).config.evidence.dataset_camera} == {"best", "fast"}
