"""Fixtures for all tests: the included body, and a made-up result of someone who walks past a drawn background."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

import semtta.body
from semtta.constants import SMPL24
from semtta.geometry import axis_angle_to_matrix, project_to_image
from semtta.results import AdaptResult
from semtta.types import BodyParams, Camera, Keypoints2D, SegmentLabel, Video

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # otherwise importing litellm waits for the network

SIZE = (320, 240)
CAMERA = Camera(600.0, (160.0, 120.0))


@pytest.fixture(scope="session")
def open_body() -> semtta.body.Body:
    """The included body."""
    return semtta.body.load("open")


@pytest.fixture(scope="session")
def make_result(open_body: semtta.body.Body) -> Callable[..., AdaptResult]:
    """``make_result(frames=12, fixed_shape=True, size=(320, 240), **fields)``: a result of the included body."""
    return partial(_result, open_body)


@pytest.fixture(scope="session")
def make_video() -> Callable[..., Video]:
    """``make_video(result, **fields)``: frames that go with a result."""
    return _video


def _walking(frames: int) -> torch.Tensor:
    """Rotations [T, 24, 3, 3], camera frame: upright, turned a little to the side."""
    phase = torch.arange(frames) * (2 * math.pi / 30)
    pose = torch.zeros(frames, 24, 3)
    for side, sign in (("L", 1.0), ("R", -1.0)):
        swing = sign * phase.sin()
        pose[:, SMPL24.index(f"{side}_Hip"), 0] = -0.55 * swing
        pose[:, SMPL24.index(f"{side}_Knee"), 0] = 0.5 + 0.45 * sign * phase.cos()
        pose[:, SMPL24.index(f"{side}_Shoulder"), 2] = -sign * 1.25
        pose[:, SMPL24.index(f"{side}_Shoulder"), 1] = 0.4 * swing
        pose[:, SMPL24.index(f"{side}_Elbow"), 1] = -sign * 0.5
    rotations = axis_angle_to_matrix(pose)
    upright = torch.diag(torch.tensor([1.0, -1, -1]))
    rotations[:, 0] = upright @ axis_angle_to_matrix(torch.tensor([0.0, 0.7, 0]))
    return rotations


def _result(body: Any, frames: int = 12, fixed_shape: bool = True, size: tuple[int, int] = SIZE, **changes: Any) -> AdaptResult:
    """Before: straight legs, 20 cm off; after: walking. The detector misses the legs in frames 6 to 11, 18 to 23 ..."""
    generator = torch.Generator().manual_seed(0)
    k = size[0] / SIZE[0]
    camera = Camera(CAMERA.focal_px * k, (size[0] / 2, size[1] / 2))
    rotations = _walking(frames)
    betas = torch.linspace(-1, 1, 10).expand(frames, 10).clone()
    if not fixed_shape:
        betas = betas + 0.2 * torch.randn(frames, 10, generator=generator)
    translation = torch.tensor([0.1, 0.15, 5.2]) + torch.linspace(0, 0.4, frames)[:, None] * torch.tensor([1.0, 0, 0.5])
    params = BodyParams(rotations, betas, translation)
    stiff = rotations.clone()
    stiff[:, [1, 2, 4, 5]] = torch.eye(3)
    noise = axis_angle_to_matrix(0.08 * torch.randn(frames, 24, 3, generator=generator))
    unadapted = BodyParams(stiff @ noise, betas, translation + torch.tensor([0.2, 0, 0.3]))
    joints = body.joints(rotations, betas, translation)
    seen = body.keypoints(rotations, betas, "smpl29") + translation[:, None]
    xy = project_to_image(seen, camera.focal_px, camera.center_px)
    legs = torch.zeros(29, dtype=torch.bool)
    legs[[4, 5, 7, 8]] = True
    hidden = ((torch.arange(frames) // 6) % 2 == 1)[:, None] & legs
    noisy = xy + 1.5 * k * torch.randn(xy.shape, generator=generator)
    before = Keypoints2D(noisy.where(~hidden[..., None], 0), (~hidden).float() * 0.9, "smpl29", "openpose")
    after = Keypoints2D(xy, torch.where(hidden, 0.8, 0.9), "smpl29", "openpose")
    center = (xy.amin(1) + xy.amax(1)) / 2
    side = (xy.amax(1) - xy.amin(1)).amax(-1, keepdim=True) * 1.15
    values: dict[str, Any] = {
        "name": "walk on the spot", "params": params, "joints": joints, "keypoints": after, "camera": camera,
        "unadapted": unadapted,
        "keypoints_before": before, "fps": 30.0, "size": size, "boxes": torch.cat((center, side), 1),
        "frame_index": torch.arange(frames), "body": "open", "source": "walk.mp4",
        "history": tuple(_history(6)),
        "labels": (
            SegmentLabel(0, frames // 2, "walking", "a person walks", "fixed", 0.81, "given with --label"),
            SegmentLabel(frames // 2, frames, None, "", "retrieval", 0.22, "no dictionary label is near 'squatting'"),
        ),
        "config": {
            "preset": "paper",
            "settings": {"estimator": {"name": "open"}, "prior": {"name": "open"}, "loop": {"epochs": 6}, "seed": 0},
        },
        "messages": ("Frames 6 to 12 have no label near enough: no alignment there.",),
    }  # fmt: skip
    return AdaptResult(**(values | changes))


def _history(epochs: int) -> list[dict[str, Any]]:
    """Records as the loop writes them."""
    return [
        {
            "epoch": e + 1, "learning_rate": 5e-5 * (1 - e / epochs), "steps": 4, "loss_2d": 4.0 / (e + 1) + 0.4,
            "loss_align": 0.5 - 0.05 * e, **({"loss_pose": 0.03, "loss_shape": 0.01 + 0.002 * e} if e else {}),
            "reprojection_px": 12.0 / (e + 1), "similarity": 0.5 + 0.06 * e, "filled": 0.04 * e, "seconds": 3.1,
        }
        for e in range(epochs)
    ]  # fmt: skip


def _video(result: AdaptResult, **changes: Any) -> Video:
    """Frames that go with a result: a gradient with a floor."""
    width, height = result.size
    rows = np.linspace(190, 120, height)[:, None, None]
    picture = np.broadcast_to(rows, (height, width, 3)).astype(np.uint8).copy()
    picture[int(height * 0.78) :] = (120, 104, 90)
    frames = [picture] * len(result.joints)
    values: dict[str, Any] = {"name": result.name, "num_frames": len(frames), "fps": result.fps, "size": result.size}
    return Video(**({**values, "frames": frames} | changes))


CONTENTS = ("walking", "raising the left hand", "raising the right hand")


@pytest.fixture(scope="module")
def mocap_folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Tiny motions: swinging legs, a rising left arm, a rising right arm; one style is held out."""
    folder = tmp_path_factory.mktemp("mocap")
    time = np.arange(90)
    clips = []
    for row in range(9):
        pose = np.zeros((90, 24, 3), np.float32)
        phase = np.sin(time * 0.2 + row)
        if row % 3 == 0:
            pose[:, 1, 0], pose[:, 2, 0] = 0.5 * phase, -0.5 * phase
        else:
            pose[:, 16 if row % 3 == 1 else 17, 2] = (1 if row % 3 == 1 else -1) * time / 60
        pose[:, 0, 1] = row
        clips.append(pose.reshape(90, 72))
    for split in ("train", "val"):
        np.savez(
            folder / f"toy_{split}.npz", poses=(np.concatenate(clips) / (4 * math.pi) * 32767).astype(np.int16),
            pose_scale=4 * math.pi / 32767, trans=np.zeros((90 * 9, 3), np.float32), fps=30, source="toy",
            start=np.arange(9) * 90, length=np.full(9, 90),
            clip_id=[f"c{i}" for i in range(9)], content=[CONTENTS[i % 3] for i in range(9)],
            style=["masculine" if i > 5 else "normal" for i in range(9)], text=["a person"] * 9,
        )  # fmt: skip
    return folder
