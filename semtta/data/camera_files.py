"""Files of cameras: what ``--camera FILE`` takes. docs/camera.md shows each.

==========================================  ==========================================================================
JSON, or npz with the same names            ``focal_px`` or ``fov_deg`` (horizontal), ``center_px`` [2], ``size`` [2]; for
                                            a camera that moves ``rotation`` [T, 3, 3] and ``translation`` [T, 3], world
                                            to camera, metres. ``motion.npz`` of a run will do
a folder with ``cameras.txt, images.txt``   COLMAP's model as text
``*.txt`` of eight numbers a line           a path in TUM's format (DPVO, ORB-SLAM): time, place, quaternion, camera to
                                            world; it has no focal length
``*.toml``, ``*.qca.txt``                   a calibration by Pose2Sim or Qualisys
==========================================  ==========================================================================
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat
from scipy.spatial.transform import Rotation

from ..errors import SemttaError, unknown_name
from ..io.arrays import read_npz
from ..io.files import reading
from ..io.forms import checked
from ..io.names import require_text
from ..io.text import read_text
from ..types import Camera, CameraPath
from .calibration import read_calibration
from .colmap import read_colmap

#: Sides of the pictures that a file is of may differ from the video's by this factor's distance from 1, after scaling.
SAME_SHAPE = 0.02
#: How far a rotation's matrix times its transpose may be off the identity.
ORTHONORMAL = 0.01
Pair = Annotated[list[FiniteFloat], Field(min_length=2, max_length=2)]
Triple = Annotated[list[FiniteFloat], Field(min_length=3, max_length=3)]


@dataclass(frozen=True)
class CameraFile:
    """What a file says of a video's camera, in pixels of the video."""

    camera: Camera | None  # None: it has only a path
    path: CameraPath | None
    messages: tuple[str, ...] = ()


class CameraForm(BaseModel):
    """A camera in JSON or npz."""

    model_config = ConfigDict(strict=True)

    focal_px: FiniteFloat | None = None
    fov_deg: Annotated[FiniteFloat, Field(gt=0, lt=180)] | None = None
    center_px: Pair | None = None
    size: Pair | None = None
    rotation: list[Annotated[list[Triple], Field(min_length=3, max_length=3)]] | None = None
    translation: list[Triple] | None = None


def read_camera_file(path: Path, name: str, size: tuple[int, int], num_frames: int) -> CameraFile:
    """The camera in a file or folder, for the video called ``name`` of pictures of ``size`` and ``num_frames`` frames.

    Raises SemttaError for a file of another kind or shape, for one of pictures of another shape, and for a path of another
    number of frames.
    """
    require_text(path)
    if not path.exists():
        raise SemttaError(
            f"There is no camera file {path}. Give a JSON, npz, TOML or TUM file, or a folder of COLMAP's text model."
        )
    suffix = path.suffix.lower()
    if path.is_dir():
        model = read_colmap(path, num_frames)
        camera = scaled(model.camera, model.size, size, path)
        moves = replace(rigid(path, model.rotation, model.translation, num_frames), metric=False)
        return CameraFile(camera, moves, model.messages)
    if suffix in (".json", ".npz"):
        return _form(path, size, num_frames)
    if suffix == ".toml" or (suffix == ".txt" and read_text(path, "a camera").lstrip()[:1] == "<"):
        return _calibrated(path, name, size)
    if suffix in (".txt", ".tum"):
        return _trajectory(path, num_frames)
    raise SemttaError(f"{path} is no camera that is known here. Give JSON, npz, Pose2Sim's TOML, TUM's text, or COLMAP's folder.")


def scaled(camera: Camera, of: tuple[float, float] | None, size: tuple[int, int], path: Path) -> Camera:
    """A camera of pictures of size ``of`` in pixels of the video; SemttaError if they have another shape."""
    if of is None:
        return camera
    across, down = size[0] / of[0], size[1] / of[1]
    if abs(across / down - 1) > SAME_SHAPE:
        raise SemttaError(
            f"{path} is of pictures of {of[0]:g} x {of[1]:g} pixels, the video has {size[0]} x {size[1]}: another shape. Give "
            "the camera of this video, as it is shown."
        )
    center = camera.center_px[0] * across, camera.center_px[1] * down
    return replace(camera, focal_px=camera.focal_px * (across + down) / 2, center_px=center)


