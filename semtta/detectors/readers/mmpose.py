"""MMPose's predictions: of its demos (``instance_info``), of its inferencer (a list of frames), or one file per image."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from ...errors import SemttaError
from ...io.forms import checked
from ..base import Detections, formats
from ..numbering import frame_numbers
from .documents import Documents, JsonReader
from .poses import Coordinates, Form, Row, coco_first, columns_pose, detections_of


class Instance(Form):
    """One person: x, y of each joint, and their scores."""

    keypoints: list[Coordinates]
    keypoint_scores: Coordinates
    track_id: Any = None

    def pose(self, where: str) -> np.ndarray:
        """COCO's joints [17, 3]."""
        if any(len(point) != 2 for point in self.keypoints):
            raise SemttaError(f"{where}.keypoints: points of x and y are needed. Give MMPose's 2D results.")
        x, y = [point[0] for point in self.keypoints], [point[1] for point in self.keypoints]
        return coco_first(columns_pose(x, y, self.keypoint_scores, where), where)


class Frame(Form):
    """The people of one frame of a video."""

    frame_id: Annotated[int, Field(ge=0, lt=10**15)]
    instances: list[Instance]


@formats.register("mmpose")
class MMPoseReader(JsonReader):
    """MMPose's predictions: a JSON of a video (``instance_info``, or a list of frames), or a folder with one JSON per image."""

    def interpret(self, documents: Documents) -> Detections | None:
        contents = {name: _instance_info(content) for name, content in documents.named}
        only = next(iter(contents.values())) if len(contents) == 1 else None
        if isinstance(only, list) and any(isinstance(frame, dict) and "instances" in frame for frame in only):
            frames = checked(list[Frame], only, documents.place)
            listed = [frame.frame_id for frame in frames]
            if len(set(listed)) < len(listed):
                raise SemttaError(f"{documents.place}: two frames have the same frame_id. Keep one clip's frames together.")
            rows = [
                Row(frame.frame_id, one.pose(f"{documents.place}: {i}.instances.{j}"), one.track_id)
                for i, frame in enumerate(frames)
                for j, one in enumerate(frame.instances)
            ]
            from_one = only is not documents.only and min(listed) == 1  # the demos count from 1, the inferencer from 0
            known = {"first": 1} if from_one else {}
            return detections_of(rows, "coco17", documents.place, listed, missing_at_end=0.5, **known)
        if not any(_is_image(content) for content in contents.values()):
            return None
        numbers = frame_numbers(contents, documents.path)
        rows = [
            Row(numbers[name], one.pose(f"{documents.where(name)}: {i}"), one.track_id)
            for name, content in contents.items()
            for i, one in enumerate(checked(list[Instance], content, documents.where(name)))
        ]
        return detections_of(rows, "coco17", documents.place, numbers.values(), missing_at_end=0.1)


def _instance_info(content: Any) -> Any:
    return content.get("instance_info", content) if isinstance(content, dict) else content


def _is_image(content: Any) -> bool:
    return isinstance(content, list) and any(isinstance(one, dict) and "keypoint_scores" in one for one in content)
