"""Export as npz (AMASS's keys) and CSV."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from ..constants import SMPL24
from ..geometry import matrix_to_axis_angle
from ..geometry.timing import resampled
from ..geometry.world import Origin, Up, to_world
from ..results import motion_arrays
from ..types import Result
from .base import Unit, register, scale_of


@register("npz")
def write_npz(result: Result, path: Path, up: Up = "camera", origin: Origin = "camera", fps: float | None = None) -> None:
    """``motion.npz`` (schema: semtta.results), by default unchanged; ``up="z"`` gives AMASS's world frame.

    AMASS's keys have one frame rate: ``fps``, or the clip's average; a motion with other times is resampled.

    In a world frame the global rotation, ``trans`` and ``joints`` of the adapted motion are transformed, the unadapted motion is
    left out, and ``world_from_camera`` [4, 4] is added.
    """
    result = resampled(result, fps)
    arrays = motion_arrays(result)
    if (up, origin) != ("camera", "camera"):
        world = to_world(result, up, origin)
        rest_pelvis = arrays["joints"][:, 0] - arrays["trans"]  # the centre of the global rotation
        poses = arrays["poses"].copy()
        poses[:, :3] = matrix_to_axis_angle(world.rotations[:, 0]).numpy()
        arrays |= {
            "poses": poses,
            "trans": (world.joints[:, 0].numpy() - rest_pelvis).astype(np.float32),
            "joints": world.joints.numpy().astype(np.float32),
            "world_from_camera": world.matrix.numpy(),
        }
        arrays = {key: array for key, array in arrays.items() if not key.startswith("unadapted_")}
    with open(path, "wb") as file:
        np.savez_compressed(file, **arrays)


@register("csv")
def write_csv(
    result: Result, path: Path, up: Up = "camera", origin: Origin = "camera", unit: Unit = "m", fps: float | None = None
) -> None:
    """One row per frame: ``frame`` (in the file), ``time_s`` (since the first frame), x, y, z of the 24 joints in metres.

    By default in the camera frame (x right, y down, z forward). ``unit="cm"``: centimetres. Times are the video's own; with
    ``fps`` the motion is resampled to that rate, and ``frame`` is the nearest.
    """
    scale, result = scale_of(unit), result if fps is None else resampled(result, fps)
    if (up, origin) == ("camera", "camera"):
        joints = result.joints.detach().cpu().float().numpy()
    else:
        joints = to_world(result, up, origin).joints.float().numpy()
    joints = joints if scale == 1 else joints * np.float32(scale)
    header = ["frame", "time_s", *(f"{joint}_{axis}" for joint in SMPL24 for axis in "xyz")]
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(header)
        rows = zip(result.frame_index.tolist(), result.times.tolist(), joints.reshape(len(joints), -1), strict=True)
        for frame, time_s, row in rows:
            table.writerow([frame, f"{time_s:.6f}", *(f"{value:.9g}" for value in row)])
