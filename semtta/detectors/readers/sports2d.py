"""Sports2D's results: a ``_px_`` file in OpenSim's TRC format per person."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ...constants import BODY25
from ...errors import SemttaError
from ...io.files import reading
from ...io.forms import shown
from ..base import Detections, formats
from .poses import Row, detections_of

#: Bytes of one file that are read at most.
LARGEST = 1 << 28
#: OpenSim's names of BODY_25's joints.
MARKERS = {"Hip": "Pelvis", "MidHip": "Pelvis"} | {name: name for name in ("Nose", "Neck")} | {
    side + part: f"{side}_{part}"
    for side in "LR"
    for part in ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Eye", "Ear", "BigToe", "SmallToe", "Heel")
}  # fmt: skip


@formats.register("sports2d")
class Sports2DReader:
    """Sports2D's result folder, or one of its ``*_px_*.trc`` files: the points in pixels, without confidences (1 is taken)."""

    def read(self, path: Path) -> Detections | None:
        if path.is_dir():
            found = [file for file in sorted(path.iterdir()) if file.suffix.lower() == ".trc" and not file.name.startswith(".")]
            files = [file for file in found if "_px" in file.stem]
            if found and not files:
                raise SemttaError(f"{shown(path)} has TRC files, but none in pixels (*_px_*.trc of Sports2D). Give those.")
        else:
            files = [path] if path.suffix.lower() == ".trc" else []
        if not files:
            return None
        rows = [row for person, file in enumerate(files) for row in _person(file, person)]
        return detections_of(rows, "body25", shown(path), None, missing_at_end=0.5, first=0)


def _person(file: Path, person: int) -> list[Row]:
    """The poses of one file, by frame; the first frame is its time times the rate."""
    where = shown(file)
    with reading(where, "a TRC file that can be read"):
        if file.stat().st_size > LARGEST:
            raise ValueError(f"it is larger than {LARGEST >> 20} MB")
        lines = [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()]
        if not lines or not lines[0][0].startswith("PathFileType"):
            raise ValueError("its first line is not PathFileType")
        rate = float(lines[2][lines[1].index("DataRate")])
        columns = {MARKERS[name]: i for i, name in enumerate(lines[3]) if name in MARKERS}
        values = [[float(cell) if cell.strip() else math.nan for cell in line] for line in lines[5:] if any(line)]
    if not columns or not 0 < rate < 1e6:
        raise SemttaError(f"{where}: it has no rate, or no markers called as Sports2D does (Nose, RHip ...). Give its TRC.")
    if not values:
        return []
    table = np.full((len(values), max(len(row) for row in values)), math.nan)
    for i, row in enumerate(values):
        table[i, : len(row)] = row
    if table.shape[1] < max(columns.values()) + 3:
        raise SemttaError(f"{where}: its rows are shorter than its header says. Was it cut off? Write it again.")
    depths = table[:, [column + 2 for column in columns.values()]]
    if np.nanmax(np.abs(depths), initial=0) > 0:
        raise SemttaError(f"{where}: its points are 3D. Give Sports2D's file in pixels (*_px_*.trc).")
    start = table[0, 1] * rate
    if not 0 <= start < 1e9:
        raise SemttaError(f"{where}: Time: the first is not a number of seconds. Write it again.")
    poses = np.zeros((len(table), len(BODY25), 3))
    for name, column in columns.items():
        joint = BODY25.index(name)
        poses[:, joint, :2] = table[:, column : column + 2]
        poses[:, joint, 2] = 1.0
    return [Row(frame, pose, person) for frame, pose in enumerate(poses, round(start))]
