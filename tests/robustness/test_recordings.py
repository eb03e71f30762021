"""Recordings by several cameras that are damaged, or that do not belong together."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from recordings import cameras, qualisys, toml, write_recording, write_video


def _no_camera(root: Path) -> None:
    (root / "Calib.toml").write_text("[metadata]\nerror = 0.0\n")


def _cut(root: Path) -> None:
    (root / "Calib.toml").write_text(toml(cameras())[:400])


def _not_xml(root: Path) -> None:
    (root / "Calib.toml").unlink()
    (root / "Calib.qca.txt").write_text(qualisys(cameras())[:900])


def _no_transform(root: Path) -> None:
    (root / "Calib.toml").unlink()
    (root / "Calib.qca.txt").write_text(qualisys(cameras()).replace("<transform r11", "<moved r11"))


def _no_keypoints_of_two(root: Path) -> None:
    for path in root.glob("cam0[234]*"):
        path.unlink()


def _nobody(root: Path) -> None:
    rng = np.random.default_rng(0)
    for path in root.glob("*_keypoints.npz"):
        np.savez(path, keypoints=np.concatenate((rng.uniform(50, 200, (6, 1, 25, 2)), np.full((6, 1, 25, 1), 0.9)), -1))


def _damaged_landmarks(root: Path) -> None:
    with np.load(root / "cam01_keypoints.npz") as data:
        arrays = dict(data) | {"landmarks_xyz": np.zeros(3)}
    np.savez(root / "cam01_keypoints.npz", **arrays)


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no calibration": (lambda root: (root / "Calib.toml").unlink(), "multiview"),
    "two calibrations": (lambda root: (root / "Calib_2.toml").write_text(toml(cameras())), "Calib_2.toml"),
    "no camera": (_no_camera, "0 cameras"),
    "a calibration cut off": (_cut, "Calib.toml"),
    "a Qualisys file cut off": (_not_xml, "Calib.qca.txt"),
    "a camera without a place": (_no_transform, "transform"),
    "fisheye": (lambda root: (root / "Calib.toml").write_text(toml(cameras(), fisheye="true")), "fisheye"),
    "a focal length of 0": (
        lambda root: (root / "Calib.toml").write_text(toml(cameras(), matrix="[[0,0,1],[0,1,1],[0,0,1]]")), "focal lengths",
    ),
    "a matrix of two rows": (
        lambda root: (root / "Calib.toml").write_text(toml(cameras(), matrix="[[1,0,1],[0,1,1]]")), "matrix",
    ),
    "NaN": (lambda root: (root / "Calib.toml").write_text(toml(cameras(), translation="[nan, 0, 0]")), "translation"),
    "another size": (lambda root: write_video(root / "cam02.mp4", 6, (160, 120)), "160 x 120"),
    "another length": (lambda root: write_video(root / "cam02.mp4", 9), "6 to 9 frames"),
    "no videos": (lambda root: [path.unlink() for path in root.glob("*.mp4")], "no videos"),
    "names that fit no camera": (lambda root: [p.rename(root / f"x{p.name[5:]}") for p in root.glob("cam0[12]*")] and
                                 [p.unlink() for p in root.glob("cam0*")], "name the videos like the cameras"),
    "one camera": (_no_keypoints_of_two, "Nobody"),
    "nobody in two views": (_nobody, "Nobody"),
    "a truth of another kind": (lambda root: np.savez(root / "truth.npz", joints=np.zeros((2, 6, 12, 3))), "truth.npz"),
    "a truth of other joints": (
        lambda root: np.savez(root / "truth.npz", joints=np.zeros((2, 6, 1, 3)), joint_names=["Nose"]), "lacks L_Shoulder",
    ),
    "damaged landmarks": (_damaged_landmarks, "landmarks_xyz"),
}  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    write_recording(folder, 6)
    return folder


@pytest.mark.parametrize("what", HOSTILE)
def test_a_damaged_recording_is_refused(refused, whole, tmp_path, what):
    root = Path(shutil.copytree(whole, tmp_path / "root"))
    damage, named = HOSTILE[what]
    damage(root)
    refused("compare", "--dataset", "multiview", "--root", root, "--methods", "landmarks", "--out", tmp_path / "out", names=named)
