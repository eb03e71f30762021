"""CycleAdapt's annotation of 3DPW: COCO's layout, with each person's box, OpenPose joints and SMPL parameters.

Used of ``images``: ``id``, ``sequence``, ``file_name``, ``width``, ``height``, ``cam_param`` (``R`` [3, 3] if the parameters
are in the world frame). Used of ``annotations``: ``image_id``, ``person_id``, ``bbox`` (left, top, width, height),
``openpose_result`` (18 times x, y, confidence), ``smpl_param`` (``pose`` 72, ``shape`` 10, ``trans`` 3, ``gender``),
``joint_cam`` (24 times x, y, z in the camera frame).
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
from ..types import BodyParams, EvaluationProtocol, GroundTruth, Video
from .checks import require_finite
from .conversion import rotate_root, square_boxes, to_keypoints

SOURCE = "OpenPose, from CycleAdapt's annotation"
_BODIES = {"male": "smpl-male", "female": "smpl-female", "m": "smpl-male", "f": "smpl-female"}
Row = tuple[dict[str, Any], dict[str, Any]]  # image, annotation


def tracks(path: Path) -> list[str]:
    """The names of the tracks, ``SEQUENCE_PERSON``."""
    return sorted(_rows(path, path.stat().st_mtime_ns))


def rows(path: Path, track: str) -> list[Row]:
    """The track's images and annotations in frame order; SemttaError for an unknown track, and for a duplicate frame."""
    by_track = _rows(path, path.stat().st_mtime_ns)
    if track not in by_track:
        raise SemttaError(f"{path.name} has no track '{track}'.")
    ordered = sorted(by_track[track], key=lambda row: row[0]["file_name"])
    names = [image["file_name"] for image, _ in ordered]
    duplicate = next((name for name, after in pairwise(names) if name == after), None)
    if duplicate:
        raise SemttaError(f"{path.name}: {track} has {duplicate} twice.")
    return ordered


def load(path: Path, images: Path, track: str, protocol: EvaluationProtocol, fps: float) -> Video:
    """The track from the JSON and the images alone; boxes are the annotated ones, made square but not enlarged."""
    track_rows = rows(path, track)
    first = track_rows[0][1].get("smpl_param", {})
    frames = ImageFrames.open([images / image["sequence"] / image["file_name"] for image, _ in track_rows])
    index = np.array([_number(image["file_name"]) for image, _ in track_rows])
    try:
        pose = _stack(track_rows, lambda image, item: item["smpl_param"]["pose"], (24, 3))
        betas = _stack(track_rows, lambda image, item: item["smpl_param"]["shape"], (10,))
        to_camera = _stack(track_rows, lambda image, item: image.get("cam_param", {}).get("R", np.eye(3)), (3, 3))
        joints = _stack(track_rows, lambda image, item: np.reshape(item["joint_cam"], (24, -1))[:, :3], (24, 3))
    except (KeyError, TypeError, ValueError) as error:
        raise SemttaError(f"{path.name}: {track} has no complete smpl_param and joint_cam ({error}).") from error
    for name, values in (("pose", pose), ("shape", betas), ("joint_cam", joints)):
        require_finite(values, f"{path.name}: {name} of {track}", index)
    rotations = rotate_root(axis_angle_to_matrix(torch.from_numpy(pose)), torch.from_numpy(to_camera))
    per_metre = 1000.0 if np.abs(joints).max() > 100 else 1.0  # some files are in millimetres
    truth = GroundTruth(
        torch.from_numpy(joints / np.float32(per_metre)),
        "smpl24",
        BodyParams(rotations, torch.from_numpy(betas)),
        body=_BODIES.get(str(first.get("gender", "")).lower(), "smpl"),
        protocol=protocol,
    )
    video = Video(
        name=track, frames=frames, num_frames=len(frames), fps=fps, size=frames.size, frame_index=torch.from_numpy(index),
        ground_truth=truth, source=str(path),
    )  # fmt: skip
    return _with_evidence(video, track_rows)


def refine(video: Video, path: Path, sequence: str, person: int) -> Video:
    """A track of the release with the JSON's boxes and keypoints; SemttaError if the JSON lacks one of its frames."""
    by_frame = {_number(image["file_name"]): (image, item) for image, item in rows(path, f"{sequence}_{person}")}
    assert video.frame_index is not None
    missing = [index for index in video.frame_index.tolist() if index not in by_frame]
    if missing:
        raise SemttaError(f"{path.name}: {video.name} lacks frame {missing[0]} of the release: they do not belong together.")
    return replace(_with_evidence(video, [by_frame[index] for index in video.frame_index.tolist()]), source=str(path))


def _with_evidence(video: Video, track_rows: list[Row]) -> Video:
    boxes = _stack(track_rows, lambda image, item: item["bbox"], (4,))
    boxes[:, 2:] += boxes[:, :2]
    keypoints = to_keypoints(_stack(track_rows, lambda image, item: item["openpose_result"], (18, 3)), "coco18", SOURCE)
    return replace(video, keypoints=keypoints, boxes=square_boxes(boxes))


def _stack(track_rows: list[Row], value: Any, shape: tuple[int, ...]) -> np.ndarray:
    return np.stack([np.asarray(value(*row), dtype=np.float32).reshape(shape) for row in track_rows])


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
