"""COLMAP's model as text: ``cameras.txt`` and ``images.txt``."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from ..errors import SemttaError
from ..geometry.rotations import rotations_at
from ..io.files import reading
from ..io.text import read_text
from ..types import Camera

#: Camera model -> where fx, fy, cx, cy are among its parameters. Fisheye models are no pinholes.
MODELS = {
    "SIMPLE_PINHOLE": (0, 0, 1, 2), "SIMPLE_RADIAL": (0, 0, 1, 2), "RADIAL": (0, 0, 1, 2),
    "PINHOLE": (0, 1, 2, 3), "OPENCV": (0, 1, 2, 3), "FULL_OPENCV": (0, 1, 2, 3),
}  # fmt: skip


@dataclass(frozen=True)
class ColmapModel:
    """The camera that most pictures were taken with, and where it was in every frame."""

    camera: Camera
    size: tuple[float, float]  # width, height of its pictures, pixels
    rotation: np.ndarray  # [T, 3, 3] world to camera
    translation: np.ndarray  # [T, 3]
    messages: tuple[str, ...]


def read_colmap(folder: Path, num_frames: int) -> ColmapModel:
    """The model in a folder (or its ``sparse/0``). Frames that were not registered lie between their neighbours.

    A picture's frame is the last number in its name, counted from 0, or from 1 if none is called 0. Raises SemttaError for a
    folder without a text model, a damaged one, and one of another video.
    """
    places = [folder, folder / "sparse" / "0", folder / "sparse", folder / "0"]
    found = next((place for place in places if (place / "images.txt").is_file() and (place / "cameras.txt").is_file()), None)
    if found is None:
        binary = any((place / "images.bin").is_file() for place in places)
        raise SemttaError(
            f"{folder} holds no cameras.txt and images.txt: give COLMAP's model as text"
            + (" (colmap model_converter --output_type TXT)." if binary else ", or a camera file.")
        )
    with reading(found / "cameras.txt", "COLMAP's cameras"):
        cameras = {fields[0]: fields for fields in _lines(found / "cameras.txt")}
    with reading(found / "images.txt", "COLMAP's pictures"):
        # after each picture's line comes one of its points, which may be empty
        rows = [line.split(maxsplit=9) for line in _text(found / "images.txt") if not line.lstrip().startswith("#")]
        images = [row for row in rows[::2] if row]
        poses = np.array([[float(number) for number in row[1:8]] for row in images]).reshape(len(images), 7)
        used, names = [row[8] for row in images], [row[9] for row in images]
        if not len(images) or not np.isfinite(poses).all() or not np.linalg.norm(poses[:, :4], axis=1).all():
            raise ValueError("it has no picture, or numbers that are not finite")
    most = Counter(used).most_common(1)[0][0]
    with reading(found / "cameras.txt", "COLMAP's cameras"):
        camera, size = _camera(cameras[most], folder)
    frames = _frames(found / "images.txt", names, num_frames)
    order = np.argsort(frames)
    rotation = Rotation.from_quat(poses[order][:, [1, 2, 3, 0]]).as_matrix()
    center = -(rotation.swapaxes(-1, -2) @ poses[order][:, 4:, None])[..., 0]
    messages = []
    if len(images) < num_frames:
        messages.append(
            f"{folder.name}: {num_frames - len(images)} of {num_frames} frames lack a camera: it is interpolated there."
        )
    places_in = np.interp(np.arange(num_frames), frames[order], np.arange(len(images)))
    filled = rotations_at(torch.from_numpy(rotation)[:, None], torch.from_numpy(places_in))[:, 0].numpy()
    moved = np.stack([np.interp(places_in, np.arange(len(images)), center[:, axis]) for axis in range(3)], -1)
    return ColmapModel(camera, size, filled, -(filled @ moved[..., None])[..., 0], tuple(messages))


def _text(path: Path) -> list[str]:
    return read_text(path, "COLMAP's text").splitlines()


def _lines(path: Path) -> list[list[str]]:
    return [line.split() for line in _text(path) if line.strip() and not line.lstrip().startswith("#")]


def _camera(fields: list[str], folder: Path) -> tuple[Camera, tuple[float, float]]:
    model, width, height, *numbers = fields[1:]
    if model not in MODELS:
        raise ValueError(f"{model} is no pinhole: undistort the video first")
    fx, fy, cx, cy = (float(numbers[index]) for index in MODELS[model])
    if not (np.isfinite([fx, fy, cx, cy]).all() and min(fx, fy, float(width), float(height)) > 0):
        raise ValueError("a focal length or size is not above 0")
    return Camera((fx + fy) / 2, (cx, cy), f"given: COLMAP's model {folder.name}"), (float(width), float(height))


def _frames(path: Path, names: list[str], num_frames: int) -> np.ndarray:
    """The frame [N] of each picture."""
    found = [re.findall(r"\d+", Path(name).stem) for name in names]
    if not all(found):
        raise SemttaError(f"{path}: a picture's name has no number, so its frame is not known. Name them by frame: 000001.jpg.")
    frames = np.array([int(numbers[-1][:12]) for numbers in found])
    frames -= int(frames.min() > 0)
    if len(set(frames.tolist())) < len(frames) or frames.max() >= num_frames:
        raise SemttaError(
            f"{path}: its pictures' numbers (up to {frames.max()}) are not frames of this video, which has {num_frames}. Give "
            "the model of its own frames."
        )
    return frames
