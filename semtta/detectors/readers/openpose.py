"""OpenPose's JSON, and that of the programs that write as it does: AlphaPose's separate files, Pose2Sim, rtmlib."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from pydantic import AliasChoices, Field

from ...constants import JOINT_SETS
from ...io.forms import checked
from ..base import Detections, formats
from ..numbering import frame_numbers
from .documents import Documents, JsonReader
from .poses import Coordinates, Form, flat_pose, one_set


class Person(Form):
    """x, y, confidence of each joint, by one of its three names: of OpenPose 1.3, of older ones, of AlphaPose's ``cmu``."""

    joints: Coordinates = Field(validation_alias=AliasChoices("pose_keypoints_2d", "pose_keypoints", "joints"))


class Frame(Form):
    """The people of one frame."""

    people: list[Person] = Field(validation_alias=AliasChoices("people", "bodies"))

    def poses(self, where: str) -> list[np.ndarray]:
        """One array [J, 3] per person whose body was found."""
        poses = [flat_pose(person.joints, f"{where}: people.{i}") for i, person in enumerate(self.people)]
        return [pose for pose in poses if len(pose)]


@formats.register("openpose")
class OpenPoseReader(JsonReader):
    """A folder or zip of OpenPose's ``*_keypoints.json``, one per frame, or a single such file; Pose2Sim's ``*_json`` folders.

    The frame is the number in the file's name that changes; frames without a file have no people. BODY_25 and COCO-18 joints,
    or a set that starts with COCO's 17.
    """

    def interpret(self, documents: Documents) -> Detections | None:
        if not any(is_frame(content) for _, content in documents.named):
            return None
        frames = [
            checked(Frame, content, documents.where(name)).poses(documents.where(name)) for name, content in documents.named
        ]
        names = [name for name, _ in documents.named]
        numbers = frame_numbers(names, documents.path)
        everyone = [pose for poses in frames for pose in poses]
        joint_set = one_set(everyone, documents.place) if everyone else "body25"
        joints = len(JOINT_SETS[joint_set])
        poses = {
            number: np.array([pose[:joints] for pose in found]).reshape(-1, joints, 3)
            for number, found in zip(numbers.values(), frames, strict=True)
        }
        of_video = all(re.search(r"_[0-9]{12}(_keypoints)?\.json$", name, re.IGNORECASE) for name in names)
        return Detections(
            joint_set, poses, max(poses) + 1, missing_at_end=0.1, listed=poses.keys(), likely_first=0 if of_video else 1
        )


def is_frame(content: Any) -> bool:
    """Whether this is meant as one frame of OpenPose's."""
    return isinstance(content, dict) and isinstance(content.get("people", content.get("bodies")), list)
