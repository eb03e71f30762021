"""Export as CSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..constants import SMPL24
from ..geometry.world import Origin, Up
from ..types import FOOT_POINTS, Result
from .base import Unit, register, require_size, scale_of
from .scene import person_in


@register("csv")
def write_csv(
    result: Result,
    path: Path,
    beside: Sequence[Result] = (),
    up: Up = "camera",
    origin: Origin = "camera",
    unit: Unit = "m",
    in_place: bool = False,
    fps: float | None = None,
) -> None:
    """One row per frame: times, joints, and where the run knows them confidence and the world; metres.

    ==============================================  ======================================================================
    ``frame``, ``time_s``                           in the file; seconds on the clip's clock
    ``Pelvis_x`` ... ``R_Hand_z``                   the 24 joints, by default in the camera frame (x right, y down, z forward)
    ``Pelvis_confidence`` ...                       in [0, 1]: how far each joint is seen rather than guessed
    ``Pelvis_world_x`` ...                          the joints in the world: z up, floor at 0, whatever ``up`` and ``origin``
    ``L_Ankle_contact``, ``L_Foot_contact`` ...     in [0, 1]: how sure it is that this point stands on the floor
    ==============================================  ======================================================================

    ``unit="cm"``: centimetres. Times are the video's own; with ``fps`` the motion is resampled to that rate, and ``frame`` is
    the nearest. ``beside``: the people of the clip, who share one clock and one floor.
    """
    scale = scale_of(unit)
    person = person_in(result, beside, up, origin, in_place, fps)
    result = person.result
    columns = _columns("")
    parts = [_scaled(person.motion.joints.numpy(), scale)]
    if result.confidence is not None:
        columns += [f"{joint}_confidence" for joint in SMPL24]
        parts.append(result.confidence.detach().cpu().float().numpy())
    if result.world is not None:
        columns += [*_columns("world_"), *(f"{point}_contact" for point in FOOT_POINTS)]
        parts.append(_scaled(result.world.joints.detach().cpu().numpy(), scale))
        parts.append(result.world.contacts.detach().cpu().float().numpy())
    table = np.concatenate([part.reshape(len(part), -1).astype(np.float32) for part in parts], 1)
    require_size(table.size * 12)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["frame", "time_s", *columns])
        for frame, time_s, row in zip(result.frame_index.tolist(), person.times.tolist(), table, strict=True):
            writer.writerow([frame, f"{time_s:.6f}", *(f"{value:.9g}" for value in row)])


def _columns(frame: str) -> list[str]:
    return [f"{joint}_{frame}{axis}" for joint in SMPL24 for axis in "xyz"]


def _scaled(joints: NDArray, scale: float) -> NDArray[np.float32]:
    """Metres in another unit; exactly the given numbers for metres."""
    return joints.astype(np.float32) * np.float32(scale)
