"""The files of a run, read back. Anyone may have edited or damaged them: nothing is taken as it is."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from ..constants import JOINT_SETS
from ..errors import SemttaError
from ..geometry import axis_angle_to_matrix
from ..io.arrays import read_npz
from ..io.files import reading
from ..io.forms import checked
from ..io.labels import from_record
from ..io.yaml_files import read_yaml
from ..types import BodyParams, Camera, CameraPath, Keypoints2D, Landmarks3D, SegmentLabel, World
from .files import CONFIG, HISTORY, KEYPOINTS, LABELS, METRICS, MOTION, SCHEMA_VERSION, AdaptResult
from .finding import AGAIN, find

T = TypeVar("T")
Arrays = Mapping[str, np.ndarray]

#: The numbers in motion.npz and keypoints.npz and their shapes (-1: the number of frames; None: any number).
MOTION_NUMBERS: Mapping[str, tuple[int | None, ...]] = {
    **{f"{when}{key}": shape for when in ("", "unadapted_")
       for key, shape in (("poses", (-1, 72)), ("trans", (-1, 3)), ("betas_per_frame", (-1, 10)))},
    "joints": (-1, 24, 3), "frame_index": (-1,), "mocap_framerate": (), "camera_focal_px": (), "camera_center_px": (2,),
    "image_size": (2,),
}  # fmt: skip
WORLD_NUMBERS: Mapping[str, tuple[int | None, ...]] = {
    "world_poses": (-1, 72), "world_trans": (-1, 3), "world_joints": (-1, 24, 3), "world_contacts": (-1, 4),
    "world_camera_rotation": (-1, 3, 3), "world_camera_translation": (-1, 3),
}  # fmt: skip
PATH_NUMBERS: Mapping[str, tuple[int | None, ...]] = {"camera_rotation": (-1, 3, 3), "camera_translation": (-1, 3)}
POINT_NUMBERS: Mapping[str, tuple[int | None, ...]] = {
    "boxes": (-1, 3),
    **{f"{when}_{key}": shape for when in ("before", "after")
       for key, shape in (("xy", (-1, None, 2)), ("confidence", (-1, None)))},
}  # fmt: skip
LANDMARK_NUMBERS: Mapping[str, tuple[int | None, ...]] = {"landmarks_xyz": (-1, None, 3), "landmarks_confidence": (-1, None)}
LANDMARK_TEXTS = ("landmarks_joint_set", "landmarks_source")
MOTION_TEXTS, POINT_TEXTS = ("name", "body", "source"), ("before_joint_set", "before_source", "after_joint_set", "after_source")


def load(folder: str | os.PathLike[str]) -> AdaptResult:
    """Read what ``save`` wrote; ``folder`` is ``OUT/<clip>``, or ``OUT`` when there is one clip of one person in it.

    Everything but the adapted weights comes back. Raises SemttaError for a missing, damaged or newer file, for one of another
    run or program, and for the folder of several people (``load_all``).
    """
    target = find(folder)
    motion = _motion(target / MOTION)
    frames = len(motion["poses"])
    points = _points(target / KEYPOINTS, frames)
    times_s, fps = motion.get("time_s"), float(motion["mocap_framerate"])
    even = times_s is None or np.allclose(times_s, np.arange(frames) / fps, atol=1e-6)
    return AdaptResult(
        name=str(motion["name"]),
        params=_params(motion),
        joints=torch.from_numpy(motion["joints"]),
        keypoints=_keypoints(points, "after"),
        history=tuple(_read(target / HISTORY, list[dict[str, Any]], _json_lines)),
        labels=_labels(target / LABELS, frames),
        camera=Camera(
            float(motion["camera_focal_px"]), tuple(motion["camera_center_px"].tolist()), str(motion.get("camera_source", ""))
        ),
        unadapted=_params(motion, "unadapted_"),
        keypoints_before=replace(_keypoints(points, "before"), landmarks=_landmarks(points)),
        fps=fps,
        size=(int(motion["image_size"][0]), int(motion["image_size"][1])),
        boxes=torch.from_numpy(points["boxes"]),
        frame_index=torch.from_numpy(motion["frame_index"].astype(np.int64)),
        body=str(motion["body"]),
        source=str(motion["source"]),
        person=_person(target / MOTION, motion),
        config=_read(target / CONFIG, dict[str, Any], lambda p: read_yaml(p) or {}),
        metrics=_read(target / METRICS, dict[str, Any], lambda p: json.loads(p.read_text(encoding="utf-8"))),
        messages=tuple(str(message) for message in np.atleast_1d(motion.get("messages", np.array([], str)))),
        times_s=None if even else torch.from_numpy(times_s),
        gender=str(motion.get("gender", "neutral")),
        confidence=torch.from_numpy(motion["confidence"]) if "confidence" in motion else None,
        world=_world(motion),
        camera_path=_camera_path(motion),
    )


def _motion(path: Path) -> Arrays:
    """The arrays of motion.npz, checked."""
    motion = _arrays(path)
    with _whole(path):
        version = int(motion.get("schema_version", 0))
    if version > SCHEMA_VERSION:
        raise SemttaError(f"{path} has schema version {version}, this semtta knows {SCHEMA_VERSION}: update it.")
    optional: dict[str, tuple[int | None, ...]] = {
        key: shape for key, shape in (("time_s", (-1,)), ("confidence", (-1, 24))) if key in motion
    }
    for group in (WORLD_NUMBERS, PATH_NUMBERS):
        if any(key in motion for key in group):
            optional |= group
    motion = _checked(path, motion, {**MOTION_NUMBERS, **optional}, MOTION_TEXTS, finite=True)
    positive = [*(motion[key] for key in ("mocap_framerate", "camera_focal_px")), *motion["image_size"]]
    _require(path, all(value > 0 for value in positive), "rate, focal length and image size are above 0")
    _require(path, bool((np.diff(motion.get("time_s", np.arange(2))) > 0).all()), "times rise from frame to frame")
    return motion


def _person(path: Path, motion: Arrays) -> int:
    number = np.asarray(motion.get("person", 0))
    _require(path, number.ndim == 0 and number.dtype.kind in "iu" and 0 <= int(number) < 2**31, "person is a number from 0")
    return int(number)


def _points(path: Path, frames: int) -> Arrays:
    """The arrays of keypoints.npz, checked; keypoints and boxes may be NaN where nothing was seen."""
    points = _checked(path, _arrays(path), POINT_NUMBERS, POINT_TEXTS, frames=frames)
    for when in ("before", "after"):
        known = JOINT_SETS.get(str(points[f"{when}_joint_set"]), ())
        _require(path, bool(known), f"{when}_joint_set is one of {', '.join(JOINT_SETS)}")
        joints = len(known)
        shapes = points[f"{when}_xy"].shape[1], points[f"{when}_confidence"].shape[1]
        _require(path, shapes == (joints, joints), f"{when}_xy and {when}_confidence have {joints} joints")
    if "landmarks_xyz" in points:
        points = _checked(path, points, LANDMARK_NUMBERS, LANDMARK_TEXTS, frames=frames)
        joints = len(JOINT_SETS.get(str(points["landmarks_joint_set"]), ()))
        shapes = points["landmarks_xyz"].shape[1], points["landmarks_confidence"].shape[1]
        _require(path, shapes == (joints, joints), "landmarks_xyz and landmarks_confidence have the joints of a known set")
    return points


def _labels(path: Path, frames: int) -> tuple[SegmentLabel, ...]:
    rows = _read(path, list[dict[str, Any]], lambda p: json.loads(p.read_text(encoding="utf-8")))
    with _whole(path):
        labels = tuple(from_record(row, f"{path}, record {index}") for index, row in enumerate(rows))
    _require(path, all(label.stop <= frames for label in labels), f"its labels end by frame {frames}, as the motion does")
    return labels


def _checked(
    path: Path, arrays: Arrays, numbers: Mapping[str, tuple[int | None, ...]], texts: tuple[str, ...], finite: bool = False,
    frames: int | None = None,
) -> Arrays:  # fmt: skip
    """The arrays, matrices of floats as float32; SemttaError for one that is missing or of another form."""
    missing = [key for key in (*numbers, *texts) if key not in arrays]
    _require(path, not missing, f"there is {', '.join(missing[:3])}")
    if frames is None:
        frames = len(arrays["poses"]) if arrays["poses"].ndim else 0
    _require(path, frames > 0, "there is at least one frame")
    done = dict(arrays)
    for key, shape in numbers.items():
        array = arrays[key]
        wanted = tuple(frames if size == -1 else size for size in shape)
        fits = len(wanted) == array.ndim and all(w in (None, s) for w, s in zip(wanted, array.shape, strict=True))
        text = str(list(wanted)).replace("None", "J")
        _require(path, fits and array.dtype.kind in "fiu", f"{key} holds numbers {text}; it is {array.dtype} {list(array.shape)}")
        _require(path, not finite or bool(np.isfinite(array).all()), f"{key} is finite")
        if array.dtype.kind == "f" and array.ndim > 1:
            done[key] = array.astype(np.float32)
    for key in texts:
        _require(path, arrays[key].ndim == 0 and arrays[key].dtype.kind == "U", f"{key} is text")
    return done


def _require(path: Path, true: bool, what: str) -> None:
    if not true:
        raise SemttaError(f"{path} is damaged or of another run: {what} in a whole one. {AGAIN}.")


def _whole(path: Path) -> Any:
    """A context in which any error is one of a damaged file."""
    return reading(path, "a whole file of a run", then=f". {AGAIN}", missing=f"{path} is missing. {AGAIN}.")


def _arrays(path: Path) -> Arrays:
    if not path.is_file():
        raise SemttaError(f"{path} is missing. {AGAIN}.")
    return read_npz(path)


def _read(path: Path, form: type[T], reader: Callable[[Path], Any]) -> T:
    with _whole(path):
        content = reader(path)
    return checked(form, content, path)


def _json_lines(path: Path) -> list[Any]:
    lines = path.read_text(encoding="utf-8").split("\n")  # not other line ends, which a text in it may hold
    return [json.loads(line) for line in lines if line.strip()]


def _params(motion: Arrays, prefix: str = "") -> BodyParams:
    poses, betas, trans = (torch.from_numpy(motion[prefix + key]) for key in ("poses", "betas_per_frame", "trans"))
    return BodyParams(axis_angle_to_matrix(poses.unflatten(-1, (-1, 3))), betas, trans)


def _world(motion: Arrays) -> World | None:
    if "world_poses" not in motion:
        return None
    poses, trans, joints, contacts, rotation, translation = (torch.from_numpy(motion[key]) for key in WORLD_NUMBERS)
    betas = torch.from_numpy(motion["betas_per_frame"])
    params = BodyParams(axis_angle_to_matrix(poses.unflatten(-1, (-1, 3))), betas, trans)
    return World(params, joints, contacts, CameraPath(rotation, translation))


def _camera_path(motion: Arrays) -> CameraPath | None:
    if "camera_rotation" not in motion:
        return None
    rotation, translation = (torch.from_numpy(motion[key]) for key in PATH_NUMBERS)
    return CameraPath(rotation, translation)


def _keypoints(points: Arrays, when: str) -> Keypoints2D:
    xy, confidence = torch.from_numpy(points[f"{when}_xy"]), torch.from_numpy(points[f"{when}_confidence"])
    return Keypoints2D(xy, confidence, str(points[f"{when}_joint_set"]), str(points[f"{when}_source"]))


def _landmarks(points: Arrays) -> Landmarks3D | None:
    if "landmarks_xyz" not in points:
        return None
    xyz, confidence = torch.from_numpy(points["landmarks_xyz"]), torch.from_numpy(points["landmarks_confidence"])
    return Landmarks3D(xyz, confidence, str(points["landmarks_joint_set"]), str(points["landmarks_source"]))
