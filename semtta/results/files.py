"""The files of a run: written atomically, and read back.

``OUT/<clip>/`` holds

==================  ==================================================================================================
``motion.npz``      the motion, in AMASS's keys (below)
``keypoints.npz``   ``before_xy`` [T, J, 2] pixels, ``before_confidence`` [T, J], ``before_joint_set``,
                    ``before_source`` and the same with ``after_``; ``boxes`` [T, 3] (centre x, centre y, side, pixels)
``labels.json``     a list, one record per segment: ``segment``, ``start``, ``stop`` (exclusive, frames), ``label`` (null:
                    no alignment), ``description``, ``source``, ``clip_score``, ``reason``, ``trust``, ``prior_similarity``
``metrics.json``    numbers ``before`` and ``after`` (see semtta.metrics.compare), and any other measurements
``history.jsonl``   one record per epoch: losses, similarity, filled-in share ...
``config.yaml``     resolved settings, seed, versions, hashes of the weights
``overlay.mp4``     both motions drawn over the frames           (with the video only)
``report.html``     the run on one page, self-contained          (with the video only)
==================  ==================================================================================================

``motion.npz``, schema version 1, T frames, float32 unless stated otherwise:

=======================  =============================================================================================
``poses`` [T, 72]        axis-angle, radians: the global rotation, then 23 joints relative to their parents
``trans`` [T, 3]         metres, added to the posed body
``betas`` [10]           shape, mean over the clip (``betas_per_frame`` [T, 10]: as estimated)
``mocap_framerate``      frames per second;  ``gender``: "neutral"
``joints`` [T, 24, 3]    metres, SMPL's joints
``camera_focal_px``      and ``camera_center_px`` [2]: pinhole camera of the image, ``image_size`` [2] width, height
``frame_index`` [T]      int64, frame of the source file;  ``source``: that file
``unadapted_*``          ``poses``, ``trans``, ``betas_per_frame`` before adaptation
``body``                 the body model that poses and betas belong to ("open" is not SMPL: see its documentation)
``schema_version``       int;  ``name``: of the clip;  ``messages``: messages for the user
=======================  =============================================================================================

Unlike AMASS (z up), everything is in the **camera frame: x right, y down, z forward**. The exporter ``npz``
writes the same file with y or z up. The adapted weights are not saved.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import yaml
from torch import Tensor

from ..body import body_of
from ..errors import SemttaError
from ..geometry import axis_angle_to_matrix, matrix_to_axis_angle
from ..io.files import plain, write_npz, write_text
from ..io.labels import from_record, to_record
from ..io.run_folder import clip_folder
from ..metrics import compare
from ..types import BodyParams, Camera, Keypoints2D, Progress, Result, Video

SCHEMA_VERSION = 1
MOTION, KEYPOINTS, LABELS, METRICS = "motion.npz", "keypoints.npz", "labels.json", "metrics.json"
HISTORY, CONFIG, OVERLAY, REPORT = "history.jsonl", "config.yaml", "overlay.mp4", "report.html"

T = TypeVar("T")


@dataclass(frozen=True)
class AdaptResult(Result):
    """A result that can be saved."""

    def save(
        self, folder: str | os.PathLike[str], video: Video | None = None, body: Any = None, progress: Progress | None = None
    ) -> Path:
        """Write the files of the run to ``folder/<clip>``: see ``semtta.results.save``."""
        return save(self, folder, video, body, progress)


def save(
    result: Result,
    folder: str | os.PathLike[str],
    video: Video | None = None,
    body: Any = None,
    progress: Progress | None = None,
    name: str | None = None,
) -> Path:
    """Write the files of a run (see the module docstring) to ``folder/<clip>`` and return that path.

    Args:
        video: provides the frames for the overlay and the report, and the ground truth for the metrics.
        body: the loaded body model; with a video the run's is loaded by default.
        progress: follows the overlay's frames.
        name: of the clip's folder; by default the clip's name.

    Each file is written atomically, data before overlay and report. Raises SemttaError if the folder cannot be written.
    """
    target = Path(folder) / name if name else clip_folder(folder, result.name)
    if body is None and video is not None:
        body = body_of(result)
    if body is not None:
        result = replace(result, metrics={**compare(result, video.ground_truth if video else None, body), **result.metrics})
    try:
        target.mkdir(parents=True, exist_ok=True)
        write_npz(target / MOTION, **motion_arrays(result))
        write_npz(target / KEYPOINTS, **_keypoint_arrays(result))
        write_text(target / LABELS, _json([to_record(i, label) for i, label in enumerate(result.labels)], indent=1))
        write_text(target / METRICS, _json(result.metrics, indent=1))
        write_text(target / HISTORY, "".join(_json(record) + "\n" for record in result.history))
        write_text(target / CONFIG, yaml.safe_dump(plain(result.config), sort_keys=False, allow_unicode=True))
        if video is not None:
            from ..visualization import write_overlay, write_report

            write_overlay(result, video, body, target / OVERLAY, progress)
            write_report(result, video, body, target / REPORT)
    except OSError as error:
        reason = error.strerror or error
        raise SemttaError(f"Cannot write to {target}: {reason}. Choose another folder with --out.") from error
    return target


def _numpy(tensor: Tensor) -> np.ndarray:
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()


def _param_arrays(params: BodyParams) -> dict[str, np.ndarray]:
    betas = params.betas if params.betas.ndim == 2 else params.betas.expand(len(params.rotations), -1)
    trans = params.translation if params.translation is not None else betas.new_zeros(len(betas), 3)
    poses = matrix_to_axis_angle(params.rotations.detach()).flatten(-2)
    return {"poses": _numpy(poses), "trans": _numpy(trans), "betas_per_frame": _numpy(betas)}


def motion_arrays(result: Result) -> dict[str, Any]:
    """The arrays of ``motion.npz``."""
    after, before = _param_arrays(result.params), _param_arrays(result.unadapted)
    return {
        **after,
        "betas": after["betas_per_frame"].mean(0),
        "gender": "neutral",
        "mocap_framerate": np.float64(result.fps),
        "joints": _numpy(result.joints),
        "camera_focal_px": np.float64(result.camera.focal_px),
        "camera_center_px": np.array(result.camera.center_px, np.float64),
        "image_size": np.array(result.size),
        "frame_index": _numpy(result.frame_index).astype(np.int64),
        **{f"unadapted_{name}": array for name, array in before.items()},
        "body": result.body,
        "name": result.name,
        "source": result.source,
        "messages": np.array(result.messages, dtype=str),
        "schema_version": SCHEMA_VERSION,
    }


def _keypoint_arrays(result: Result) -> dict[str, Any]:
    arrays: dict[str, Any] = {"boxes": _numpy(result.boxes)}
    for when, points in (("before", result.keypoints_before), ("after", result.keypoints)):
        arrays |= {f"{when}_xy": _numpy(points.xy), f"{when}_confidence": _numpy(points.confidence)}
        arrays |= {f"{when}_joint_set": points.joint_set, f"{when}_source": points.source}
    return arrays


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(plain(value), indent=indent, ensure_ascii=False, allow_nan=False)


def find(folder: str | os.PathLike[str]) -> Path:
    """The run's folder: ``folder`` itself, or the only run in it; raises SemttaError for none or several.

    A clip's runs lie in ``<clip>`` and, for persons other than the first, in ``<clip>/person-N``.
    """
    folder = Path(folder)
    if (folder / MOTION).is_file():
        return folder
    clips = sorted(path.parent for pattern in ("*", "*/person-*") for path in folder.glob(f"{pattern}/{MOTION}"))
    if not clips:
        raise SemttaError(f"No result in {folder} (no {MOTION}). Give the folder that `semtta adapt --out` wrote.")
    if len(clips) > 1:
        names = ", ".join(clip.relative_to(folder).as_posix() for clip in clips)
        raise SemttaError(f"{folder} holds several runs ({names}): give the folder of one, such as {clips[0]}.")
    return clips[0]


def load(folder: str | os.PathLike[str]) -> AdaptResult:
    """Read what ``save`` wrote; ``folder`` is ``OUT/<clip>``, or ``OUT`` when there is one clip in it.

    Everything but the adapted weights comes back. Raises SemttaError for a missing, damaged or newer file.
    """
    target = find(folder)
    motion = _read(target / MOTION, _load_npz)
    version = int(motion.get("schema_version", 0))
    if version > SCHEMA_VERSION:
        raise SemttaError(f"{target / MOTION} has schema version {version}, this semtta knows {SCHEMA_VERSION}: update it.")
    points = _read(target / KEYPOINTS, _load_npz)
    try:
        return AdaptResult(
            name=str(motion["name"]),
            params=_params(motion),
            joints=torch.from_numpy(motion["joints"]),
            keypoints=_keypoints(points, "after"),
            history=tuple(_read(target / HISTORY, lambda p: [json.loads(line) for line in p.open(encoding="utf-8")])),
            labels=tuple(from_record(record) for record in _read(target / LABELS, _load_json)),
            camera=Camera(float(motion["camera_focal_px"]), tuple(motion["camera_center_px"].tolist())),
            unadapted=_params(motion, "unadapted_"),
            keypoints_before=_keypoints(points, "before"),
            fps=float(motion["mocap_framerate"]),
            size=tuple(motion["image_size"].tolist()),
            boxes=torch.from_numpy(points["boxes"]),
            frame_index=torch.from_numpy(motion["frame_index"]),
            body=str(motion["body"]),
            source=str(motion["source"]),
            config=_read(target / CONFIG, lambda p: yaml.safe_load(p.read_text(encoding="utf-8"))) or {},
            metrics=_read(target / METRICS, _load_json),
            messages=tuple(motion["messages"].tolist()),
        )
    except (KeyError, TypeError) as error:
        raise SemttaError(f"{target} is not a whole result: {error} is missing. Run `semtta adapt` again.") from error


def _read(path: Path, reader: Callable[[Path], T]) -> T:
    try:
        return reader(path)
    except FileNotFoundError as error:
        raise SemttaError(f"{path} is missing. Run `semtta adapt` again.") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, yaml.YAMLError) as error:
        raise SemttaError(f"{path} is damaged ({error}). Run `semtta adapt` again.") from error


def _load_npz(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def _load_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _params(motion: Mapping[str, np.ndarray], prefix: str = "") -> BodyParams:
    poses, betas, trans = (torch.from_numpy(motion[prefix + key]) for key in ("poses", "betas_per_frame", "trans"))
    return BodyParams(axis_angle_to_matrix(poses.unflatten(-1, (-1, 3))), betas, trans)


def _keypoints(points: Mapping[str, np.ndarray], when: str) -> Keypoints2D:
    xy, confidence = torch.from_numpy(points[f"{when}_xy"]), torch.from_numpy(points[f"{when}_confidence"])
    return Keypoints2D(xy, confidence, str(points[f"{when}_joint_set"]), str(points[f"{when}_source"]))
