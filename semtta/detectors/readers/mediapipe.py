"""MediaPipe Pose's landmarks as JSON. It writes none itself: what scripts around it write is read by its landmarks."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import AliasChoices, Field

from ...errors import SemttaError
from ...io.forms import checked
from ..base import Detections, formats
from ..blazepose import to_body25
from ..numbering import frame_numbers
from ..tracks import only_found
from .documents import Documents, JsonReader
from .poses import Form, Row, columns_pose, detections_of

#: Keys under which scripts put the landmarks of a frame, the frames of a clip, and the number of a frame.
LANDMARKS = ("pose_landmarks", "poseLandmarks", "landmarks", "landmark", "keypoints", "poses")
FRAMES = ("frames", "results", "landmarks", "poses", "data")
NUMBERS = ("frame", "frame_id", "frame_index", "frame_idx", "frameIndex", "frame_number", "frame_num", "frame_nr", "frame_no")
COUNT = 33


class Landmark(Form):
    """One landmark; x and y as fractions of the image's width and height, or (of tfjs) in pixels."""

    x: float | None
    y: float | None
    visibility: float | None = Field(1.0, validation_alias=AliasChoices("visibility", "score"))


@formats.register("mediapipe")
class MediaPipeReader(JsonReader):
    """MediaPipe Pose's 33 landmarks: a JSON with a list of frames, or a folder with one JSON per frame."""

    def interpret(self, documents: Documents) -> Detections | None:
        listed = _frames(documents.only)
        if listed is not None:
            frames = [(i, frame, f"{documents.place}: frame {i}") for i, frame in enumerate(listed)]
            numbers, counted = _numbers(listed), True
        else:
            frames = [(i, content, documents.where(name)) for i, (name, content) in enumerate(documents.named)]
            numbers, counted = None, False
        if not any(_people(frame) for _, frame, _ in frames):
            return None
        if not counted:
            numbers = list(frame_numbers((name for name, _ in documents.named), documents.path).values())
        by_place = numbers is None  # nothing says which frame is which: all must be there
        numbers = list(range(len(frames))) if numbers is None else numbers
        rows = [
            Row(numbers[i], _landmarks(person, f"{where}: person {j}"))
            for i, frame, where in frames
            for j, person in enumerate(_people(frame))
        ]
        seen = np.concatenate([row.pose[row.pose[:, 2] > 0, :2] for row in rows])
        normalised = len(seen) > 0 and bool(np.quantile(np.abs(seen), 0.95) <= 3)
        rows = [Row(row.frame, to_body25(row.pose)) for row in rows]
        return detections_of(
            rows, "body25", documents.place, set(numbers), normalised=normalised,
            first=0 if by_place else None, missing_at_end=0.01 if by_place else 0.5,
        )  # fmt: skip


def _landmarks(person: list[Any], where: str) -> np.ndarray:
    """Landmarks [33, 3] of one person: x, y, visibility; 0 where not found."""
    found = checked(list[Landmark], person, where)
    if len(found) != COUNT:
        raise SemttaError(f"{where} has {len(found)} landmarks: the {COUNT} of MediaPipe Pose are needed.")
    x, y, visibility = [one.x for one in found], [one.y for one in found], [one.visibility for one in found]
    return only_found(columns_pose(x, y, visibility, where))


def _people(frame: Any) -> list[list[Any]]:
    """The people of a frame, each a list of landmarks; an empty list if this is something else."""
    for _ in range(2):  # such as {"pose_landmarks": {"landmark": [...]}}
        if isinstance(frame, dict):
            frame = next((frame[key] for key in LANDMARKS if key in frame), None)
    if not isinstance(frame, list):
        return []
    if any(_is_landmark(one) for one in frame):
        return [frame]
    return [one for one in frame if isinstance(one, list) and any(_is_landmark(point) for point in one)]


def _is_landmark(value: Any) -> bool:
    return isinstance(value, dict) and {"x", "y"} <= value.keys()


def _frames(content: Any) -> list[Any] | None:
    """The list of frames in a file; None if it is a single frame."""
    if isinstance(content, dict):
        inner = ((key, content.get(key)) for key in FRAMES)
        lists = ((key, value) for key, value in inner if isinstance(value, list))
        return next((value for key, value in lists if key == "frames" or any(_has_landmarks(one) for one in value)), None)
    return content if isinstance(content, list) and not any(_is_landmark(one) for one in content) else None


def _has_landmarks(value: Any) -> bool:
    return isinstance(value, dict) and any(key in value for key in LANDMARKS)


def _numbers(frames: list[Any]) -> list[int] | None:
    """The number that each frame gives itself; None unless all do."""
    found = [next((one[key] for key in NUMBERS if key in one), None) if isinstance(one, dict) else None for one in frames]
    whole = all(isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 10**15 for number in found)
    return [int(number) for number in found if number is not None] if whole else None
