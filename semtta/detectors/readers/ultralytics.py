"""Ultralytics' ``Results.to_json()``: one file per frame, or a list of them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ...errors import SemttaError
from ...io.forms import checked
from ..base import Detections, formats
from ..numbering import frame_numbers
from .coco import without_keypoints
from .documents import Documents, JsonReader
from .poses import Coordinates, Form, Row, coco_first, columns_pose, detections_of


class Points(Form):
    """The joints of one person."""

    x: Coordinates
    y: Coordinates
    visible: Coordinates | None = None


class Found(Form):
    """One thing that was found, a person or not."""

    name: str = "person"
    keypoints: Points | None = None
    track_id: Any = None


@formats.register("ultralytics")
class UltralyticsReader(JsonReader):
    """Ultralytics' results of a pose model: a JSON with a list of each frame's ``to_json()``, or a folder with one per frame."""

    def interpret(self, documents: Documents) -> Detections | None:
        content, place = documents.only, documents.place
        if isinstance(content, list) and any(_is_frame(_unwrapped(frame)) for frame in content):
            named = {f"frame {i}": _unwrapped(frame) for i, frame in enumerate(content)}
            numbers = {name: i for i, name in enumerate(named)}
            wheres, first = {name: f"{place}: {name}" for name in named}, 0
        elif any(_is_frame(content) for _, content in documents.named):
            named = dict(documents.named)
            numbers, first = frame_numbers(named, documents.path), None
            wheres = {name: documents.where(name) for name in named}
        else:
            return None
        rows, things = [], 0
        for name, frame in named.items():
            for i, one in enumerate(checked(list[Found], frame, wheres[name])):
                things += 1
                if one.keypoints is not None and one.name.lower() == "person":
                    rows.append(Row(numbers[name], _pose(one.keypoints, f"{wheres[name]}: {i}.keypoints"), one.track_id))
        if things and not rows:
            raise without_keypoints(place)
        detections = detections_of(
            rows, "coco17", place, numbers.values(), first=first, missing_at_end=0.1 if first is None else 0.01
        )
        if max(np.nanmax(np.abs(row.pose[:, :2]), initial=0) for row in rows) > 1.5:
            return detections
        raise SemttaError(f"{place}: coordinates are between 0 and 1. Write it with to_json() without normalize=True, in pixels.")


def _pose(points: Points, where: str) -> np.ndarray:
    return coco_first(columns_pose(points.x, points.y, points.visible, where), where)


def _is_frame(content: Any) -> bool:
    return isinstance(content, list) and any(isinstance(one, dict) and {"box", "class"} <= one.keys() for one in content)


def _unwrapped(frame: Any) -> Any:
    """A frame that was written as text within the JSON: ``json.dump([r.to_json() for r in results])``."""
    if isinstance(frame, str) and frame.lstrip().startswith("["):
        try:
            return json.loads(frame)
        except (ValueError, RecursionError):
            return frame
    return frame
