"""The files of a run, written atomically; ``reading`` reads them back.

``OUT/<clip>/`` (of several people ``OUT/<clip>/person-N/``, see ``people``) holds

==================  ==================================================================================================
``motion.npz``      the motion, in AMASS's keys (below)
``keypoints.npz``   ``before_xy`` [T, J, 2] pixels, ``before_confidence`` [T, J], ``before_joint_set``,
                    ``before_source`` and the same with ``after_``; ``boxes`` [T, 3] (centre x, centre y, side, pixels);
                    where the run had 3D landmarks ``landmarks_xyz`` [T, L, 3] metres from the middle of the hips, camera
                    frame, not smoothed, ``landmarks_confidence`` [T, L], ``landmarks_joint_set``, ``landmarks_source``
``labels.json``     a list, one record per segment: ``segment``, ``start``, ``stop`` (exclusive, frames), ``label`` (null:
                    no alignment), ``description``, ``source``, ``clip_score``, ``reason``, ``trust``, ``prior_similarity``
``metrics.json``    numbers ``before`` and ``after`` (see semtta.metrics.compare), and any other measurements
``history.jsonl``   one record per epoch: losses, similarity, filled-in share ...
``config.yaml``     resolved settings, seed, versions, hashes of the weights
``overlay.mp4``     both motions drawn over the frames           (with the video only)
``report.html``     the run on one page, self-contained          (with the video only)
==================  ==================================================================================================

``motion.npz``, schema version 2, T frames, float32 unless stated otherwise:

=======================  =============================================================================================
``poses`` [T, 72]        axis-angle, radians: the global rotation, then 23 joints relative to their parents
``trans`` [T, 3]         metres, added to the posed body
``betas`` [10]           shape, mean over the clip (``betas_per_frame`` [T, 10]: as estimated)
``mocap_framerate``      frames per second, on average;  ``gender``: of the body, "neutral", "male" or "female"
``joints`` [T, 24, 3]    metres, SMPL's joints
``camera_focal_px``      and ``camera_center_px`` [2]: pinhole camera of the image, ``camera_source``: where it came from,
                         in words; ``image_size`` [2] width, height
``camera_rotation``      [T, 3, 3] and ``camera_translation`` [T, 3], world to camera, metres (where a path was given)
``frame_index`` [T]      int64, frame of the source file;  ``source``: that file;  ``person``: number of the person in it
``time_s`` [T]           float64, seconds since the first frame of the file: the file's own times where its rate varies
``unadapted_*``          ``poses``, ``trans``, ``betas_per_frame`` before adaptation
``body``                 the body model that poses and betas belong to ("open" is not SMPL: see its documentation)
``confidence`` [T, 24]   in [0, 1], how far each joint is seen rather than guessed (where the run knows it)
``world_*``              the motion in the world (where a refiner has placed it there): ``poses``, ``trans``, ``joints`` as
                         above, z up, metres, feet on the floor z = 0, the first person starts above the origin;
                         ``contacts`` [T, 4] of L_Ankle, L_Foot, R_Ankle, R_Foot, in [0, 1]; ``camera_rotation``
                         [T, 3, 3] and ``camera_translation`` [T, 3]: camera = rotation @ world + translation
``schema_version``       int;  ``name``: of the clip;  ``messages``: messages for the user
=======================  =============================================================================================

Unlike AMASS (z up), everything is in the **camera frame: x right, y down, z forward**. The exporter ``npz``
writes what readers of AMASS take. The adapted weights are not saved.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..body import body_of
from ..errors import SemttaError
from ..geometry import matrix_to_axis_angle
from ..io.files import plain, write_npz, write_text
from ..io.labels import to_record
from ..io.names import require_text
from ..io.run_folder import clip_folder
from ..io.yaml_files import to_yaml
from ..metrics import compare
from ..types import BodyParams, CameraPath, Progress, Result, Video, World

SCHEMA_VERSION = 2
MOTION, KEYPOINTS, LABELS, METRICS = "motion.npz", "keypoints.npz", "labels.json", "metrics.json"
HISTORY, CONFIG, OVERLAY, REPORT = "history.jsonl", "config.yaml", "overlay.mp4", "report.html"
FILES = (MOTION, KEYPOINTS, LABELS, METRICS, HISTORY, CONFIG, OVERLAY, REPORT)


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
    require_text(folder, name or result.name)
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
        write_text(target / CONFIG, to_yaml(plain(result.config)))
        if video is not None:
            from ..visualization import write_overlay, write_report

            write_overlay(result, video, body, target / OVERLAY, progress)
            write_report(result, video, body, target / REPORT, overlay=target / OVERLAY)
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
        "gender": result.gender,
        "mocap_framerate": np.float64(result.fps),
        "joints": _numpy(result.joints),
        "camera_focal_px": np.float64(result.camera.focal_px),
        "camera_center_px": np.array(result.camera.center_px, np.float64),
        "camera_source": result.camera.source,
        "image_size": np.array(result.size),
        "frame_index": _numpy(result.frame_index).astype(np.int64),
        "time_s": result.times.numpy(),
        **{f"unadapted_{name}": array for name, array in before.items()},
        **({} if result.camera_path is None else _path_arrays(result.camera_path, "camera")),
        **({} if result.confidence is None else {"confidence": _numpy(result.confidence)}),
        **({} if result.world is None else _world_arrays(result.world)),
        "body": result.body,
        "name": result.name,
        "source": result.source,
        "person": np.int64(result.person),
        "messages": np.array(result.messages, dtype=str),
        "schema_version": SCHEMA_VERSION,
    }


def _world_arrays(world: World) -> dict[str, np.ndarray]:
    params = _param_arrays(world.params)
    return {
        "world_poses": params["poses"],
        "world_trans": params["trans"],
        "world_joints": _numpy(world.joints),
        "world_contacts": _numpy(world.contacts),
        **_path_arrays(world.camera, "world_camera"),
    }


def _path_arrays(path: CameraPath, name: str) -> dict[str, np.ndarray]:
    return {f"{name}_rotation": _numpy(path.rotation), f"{name}_translation": _numpy(path.translation)}


def _keypoint_arrays(result: Result) -> dict[str, Any]:
    arrays: dict[str, Any] = {"boxes": _numpy(result.boxes)}
    for when, points in (("before", result.keypoints_before), ("after", result.keypoints)):
        arrays |= {f"{when}_xy": _numpy(points.xy), f"{when}_confidence": _numpy(points.confidence)}
        arrays |= {f"{when}_joint_set": points.joint_set, f"{when}_source": points.source}
    if (landmarks := result.keypoints_before.landmarks) is not None:
        arrays |= {"landmarks_xyz": _numpy(landmarks.xyz), "landmarks_confidence": _numpy(landmarks.confidence)}
        arrays |= {"landmarks_joint_set": landmarks.joint_set, "landmarks_source": landmarks.source}
    return arrays


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(plain(value), indent=indent, ensure_ascii=False, allow_nan=False)
