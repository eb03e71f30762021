"""Made-up motions, so that no test needs a motion collection."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from semtta.motions.mocap import MotionClip


@pytest.fixture
def mocap(tmp_path: Path) -> Path:
    """A folder with one packed motion file of 90 random poses in two clips."""
    folder = tmp_path / "mocap"
    folder.mkdir()
    rng = np.random.default_rng(0)
    poses = 0.2 * rng.standard_normal((90, 72))
    poses[:, :3] = 0
    np.savez(
        folder / "made_train.npz", poses=(poses / np.pi * 32767).astype(np.int16), pose_scale=np.pi / 32767,
        trans=np.zeros((90, 3), np.float32), fps=np.int32(30), source="made", start=np.array([0, 30]),
        length=np.array([30, 60]), clip_id=np.array(["a", "b"]), content=np.array(["standing", "walking"]),
        style=np.array(["normal", "normal"]), text=np.array(["a person stands", "a person walks"]),
    )  # fmt: skip
    return folder


@pytest.fixture
def walk() -> MotionClip:
    """24 frames of legs and arms swinging while the pelvis goes 1.6 m along +z."""
    phase = np.linspace(0, 2 * np.pi, 24)
    pose = np.zeros((24, 24, 3), np.float32)
    pose[:, 1, 0], pose[:, 2, 0] = -0.5 * np.sin(phase), 0.5 * np.sin(phase)
    pose[:, 4, 0], pose[:, 5, 0] = 0.4 + 0.3 * np.sin(phase), 0.4 - 0.3 * np.sin(phase)
    pose[:, 16, 2], pose[:, 17, 2] = -1.2, 1.2
    trans = np.zeros((24, 3), np.float32)
    trans[:, 1], trans[:, 2] = 0.95, np.linspace(-0.8, 0.8, 24)
    return MotionClip("made", "made", "walking", "normal", "a person walks", pose.reshape(24, 72), trans)
