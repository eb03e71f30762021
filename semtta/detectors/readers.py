"""Readers of keypoint files: OpenPose, npz, COCO and AlphaPose."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..constants import JOINT_SETS
from ..errors import SemttaError
from .base import Detections, formats

#: Joint sets by number of joints, for files that do not name theirs.
BY_COUNT = {17: "coco17", 18: "coco18", 25: "body25"}
#: Numbers of joints of the sets whose first 17 joints are COCO's: COCO, Halpe-26, COCO-WholeBody, Halpe-136.
COCO_FIRST = (17, 26, 133, 136)


@formats.register("openpose")
class OpenPoseReader:
    """A folder or zip of OpenPose's ``*_keypoints.json`` (BODY_25 or COCO-18), one per frame, or a single such file.

    The frame number is the last number in the file's name; frames without a file have no people.
    """

    def read(self, path: Path) -> Detections | None:
        texts = dict(_json_texts(path))
        if not texts:
            return None
        numbers = _frame_numbers(list(texts), path)
        poses, counts = {}, set()
        for name, text in texts.items():
            content = _parse(text, name)
            if not (isinstance(content, dict) and isinstance(content.get("people"), list)):
                if path.is_file() and not zipfile.is_zipfile(path):
                    return None
                raise SemttaError(
                    f"{path}: {name} is not OpenPose's JSON (it has no list 'people'). Give a folder of those only."
                )
            rows = [
                _pose(person.get("pose_keypoints_2d", person.get("pose_keypoints", [])), name) for person in content["people"]
            ]
            rows = [row for row in rows if len(row)]
            counts |= {len(row) for row in rows}
            if not counts <= {18, 25} or len(counts) > 1:
                numbers_found = " and ".join(str(count) for count in sorted(counts))
                raise SemttaError(
                    f"{path}: people with {numbers_found} joints: give those of OpenPose's BODY_25 (25) or COCO (18) model."
                )
            poses[numbers[name]] = np.stack(rows) if rows else np.zeros((0, max(counts, default=25), 3))
        joint_set = BY_COUNT[max(counts, default=25)]
        return Detections(joint_set, poses, max(numbers.values()) + 1, missing_at_end=0.1)


@formats.register("npz")
class NpzReader:
    """``keypoints`` [T, J, 3] or [T, P, J, 3] (x, y, confidence; J = 25, 18 or 17), or ``xy`` [T, J, 2], ``confidence``
    [T, J] and ``joint_set``; optionally ``width`` and ``height``."""

    def read(self, path: Path) -> Detections | None:
        if not path.is_file() or path.suffix.lower() != ".npz":
            return None
        try:
            with np.load(path, allow_pickle=False) as data:
                arrays = {
                    k: data[k] for k in ("keypoints", "xy", "confidence", "joint_set", "width", "height") if k in data.files
                }
        except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise SemttaError(f"{path} cannot be read as npz ({error}). Write it with numpy.savez.") from error
        if "keypoints" in arrays:
            values = arrays["keypoints"]
        elif "xy" in arrays and "confidence" in arrays and arrays["xy"].shape[:-1] == arrays["confidence"].shape:
            values = np.concatenate([arrays["xy"], arrays["confidence"][..., None]], -1)
        else:
            raise SemttaError(f"{path} has no array 'keypoints' [T, J, 3], nor 'xy' [T, J, 2] with 'confidence' [T, J].")
        if values.ndim == 3:
            values = values[:, None]
        if values.ndim != 4 or values.shape[-1] != 3 or not np.issubdtype(values.dtype, np.number):
            raise SemttaError(f"{path}: keypoints are {values.dtype} {list(values.shape)}: expected numbers [T, J, 3].")
        joint_set = str(arrays["joint_set"]) if "joint_set" in arrays else BY_COUNT.get(values.shape[2], "")
        if len(JOINT_SETS.get(joint_set, ())) != values.shape[2]:
            named = f" and joint set '{joint_set}'" if joint_set else ""
            raise SemttaError(
                f"{path}: {values.shape[2]} joints{named}: give 25 (BODY_25), 18 or 17 (COCO), or name the set in "
                f"'joint_set' ({', '.join(sorted(JOINT_SETS))})."
            )
        size = (int(arrays["width"]), int(arrays["height"])) if {"width", "height"} <= arrays.keys() else None
        values = values.astype(np.float64)
        return Detections(joint_set, dict(enumerate(values)), len(values), size=size)


@formats.register("coco")
class CocoReader:
    """COCO keypoint results (list of ``image_id``, ``keypoints``) or a dataset (``images``, ``annotations``)."""

    def read(self, path: Path) -> Detections | None:
        content = _json_file(path)
        images: dict[Any, str] = {}
        size = None
        if isinstance(content, dict) and {"images", "annotations"} <= content.keys():
            images = {image["id"]: str(image.get("file_name", image["id"])) for image in content["images"]}
            sizes = {(image.get("width"), image.get("height")) for image in content["images"]}
            size = sizes.pop() if len(sizes) == 1 else None
            size = None if size is None or None in size else size
            content = content["annotations"]
        if content == []:
            raise SemttaError(f"{path}: no person in any frame. Give keypoints of a video with a person in it.")
        if not _is_result_list(content) or any(isinstance(row["image_id"], str) for row in content):
            return None
        names = {row["image_id"]: images.get(row["image_id"], str(row["image_id"])) for row in content}
        return _from_rows(path, content, names, "track_id", size)


@formats.register("alphapose")
class AlphaPoseReader:
    """AlphaPose's list of ``image_id`` ("12.jpg"), ``keypoints`` (17, or the first 17 of 26, 133 or 136), ``idx``."""

    def read(self, path: Path) -> Detections | None:
        content = _json_file(path)
        if not _is_result_list(content) or not all(isinstance(row["image_id"], str) for row in content):
            return None
        return _from_rows(path, content, {row["image_id"]: row["image_id"] for row in content}, "idx", None)