def rigid(path: Path, rotation: np.ndarray, translation: np.ndarray, num_frames: int) -> CameraPath:
    """A path [T] whose rotations are rotations; SemttaError if they are not, or not as many as the video has frames."""
    if not len(rotation) == len(translation) == num_frames:
        raise SemttaError(
            f"{path} has {len(rotation)} rotations and {len(translation)} translations, the video has {num_frames} frames: give "
            "one of each for every frame."
        )
    off = np.abs(rotation @ rotation.swapaxes(-1, -2) - np.eye(3)).max((-2, -1))
    wrong = np.flatnonzero(~(off <= ORTHONORMAL) | ~(np.linalg.det(rotation) > 0))
    if len(wrong):
        raise SemttaError(f"{path}: rotation {wrong[0]} is no rotation matrix (world to camera, right-handed). Write it again.")
    left, _, right = np.linalg.svd(rotation)
    return CameraPath(torch.from_numpy(left @ right).float(), torch.from_numpy(translation).float())


def _form(path: Path, size: tuple[int, int], num_frames: int) -> CameraFile:
    form = checked(CameraForm, _content(path), path)
    if (form.rotation is None) != (form.translation is None):
        raise SemttaError(f"{path} has only one of rotation and translation: a camera that moves needs both, for every frame.")
    if form.focal_px is not None and form.fov_deg is not None:
        raise SemttaError(f"{path} has both focal_px and fov_deg: they say the same, leave one out.")
    if form.focal_px is None and form.fov_deg is None and form.rotation is None:
        raise SemttaError(f"{path} holds no camera: write focal_px or fov_deg into it, or rotation and translation.")
    of = (size[0], size[1]) if form.size is None else (form.size[0], form.size[1])
    if not min(of) > 0:
        raise SemttaError(f"{path}: size is {of[0]:g} x {of[1]:g} pixels: give width and height.")
    camera = None
    if form.focal_px is not None or form.fov_deg is not None:
        focal = form.focal_px or of[0] / 2 / math.tan(math.radians(form.fov_deg or 90) / 2)
        center = (of[0] / 2, of[1] / 2) if form.center_px is None else (form.center_px[0], form.center_px[1])
        camera = scaled(Camera(focal, center, f"given: {path.name}"), of, size, path)
    if form.rotation is None or form.translation is None:
        return CameraFile(camera, None)
    return CameraFile(camera, rigid(path, np.array(form.rotation), np.array(form.translation), num_frames))


def _content(path: Path) -> Any:
    """The mapping in a JSON or npz file; in an npz the names may begin with ``camera_``, as in ``motion.npz``."""
    if path.suffix.lower() == ".json":
        with reading(path, "readable as JSON"):
            return json.loads(read_text(path, "JSON"))
    names = {**{f"camera_{key}": key for key in CameraForm.model_fields}, "image_size": "size"}
    arrays = read_npz(path, only=(*CameraForm.model_fields, *names))
    content = {names.get(key, key): array.tolist() for key, array in arrays.items()}
    if "size" in content:
        content["size"] = [float(side) for side in np.ravel(content["size"])]
    return content


def _calibrated(path: Path, name: str, size: tuple[int, int]) -> CameraFile:
    """The camera of the video's name in a calibration, or its only one. It stands still, so it has no path."""
    views = {view.name: view for view in read_calibration(path, least=1)}
    own = [key for key in views if key.lower() == name.lower()] or [key for key in views if key.lower() in name.lower()]
    if len(views) > 1 and len(own) != 1:
        raise unknown_name(f"camera of {path}: it has none of the video's name,", name, views)
    view = views[own[0]] if own else next(iter(views.values()))
    camera = replace(view.camera, source=f"given: camera {view.name} of {path.name}")
    bent = (f"{path.name}: the lens distortion of camera {view.name} is left out.",) if np.abs(view.distortion).max() > 0 else ()
    return CameraFile(scaled(camera, view.size, size, path), None, bent)


def _trajectory(path: Path, num_frames: int) -> CameraFile:
    """TUM's lines ``time x y z qx qy qz qw``, camera to world, one a frame."""
    with reading(path, "a path in TUM's format (eight numbers a line: time, place, quaternion)"):
        lines = [line.split() for line in read_text(path).splitlines() if line.strip() and not line.lstrip().startswith("#")]
        rows = np.array([[float(number) for number in line] for line in lines]).reshape(len(lines), -1)
        if rows.shape[1:] != (8,) or not np.isfinite(rows).all() or not np.linalg.norm(rows[:, 4:], axis=1).all():
            raise ValueError("its lines are not eight finite numbers")
    rotation = Rotation.from_quat(rows[:, 4:]).as_matrix().swapaxes(-1, -2)
    translation = -(rotation @ rows[:, 1:4, None])[..., 0]
    return CameraFile(None, replace(rigid(path, rotation, translation, num_frames), metric=False))
