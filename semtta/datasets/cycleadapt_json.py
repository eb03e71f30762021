"""CycleAdapt's annotation of 3DPW: COCO's layout, with boxes, OpenPose's joints and SMPL's parameters of each person.

Of ``images``: ``id``, ``sequence``, ``file_name``, ``width``, ``height``, ``cam_param`` (``R`` [3, 3] where the parameters
are in the world). Of ``annotations``: ``image_id``, ``person_id``, ``bbox`` (left, top, width, height), ``openpose_result``
(18 times x, y, confidence), ``smpl_param`` (``pose`` 72, ``shape`` 10, ``trans`` 3, ``gender``), ``joint_cam`` (24 times x, y, z
in the camera frame).
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data.images import ImageFrames
from ..errors import SemttaError
from ..geometry import axis_angle_to_matrix
from ..types import BodyParams, EvaluationProtocol, GroundTruth, Keypoints2D, Video
from .checks import finite, square_boxes

SOURCE = "OpenPose, from CycleAdapt's annotation"
_BODIES = {"male": "smpl-male", "female": "smpl-female", "m": "smpl-male", "f": "smpl-female"}
Row = tuple[dict[str, Any], dict[str, Any]]  # image, annotation


def tracks(path: Path) -> list[str]:
    """Names of the tracks, ``SEQUENCE_PERSON``."""
    return sorted(_rows(path, path.stat().st_mtime_ns))


def rows(path: Path, track: str) -> list[Row]:
    """The track's images and annotations in the order of the images; SemttaError for an unknown track, or one frame twice."""
    by_track = _rows(path, path.stat().st_mtime_ns)
    if track not in by_track:
        raise SemttaError(f"{path.name} has no track '{track}'.")
    ordered = sorted(by_track[track], key=lambda row: row[0]["file_name"])
    names = [image["file_name"] for image, _ in ordered]
    twice = next((name for name, after in pairwise(names) if name == after), None)
    if twice:
        raise SemttaError(f"{path.name}: {track} has {twice} twice.")
    return ordered


def load(path: Path, images: Path, track: str, protocol: EvaluationProtocol, fps: float) -> Video:
    """The track from the json and the images alone; boxes are the annotated ones, made square, not enlarged."""
    found = rows(path, track)
    first = found[0][1].get("smpl_param", {})
    frames = ImageFrames.open([images / image["sequence"] / image["file_name"] for image, _ in found])
    index = np.array([_number(image["file_name"]) for image, _ in found])
    try:
        pose = _stack(found, lambda image, item: item["smpl_param"]["pose"], (24, 3))
        betas = _stack(found, lambda image, item: item["smpl_param"]["shape"], (10,))
        turn = _stack(found, lambda image, item: image.get("cam_param", {}).get("R", np.eye(3)), (3, 3))
        joints = _stack(found, lambda image, item: np.reshape(item["joint_cam"], (24, -1))[:, :3], (24, 3))
    except (KeyError, TypeError, ValueError) as error:
        raise SemttaError(f"{path.name}: {track} has no whole smpl_param and joint_cam ({error}).") from error
    for name, values in (("pose", pose), ("shape", betas), ("joint_cam", joints)):
        finite(values, f"{path.name}: {name} of {track}", index)
    rotations = axis_angle_to_matrix(torch.from_numpy(pose))
    rotations[:, 0] = torch.from_numpy(turn) @ rotations[:, 0]
    millimetres = 1000.0 if np.abs(joints).max() > 100 else 1.0
    truth = GroundTruth(
        torch.from_numpy(joints / np.float32(millimetres)),
        "smpl24",
        BodyParams(rotations, torch.from_numpy(betas)),
        body=_BODIES.get(str(first.get("gender", "")).lower(), "smpl"),
        protocol=protocol,
    )
    video = Video(
        name=track, frames=frames, num_frames=len(frames), fps=fps, size=frames.size, frame_index=torch.from_numpy(index),
        ground_truth=truth, source=str(path),
    )  # fmt: skip
    return _with_evidence(video, found)


def refine(video: Video, path: Path, sequence: str, person: int) -> Video:
    """A track of the release with the json's boxes and keypoints; SemttaError if a frame of it is not in the json."""
    found = {_number(image["file_name"]): (image, item) for image, item in rows(path, f"{sequence}_{person}")}
    assert video.frame_index is not None
    missing = [index for index in video.frame_index.tolist() if index not in found]
    if missing:
        raise SemttaError(f"{path.name}: {video.name} lacks frame {missing[0]} of the release: they do not go together.")
    return replace(_with_evidence(video, [found[index] for index in video.frame_index.tolist()]), source=str(path))


def _with_evidence(video: Video, found: list[Row]) -> Video:
    boxes = _stack(found, lambda image, item: item["bbox"], (4,))
    boxes[:, 2:] += boxes[:, :2]
    points = torch.from_numpy(_stack(found, lambda image, item: item["openpose_result"], (18, 3)))
    seen = Keypoints2D(points[..., :2], points[..., 2], "coco18", SOURCE)
    return replace(video, keypoints=seen, boxes=square_boxes(boxes))


def _stack(found: list[Row], value: Any, shape: tuple[int, ...]) -> np.ndarray:
    return np.stack([np.asarray(value(*row), dtype=np.float32).reshape(shape) for row in found])


def _number(file_name: str) -> int:
    return int("".join(filter(str.isdigit, Path(file_name).stem)))


@lru_cache(maxsize=1)
def _rows(path: Path, _mtime_ns: int) -> dict[str, list[Row]]:
    """Rows by track. The file has about 35,000 annotations, so it is parsed once."""
    try:
        content = json.loads(path.read_bytes())
        images = {image["id"]: image for image in content["images"]}
        by_track: dict[str, list[Row]] = {}
        for item in content["annotations"]:
            image = images[item["image_id"]]
            by_track.setdefault(f"{image['sequence']}_{item['person_id']}", []).append((image, item))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SemttaError(f"{path} is not CycleAdapt's annotation of 3DPW ({type(error).__name__}: {error}).") from error
    return by_track
