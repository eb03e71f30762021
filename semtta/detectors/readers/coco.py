"""COCO's keypoints: results (which Detectron2, MMPose and Ultralytics write too), and annotated datasets."""

from __future__ import annotations

import re
from typing import Annotated, Any

import numpy as np
from pydantic import ConfigDict, Field

from ...errors import SemttaError
from ...io.forms import checked
from ..base import Detections, formats
from ..numbering import frame_numbers
from .documents import Documents, JsonReader
from .poses import Coordinates, Form, Row, coco_first, detections_of, flat_pose, the_person

WholeNumber = Annotated[int, Field(strict=True, ge=0, lt=10**15)]


class Person(Form):
    """One person in one image, annotated or detected."""

    image_id: WholeNumber | Annotated[str, Field(max_length=1000)]
    category_id: int | None = None
    keypoints: Coordinates | None = None
    track_id: Any = None


class Detected(Person):
    """The same in a list of results, where images are known by number."""

    image_id: WholeNumber


class Image(Form):
    """An image of a dataset: a frame of the video."""

    model_config = ConfigDict(strict=False)

    id: WholeNumber | Annotated[str, Field(max_length=1000, strict=True)] = Field(union_mode="left_to_right")
    file_name: Annotated[str, Field(max_length=1000)] | None = None
    width: int | None = None
    height: int | None = None


class Category(Form):
    """A kind of annotated things."""

    id: int
    name: str = ""


class Dataset(Form):
    """A dataset of images and annotations."""

    images: list[Image]
    annotations: list[Person]
    categories: list[Category] = Field(default_factory=list)


@formats.register("coco")
class CocoReader(JsonReader):
    """COCO keypoint results (list of ``image_id``, ``keypoints``) or a dataset (``images``, ``annotations``)."""

    def interpret(self, documents: Documents) -> Detections | None:
        content, where = documents.only, documents.place
        if isinstance(content, dict) and {"images", "annotations"} <= content.keys():
            return _dataset(checked(Dataset, content, where), where)
        if content == []:
            raise SemttaError(f"{where}: no person in any frame. Give keypoints of a video with a person in it.")
        if not is_rows(content) or any(isinstance(row["image_id"], str) for row in content if is_rows([row])):
            return None
        people = list(checked(list[Detected], content, where))
        return _detections(people, {int(one.image_id): int(one.image_id) for one in people}, None, where, None)


def is_rows(content: Any) -> bool:
    """Whether this is meant as a list with one row per person and image."""
    return isinstance(content, list) and any(isinstance(row, dict) and "image_id" in row for row in content)


def without_keypoints(where: str) -> SemttaError:
    """The error for a list of people of whom none has keypoints."""
    return SemttaError(f"{where} has people, but no keypoints (boxes only?). Give the results of a keypoint model.")


def _dataset(dataset: Dataset, where: str) -> Detections:
    images = {image.id: image for image in dataset.images}
    if len(images) < len(dataset.images):
        raise SemttaError(f"{where}: images: two have the same id. Give one clip's images.")
    for i, one in enumerate(dataset.annotations):
        if one.image_id not in images:
            raise SemttaError(
                f"{where}: annotations.{i}.image_id: there is no image {str(one.image_id)[:40]}. List every image in 'images'."
            )
    names = {key: image.file_name or "" for key, image in images.items()}
    if all(re.search("[0-9]", name.rpartition(".")[0] or name) for name in names.values()) or not all(
        isinstance(key, int) for key in images
    ):
        by_name = frame_numbers(dict.fromkeys(name or str(key) for key, name in names.items()), where)
        numbers = {key: by_name[name or str(key)] for key, name in names.items()}
    else:
        numbers = {key: int(key) for key in images}
    if len(set(numbers.values())) < len(numbers):
        raise SemttaError(f"{where}: images: two have the same file_name. Give one clip's images.")
    sizes = {(image.width, image.height) for image in dataset.images}
    size = sizes.pop() if len(sizes) == 1 else (None, None)
    people = [category.id for category in dataset.categories if category.name.lower() in ("person", "people", "human")]
    annotations = [one for one in dataset.annotations if not people or one.category_id in (None, *people)]
    return _detections(annotations, numbers, numbers.values(), where, None if None in size else size, bool(people))


def _detections(
    people: list[Any], numbers: dict[Any, int], listed: Any, where: str, size: Any, chosen: bool = False
) -> Detections:
    """Detections of the people; those of another category, unless it was ``chosen`` before, are left out."""
    found = [one for one in people if one.keypoints]
    if people and not found:
        raise without_keypoints(where)
    category = the_person({1 if one.category_id is None else one.category_id for one in found})
    if category is None and found and not chosen:
        raise SemttaError(f"{where} has several categories, none of them 1 or 0, a person. Leave only the people.")
    rows = [
        Row(numbers[one.image_id], coco_first(flat_pose(one.keypoints, at), at), one.track_id)
        for one in found
        if chosen or one.category_id in (None, category)
        for at in [f"{where}: image {str(one.image_id)[:40]}"]
    ]
    flags = np.concatenate([row.pose[:, 2] for row in rows]) if rows else np.zeros(0)
    if (flags == 2).any() and np.isin(flags, (0, 1, 2)).all():  # annotated: 0 absent, 1 labelled but hidden, 2 visible
        rows = [Row(row.frame, np.column_stack([row.pose[:, :2], row.pose[:, 2] > 0]), row.person) for row in rows]
    listed = None if listed is None else set(listed)
    return detections_of(rows, "coco17", where, listed, missing_at_end=0.5, size=size)
