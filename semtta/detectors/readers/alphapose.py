"""AlphaPose's results in one file: a list of people, or (``--format open`` and ``cmu``) frames by the name of their image."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from ...errors import SemttaError
from ...io.forms import checked
from ..base import Detections, formats
from ..numbering import frame_numbers
from .coco import is_rows, without_keypoints
from .documents import Documents, JsonReader
from .openpose import Frame, is_frame
from .poses import Coordinates, Form, Row, coco_first, detections_of, flat_pose, one_set, the_person


class Person(Form):
    """One person in one image."""

    image_id: Annotated[str, Field(max_length=1000)]
    category_id: int | None = None
    keypoints: Coordinates | None = None
    idx: Any = None


@formats.register("alphapose")
class AlphaPoseReader(JsonReader):
    """AlphaPose's list of ``image_id`` ("12.jpg"), ``keypoints`` (17, or the first 17 of 26, 133 or 136), ``idx``; or its
    ``--format open`` and ``cmu``."""

    def interpret(self, documents: Documents) -> Detections | None:
        content, where = documents.only, documents.place
        if isinstance(content, dict) and any(is_frame(value) for value in content.values()):
            frames = {name: checked(Frame, value, f"{where}: {name[:60]}").poses(where) for name, value in content.items()}
            numbers = frame_numbers(frames, where)
            rows = [Row(numbers[name], pose) for name, poses in frames.items() for pose in poses]
            joint_set = one_set((row.pose for row in rows), where) if rows else "coco18"
            return detections_of(rows, joint_set, where, None, missing_at_end=0.5)
        if not is_rows(content) or not any(isinstance(row["image_id"], str) for row in content if is_rows([row])):
            return None
        people = [person for person in checked(list[Person], content, where) if person.keypoints]
        if not people:
            raise without_keypoints(where)
        numbers = frame_numbers({person.image_id: None for person in people}, where)
        category = the_person({1 if person.category_id is None else person.category_id for person in people})
        if category is None:
            raise SemttaError(f"{where} has several categories, none of them 1 or 0, a person. Leave only the people.")
        rows = [
            Row(numbers[person.image_id], coco_first(flat_pose(person.keypoints or [], at), at), person.idx)
            for person in people
            if person.category_id in (None, category)
            for at in [f"{where}: {person.image_id[:60]}"]
        ]
        return detections_of(rows, "coco17", where, None, missing_at_end=0.5)
