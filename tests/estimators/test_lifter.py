"""The network on keypoints: what it sees, that a frame's answer depends on its neighbourhood alone, and its perspective."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from semtta.constants import BODY25, COCO17, SMPL24
from semtta.errors import SemttaError
from semtta.estimators import Lifter, LifterConfig, lifter
from semtta.geometry import crop_points, image_translation, project_to_image, ray_rotation
from semtta.io.weights import save_weights
from semtta.types import FrameBatch, Keypoints2D, Landmarks3D

SMALL = LifterConfig(width=32, layers=2, heads=2, feedforward=32, reach=3)


def network(seed: int = 0) -> Lifter:
    """A small one that has something to say of every input."""
    torch.manual_seed(seed)
    model = Lifter(SMALL).eval()
    torch.nn.init.normal_(model.head.weight, std=0.3)
    for block in model.blocks:
        torch.nn.init.normal_(block.distance)
    return model


def clip(frames: int, joint_set: str = "body25", joints: int = 25, landmarks: Landmarks3D | None = None) -> FrameBatch:
    generator = torch.Generator().manual_seed(1)
    xy = 100 + 200 * torch.rand(frames, joints, 2, generator=generator)
    keypoints = Keypoints2D(xy, 0.1 + 0.9 * torch.rand(frames, joints, generator=generator), joint_set)
    boxes = torch.tensor([200.0, 220.0, 240.0]) + 5 * torch.randn(frames, 3, generator=generator)
    intrinsics = torch.tensor([500.0, 320.0, 240.0]).expand(frames, 3)
    return FrameBatch(torch.arange(frames), boxes, intrinsics, None, (640, 480), keypoints, landmarks, all_boxes=boxes)


@torch.no_grad()
def test_a_frame_does_not_depend_on_the_others_in_its_batch_nor_on_how_long_clips_are_cut(monkeypatch):
    model, batch = network(), clip(50)
    whole = model(batch)
    monkeypatch.setattr(lifter, "RUN", 8)
    several = torch.cat((torch.arange(30, 34), torch.arange(2, 6), torch.arange(0, 4)))  # as segments are drawn: in any order
    for frames in (torch.arange(50), torch.arange(20, 31), torch.tensor([49, 3]), several):
        part = model(batch[frames])
        for ours, theirs in zip(part.tensors(), whole[frames].tensors(), strict=True):
            torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)


def test_a_long_clip_costs_a_batch_its_neighbourhoods_only(monkeypatch):
    """Two segments at the ends of a clip: nothing between them goes through the network."""
    model, batch, seen = network(), clip(400), []
    monkeypatch.setattr(lifter, "RUN", 100)
    monkeypatch.setattr(model, "regress", lambda features: (seen.append(len(features)), Lifter.regress(model, features))[1])
    model(batch[torch.cat((torch.arange(380, 400), torch.arange(10)))])
    reach = SMALL.layers * SMALL.reach
    assert seen == [10 + reach, reach + 20]


@torch.no_grad()
def test_a_frame_depends_on_those_within_reach_and_no_further():
    model, batch = network(), clip(50)
    reach = SMALL.layers * SMALL.reach
    before = model(batch).rotations
    batch.keypoints.xy[40] += 30
    changed = (model(batch).rotations - before).abs().amax((1, 2, 3)) > 1e-5
    assert changed[40 - 1]
    assert changed[40 + 1]
    assert not changed[: 40 - reach].any()
    assert not changed[40 + reach + 1 :].any()


def test_joints_are_found_by_name_and_what_a_set_lacks_is_the_middle_of_its_neighbours():
    xy = torch.arange(34.0).view(1, 17, 2)
    confidence = torch.full((1, 17), 0.9)
    confidence[0, COCO17.index("R_Hip")] = 0
    points = lifter.to_body25(Keypoints2D(xy, confidence, "coco17"))[0]
    named = dict(zip(BODY25, points, strict=True))
    assert named["L_Knee"].tolist() == pytest.approx([*xy[0, COCO17.index("L_Knee")].tolist(), 0.9])
    shoulders = (xy[0, COCO17.index("L_Shoulder")] + xy[0, COCO17.index("R_Shoulder")]) / 2
    assert named["Neck"].tolist() == pytest.approx([*shoulders.tolist(), 0.9])
    assert named["Pelvis"].tolist() == [0, 0, 0]  # one of the hips is not seen
    assert named["L_Heel"].tolist() == [0, 0, 0]
    damaged = Keypoints2D(torch.full((1, 25, 2), torch.nan), torch.ones(1, 25), "body25")
    assert lifter.to_body25(damaged).abs().sum() == 0


def test_features_are_in_half_boxes_and_unseen_points_say_nothing():
    points = torch.zeros(1, 25, 3)
    points[0, 0] = torch.tensor([150.0, 80.0, 0.7])
    points[0, 1] = torch.tensor([900.0, 900.0, 0.0])
    landmarks = torch.zeros(1, 12, 3)
    landmarks[0, 2] = torch.tensor([0.1, 0.2, 0.3])
    features = lifter.arrange(points, torch.tensor([[100.0, 100.0, 200.0]]), 400.0, landmarks)[0]
    assert features[:4].tolist() == pytest.approx([0.5, -0.2, 0, 0])
    assert features[50:52].tolist() == pytest.approx([0.7, 0])
    assert features[75].item() == pytest.approx(torch.tensor(0.5).log().item())
    assert features[76 + 6 : 76 + 9].tolist() == pytest.approx([0.2, 0.4, 0.6])
    assert features[-1] == 1
    assert lifter.arrange(points, torch.tensor([[100.0, 100.0, 200.0]]), 400.0, 0 * landmarks)[0, -1] == 0


def test_landmarks_count_from_the_middle_of_the_hips_and_only_whole_frames_count():
    names = lifter.LIMBS12
    xyz = torch.randn(3, 24, 3)
    confidence = torch.ones(3, 24)
    confidence[1, SMPL24.index("L_Knee")] = 0
    xyz[2, SMPL24.index("L_Wrist"), 1] = torch.nan
    out = lifter.limb_landmarks(Landmarks3D(xyz, confidence, "smpl24"), torch.ones(3, 3))
    hips = (xyz[0, SMPL24.index("L_Hip")] + xyz[0, SMPL24.index("R_Hip")]) / 2
    torch.testing.assert_close(out[0, names.index("R_Ankle")], xyz[0, SMPL24.index("R_Ankle")] - hips)
    assert out[1:].abs().sum() == 0


@torch.no_grad()
def test_the_global_rotation_turns_with_the_ray():
    model, batch = network(), clip(12)
    straight = torch.cat((torch.full((12, 1), 500.0), batch.boxes[:, :2]), 1)  # the principal point in each box's middle
    rays = ray_rotation(batch.boxes[:, :2], batch.intrinsics)
    ahead = model(replace(batch, intrinsics=straight))
    torch.testing.assert_close(model(batch).rotations[:, 0], rays @ ahead.rotations[:, 0])
    torch.testing.assert_close(model(batch).rotations[:, 1:], ahead.rotations[:, 1:])


def test_projection_is_the_whole_pictures_perspective():
    model, batch = network(), clip(4)
    joints, camera = torch.randn(4, 29, 3) * 0.4, torch.tensor([[0.9, 0.1, -0.05]]).expand(4, 3)
    placed = joints + image_translation(camera, batch.boxes, 500.0, (320.0, 240.0))[:, None]
    by_hand = crop_points(project_to_image(placed, 500.0, (320.0, 240.0)), batch.boxes)
    torch.testing.assert_close(model.project(joints, camera, batch), by_hand, atol=1e-3, rtol=1e-5)
    assert model.picture_camera((300, 400)).focal_px == 500


def test_a_clip_without_keypoints_is_refused():
    batch = clip(3)
    with pytest.raises(SemttaError, match="open-image"):
        network()(replace(batch, keypoints=None))


def test_weights_come_back_and_others_are_refused(tmp_path):
    model = network()
    save_weights(tmp_path / "net.safetensors", "lifter", model.state_dict(), **model.metadata())
    again = Lifter.from_checkpoint(tmp_path / "net.safetensors")
    assert again.config == SMALL
    with torch.no_grad():
        torch.testing.assert_close(again(clip(5)).rotations, model(clip(5)).rotations)
    save_weights(tmp_path / "other.safetensors", "lifter", model.state_dict(), config={"width": "wide"})
    with pytest.raises(SemttaError, match=r"other\.safetensors"):
        Lifter.from_checkpoint(tmp_path / "other.safetensors")
