"""DeepMimic's text files in SMPL's convention, on poses that are known by heart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from semtta.constants import SMPL24
from semtta.errors import SemttaError
from semtta.synthesis.deepmimic import read_motion
from semtta.synthesis.figures import load_figure

NONE = [1.0, 0.0, 0.0, 0.0]  # w x y z


def _frame(place=(0.0, 1.0, 0.0), root=NONE, knee=0.0, elbow=0.0, shoulder=NONE) -> list[float]:
    right_leg, right_arm = [*NONE, 0.0, *NONE], [*NONE, 0.0]
    left_leg, left_arm = [*NONE, knee, *NONE], [*shoulder, elbow]
    return [1 / 30, *place, *root, *NONE, *NONE, *right_leg, *right_arm, *left_leg, *left_arm]


def _write(path: Path, frames: list[list[float]], loop: str = "none") -> Path:
    path.write_text(json.dumps({"Loop": loop, "Frames": frames}))
    return path


def _bone(motion, frame: int, start: str, end: str) -> np.ndarray:
    joints = load_figure().joints(motion.axis_angle[[frame]].reshape(1, 24, 3), np.zeros((1, 10), np.float32), "smpl24")
    bone = joints[0, SMPL24.index(end)] - joints[0, SMPL24.index(start)]
    return bone / np.linalg.norm(bone)


def test_zero_pose_hinges_and_axes(tmp_path: Path) -> None:
    """Zero: limbs straight down. A knee of -90 degrees puts the shank behind, an elbow of 90 the hand in front."""
    frames = [_frame(), _frame((1, 1, 0.5), knee=-np.pi / 2, elbow=np.pi / 2)]
    motion = read_motion(_write(tmp_path / "a.txt", frames), "testing")
    for side in "LR":
        for limb in (("Hip", "Knee"), ("Knee", "Ankle"), ("Shoulder", "Elbow"), ("Elbow", "Wrist")):
            np.testing.assert_allclose(_bone(motion, 0, *(f"{side}_{n}" for n in limb)), (0, -1, 0), atol=0.01)
    np.testing.assert_allclose(_bone(motion, 1, "L_Knee", "L_Ankle"), (0, 0, -1), atol=0.01)
    np.testing.assert_allclose(_bone(motion, 1, "L_Elbow", "L_Wrist"), (0, 0, 1), atol=0.01)
    np.testing.assert_allclose(_bone(motion, 1, "R_Knee", "R_Ankle"), (0, -1, 0), atol=0.01)
    np.testing.assert_allclose(motion.trans[1] - motion.trans[0], (-0.5, 0, 1), atol=1e-5)  # right is -x, forward +z
    assert motion.text == "a person is testing"


def test_a_turn_to_the_left_stays_one(tmp_path: Path) -> None:
    """90 degrees about y: from forward (DeepMimic's x) to the left (-z there, +x in SMPL)."""
    half = np.sqrt(0.5)
    motion = read_motion(_write(tmp_path / "a.txt", [_frame(), _frame(root=[half, 0, half, 0])]))
    forward = Rotation.from_rotvec(motion.axis_angle[1, :3]).apply((0, 0, 1))
    np.testing.assert_allclose(forward, (1, 0, 0), atol=1e-5)


def test_cycles_go_on(tmp_path: Path) -> None:
    frames = [_frame((x, 1, 0), knee=-k) for x, k in zip((0, 0.1, 0.2, 0.3), (0, 0.5, 0.5, 0.1), strict=True)]
    path = _write(tmp_path / "a.txt", frames, "wrap")
    motion = read_motion(path, frames=10)
    np.testing.assert_allclose(motion.trans[:, 2] - motion.trans[0, 2], 0.1 * np.arange(10), atol=1e-4)
    np.testing.assert_allclose(motion.axis_angle[3], motion.axis_angle[0], atol=1e-4)
    np.testing.assert_allclose(motion.axis_angle[4], motion.axis_angle[1], atol=1e-4)
    smooth = read_motion(path, frames=10, smooth_frames=1.0)
    assert np.abs(np.diff(smooth.axis_angle, axis=0)).max() < np.abs(np.diff(motion.axis_angle, axis=0)).max()


def test_bad_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(SemttaError, match="No motion file"):
        read_motion(tmp_path / "none.txt")
    (tmp_path / "a.txt").write_text("{}")
    with pytest.raises(SemttaError, match="not a DeepMimic motion"):
        read_motion(tmp_path / "a.txt")
    with pytest.raises(SemttaError, match="not a DeepMimic motion"):
        read_motion(_write(tmp_path / "b.txt", [_frame((np.nan, 0, 0)), _frame()]))
    with pytest.raises(SemttaError, match="cannot fill 100 frames"):
        read_motion(_write(tmp_path / "c.txt", [_frame(), _frame()]), frames=100)
