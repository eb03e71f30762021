"""Lists of numbers to poses, and rows of one person each to detections; what the JSON formats share."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from ...constants import JOINT_SETS
from ...errors import SemttaError
from ..base import Detections

#: Joint sets by number of joints, for files that do not name theirs.
BY_COUNT = {17: "coco17", 18: "coco18", 25: "body25"}
#: Sets whose first 17 joints are COCO's, by their number of joints.
COCO_FIRST = {17: "COCO", 26: "Halpe 26", 133: "COCO-WholeBody", 136: "Halpe 136"}
#: Sets that are not read, for the message.
OTHERS = {13: "a set of 13", 14: "CrowdPose, AIC or LSP", 15: "MPI", 16: "MPII", 21: "a hand", 68: "a face", 70: "a face"}

Coordinates = list[float | None]


class Form(BaseModel):
    """Base of the forms: text is no number, a fraction is no whole number; unknown keys are passed over."""

    model_config = ConfigDict(strict=True)


@dataclass(frozen=True)
class Row:
    """One person in one frame."""

    frame: int
    pose: np.ndarray  # [J, 3]
    person: Any = None  # the id that a tracker gave, if any


def flat_pose(values: Coordinates, where: str) -> np.ndarray:
    """A flat list x, y, confidence, ... -> array [J, 3]; null is not a number."""
    if len(values) % 3:
        raise SemttaError(f"{where} has {len(values)} numbers: x, y and confidence of each joint are needed.")
    return np.array(values, dtype=np.float64).reshape(-1, 3)


def columns_pose(x: Coordinates, y: Coordinates, confidence: Coordinates | None, where: str) -> np.ndarray:
    """Lists of x, of y and of confidence (None: 1) -> array [J, 3]."""
    sure: Coordinates = [1.0] * len(x)
    columns = (x, y, sure if confidence is None else confidence)
    if len({len(column) for column in columns}) != 1:
        raise SemttaError(f"{where} has {len(x)} x, {len(y)} y and {len(columns[2])} confidences: as many of each are needed.")
    return np.array(columns, dtype=np.float64).T


def coco_first(pose: np.ndarray, where: str) -> np.ndarray:
    """COCO's 17 joints [17, 3] of a pose in any set that starts with them; SemttaError for other sets."""
    if len(pose) not in COCO_FIRST:
        known = ", ".join(f"{count} ({name})" for count, name in COCO_FIRST.items())
        raise SemttaError(f"{where} has {len(pose)} joints{_named(len(pose))}: give one of {known}.")
    return pose[:17]


def one_set(poses: Iterable[np.ndarray], where: str) -> str:
    """The joint set of all poses, from their number of joints; SemttaError for several sets or one that is not known."""
    counts = sorted({len(pose) for pose in poses})
    if len(counts) != 1 or counts[0] not in {*BY_COUNT, *COCO_FIRST}:
        found = " and ".join(f"{count} joints{_named(count)}" for count in counts[:4])
        raise SemttaError(
            f"{where}: people with {found}: give those of one model, BODY_25 (25), COCO (17 or 18), Halpe (26, 136) or "
            "COCO-WholeBody (133)."
        )
    return BY_COUNT.get(counts[0], "coco17")


def detections_of(rows: Collection[Row], joint_set: str, where: str, listed: Collection[int] | None, **known: Any) -> Detections:
    """Detections from rows of one person each; ``known``: further fields of Detections. SemttaError if there are none."""
    if not rows:
        raise SemttaError(f"{where}: no person in any frame. Give keypoints of a video with a person in it.")
    frames: dict[int, list[Row]] = {}
    for row in rows:
        frames.setdefault(row.frame, []).append(row)
    joints = len(JOINT_SETS[joint_set])
    poses = {frame: np.stack([row.pose[:joints] for row in people]) for frame, people in frames.items()}
    ids = {frame: [track_id(row.person) for row in people] for frame, people in frames.items()}
    tracked = not any(person is None for people in ids.values() for person in people)
    last = max([*poses, *(listed or ())])
    return Detections(joint_set, poses, last + 1, ids if tracked else None, listed=listed, **known)  # type: ignore[arg-type]


def track_id(value: Any) -> int | None:
    """A tracker's whole number, which may be written as 1.0 or [1]; None for anything else."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def the_person(categories: Iterable[Hashable]) -> Hashable:
    """Which category is people, of those that have keypoints: 1, as COCO has it, else 0, else the only one, else unknown."""
    found = set(categories)
    return next((category for category in (1, 0) if category in found), found.pop() if len(found) == 1 else None)


def _named(count: int) -> str:
    return f" ({OTHERS[count]})" if count in OTHERS else ""
