"""Files of cameras as programs write them, for tests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

SIZE, T = (320, 240), 6


def written(path: Path, **content) -> Path:
    """A camera as JSON or npz."""
    if path.suffix == ".json":
        path.write_text(json.dumps({key: np.asarray(value).tolist() for key, value in content.items()}))
    else:
        np.savez(path, **content)
    return path


def a_path(count: int = T) -> tuple[np.ndarray, np.ndarray]:
    """Rotations and translations of a camera that turns and moves."""
    turn = Rotation.from_euler("yx", np.stack((0.1 * np.arange(count), 0.02 * np.arange(count)), -1)).as_matrix()
    return turn, np.stack((0.1 * np.arange(count), np.zeros(count), np.full(count, 2.0)), -1)


def tum(path: Path, count: int = T) -> Path:
    rotation, translation = a_path(count)
    there = rotation.swapaxes(-1, -2)
    places, turns = -(there @ translation[..., None])[..., 0], Rotation.from_matrix(there).as_quat()
    rows = np.concatenate((np.arange(count)[:, None] / 30, places, turns), 1)
    path.write_text("# time x y z qx qy qz qw\n" + "\n".join(" ".join(f"{v:.9f}" for v in row) for row in rows) + "\n")
    return path


def colmap(folder: Path, frames=range(T), model="PINHOLE 640 480 600 610 310 250", first=1) -> Path:
    folder.mkdir(exist_ok=True)
    rotation, translation = a_path()
    (folder / "cameras.txt").write_text(f"# Camera list\n1 {model}\n")
    lines = ["# Image list with two lines of data per image:"]
    for number in reversed(list(frames)):  # COLMAP's order is its own
        x, y, z, w = Rotation.from_matrix(rotation[number]).as_quat()
        numbers = " ".join(f"{v:.9f}" for v in (w, x, y, z, *translation[number]))
        lines += [f"{number + 7} {numbers} 1 frames/{number + first:06d}.jpg", "" if number % 2 else "1.5 2.5 -1 3.0 4.0 12"]
    (folder / "images.txt").write_text("\n".join(lines) + "\n")
    return folder