def _from_rows(
    path: Path, rows: list[dict[str, Any]], names: dict[Any, str], id_key: str, size: tuple[int, int] | None
) -> Detections:
    """Detections from a list with one row per person and image; ``names``: image_id -> the name with the frame's number."""
    numbers = _frame_numbers(sorted(set(names.values())), path)
    poses: dict[int, list[np.ndarray]] = {}
    ids: dict[int, list[int]] = {}
    for row in rows:
        if row.get("category_id", 1) != 1:  # not a person
            continue
        frame = numbers[names[row["image_id"]]]
        pose = _pose(row["keypoints"], f"image {row['image_id']}")
        if len(pose) not in COCO_FIRST:
            raise SemttaError(f"{path}: a person with {len(pose)} joints: COCO's 17 (or a set that starts with them) are needed.")
        poses.setdefault(frame, []).append(pose[:17])
        if (person := row.get(id_key)) is not None:
            ids.setdefault(frame, []).append(int(np.ravel(person)[0]))
    if not poses:
        raise SemttaError(f"{path}: no person in any frame. Give keypoints of a video with a person in it.")
    stacked = {frame: _visibility_to_confidence(np.stack(people)) for frame, people in poses.items()}
    tracked = all(len(ids.get(frame, ())) == len(people) for frame, people in poses.items())
    return Detections("coco17", stacked, max(numbers.values()) + 1, ids if tracked else None, missing_at_end=0.5, size=size)


def _visibility_to_confidence(poses: np.ndarray) -> np.ndarray:
    """COCO's annotated visibility (0 absent, 1 labelled but hidden, 2 visible) as confidence; other values are kept."""
    flags = poses[..., 2]
    if (flags == 2).any() and np.isin(flags, (0, 1, 2)).all():
        poses = np.concatenate([poses[..., :2], (flags > 0)[..., None].astype(float)], -1)
    return poses


def _pose(values: Any, where: str) -> np.ndarray:
    """A flat list x, y, confidence, ... -> array [J, 3]."""
    try:
        return np.asarray(values, dtype=np.float64).reshape(-1, 3)
    except (TypeError, ValueError) as error:
        raise SemttaError(f"{where}: keypoints are not a flat list of x, y, confidence ({error}).") from error


def _is_result_list(content: Any) -> bool:
    return (
        isinstance(content, list)
        and len(content) > 0
        and all(isinstance(row, dict) and {"image_id", "keypoints"} <= row.keys() for row in content)
    )


def _json_texts(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and text of every JSON file in a folder or zip, or of a single file."""
    if path.is_dir():
        for file in sorted(path.glob("*.json")) or sorted(path.glob("*/*.json")):
            yield file.name, file.read_bytes()
    elif path.suffix.lower() == ".json":
        yield path.name, path.read_bytes()
    elif path.suffix.lower() == ".zip":
        try:
            with zipfile.ZipFile(path) as archive:
                for name in sorted(archive.namelist()):
                    if name.endswith(".json") and "__MACOSX" not in name:
                        yield name.rsplit("/", 1)[-1], archive.read(name)
        except (zipfile.BadZipFile, RuntimeError, EOFError, OSError, ValueError) as error:
            raise SemttaError(f"{path} is not a readable zip ({error}). Zip the folder of JSON files again.") from error


def _json_file(path: Path) -> Any:
    return _parse(path.read_bytes(), str(path)) if path.is_file() and path.suffix.lower() == ".json" else None


def _parse(text: bytes, name: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise SemttaError(f"{name} is not valid JSON ({error}). Was it cut off? Write it again.") from error


def _frame_numbers(names: list[str], path: Path) -> dict[str, int]:
    """The frame number of each file: the number before ``_keypoints``, else the last number in the name."""
    numbers: dict[str, int] = {}
    names_by_number: dict[int, str] = {}
    for name in names:
        digits = re.findall(r"\d+", re.sub(r"_keypoints$", "", re.sub(r"\.\w+$", "", name)))
        number = int(digits[-1]) if digits else 0
        if number in names_by_number:
            raise SemttaError(
                f"{path}: '{names_by_number[number]}' and '{name}' are both for frame {number}. Keep one clip's files together."
            )
        numbers[name], names_by_number[number] = number, name
    return numbers
