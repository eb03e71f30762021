"""The motion dictionary: labels, their text features, and one exemplar motion of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import pi
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..constants import table
from ..errors import SemttaError, unknown_name
from ..geometry import axis_angle_to_matrix, matrix_to_axis_angle
from ..io.weights import load_weights, save_weights
from .text import normalised_label

_SCALE = pi / 32767  # radians per step of the stored int16 rotation vectors


@dataclass(frozen=True)
class MotionDictionary:
    """Labels with text features [N, D] (unit norm) and exemplar rotations [N, T, 24, 3, 3] at 30 fps.

    Exemplars are parent-relative SMPL rotations; rotation 0 is global in a y-up frame whose first frame faces +z.
    """

    labels: tuple[str, ...]
    text_features: Tensor
    exemplars: Tensor | None = None

    def __post_init__(self) -> None:
        if self.text_features.ndim != 2 or not self.text_features.isfinite().all():
            raise SemttaError(f"A dictionary's text features are [N, D], finite; these are {list(self.text_features.shape)}.")
        if self.exemplars is not None and (self.exemplars.shape[2:] != (24, 3, 3) or not self.exemplars.shape[1]):
            raise SemttaError(f"A dictionary's exemplars are [N, T, 24, 3, 3]; these are {list(self.exemplars.shape)}.")
        if len(self.labels) != len(self.text_features):
            raise SemttaError(f"A dictionary of {len(self.labels)} labels has {len(self.text_features)} text features.")
        if self.exemplars is not None and len(self.exemplars) != len(self.labels):
            raise SemttaError(f"A dictionary of {len(self.labels)} labels has {len(self.exemplars)} exemplars.")

    def index(self, label: str) -> int:
        """Row of a label; raises SemttaError for one that is not here."""
        if label not in self.labels:
            raise unknown_name("motion label", label, self.labels)
        return self.labels.index(label)

    def find(self, label: str) -> str | None:
        """The label with the same words, whatever the case, punctuation or a leading "a person is"; None if none."""
        if label in self.labels:
            return label
        return {normalised_label(known): known for known in self.labels}.get(normalised_label(label))

    def features(self, labels: Sequence[str]) -> Tensor:
        """Text features [len(labels), D] of labels that are here."""
        rows = table(tuple(self.index(label) for label in labels), self.text_features.device)
        return self.text_features.index_select(0, rows)

    def nearest(self, feature: Tensor) -> tuple[str, float]:
        """The label whose text feature has the largest cosine with ``feature`` [D], and that cosine."""
        score = torch.cosine_similarity(self.text_features, feature.to(self.text_features), dim=-1)
        best = int(score.argmax())
        return self.labels[best], float(score[best])

    def exemplar(self, label: str, num_frames: int) -> Tensor:
        """The label's exemplar motion [num_frames, 24, 3, 3], cropped or repeated to the length asked for."""
        if self.exemplars is None:
            raise SemttaError("This prior's dictionary has no exemplar motions.")
        motion = self.exemplars[self.index(label)]
        return motion[torch.arange(num_frames, device=motion.device) % len(motion)]

    def to(self, device: torch.device | str | None) -> MotionDictionary:
        """The same on another device."""
        exemplars = None if self.exemplars is None else self.exemplars.to(device)
        return MotionDictionary(self.labels, self.text_features.to(device), exemplars)

    def tensors(self) -> dict[str, Tensor]:
        """What is stored: features float32, exemplars as int16 rotation vectors. Labels go into the metadata."""
        packed = {"dictionary.text_features": self.text_features}
        if self.exemplars is not None:
            packed["dictionary.exemplars"] = (matrix_to_axis_angle(self.exemplars) / _SCALE).round().to(torch.int16)
        return packed

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], labels: Sequence[str]) -> MotionDictionary:
        """Inverse of ``tensors``."""
        if not all(isinstance(label, str) for label in labels):
            raise TypeError("its labels are no text")
        exemplars = tensors.get("dictionary.exemplars")
        if exemplars is not None:
            exemplars = axis_angle_to_matrix(exemplars.float() * _SCALE)
        return cls(tuple(labels), tensors["dictionary.text_features"].float(), exemplars)

    def save(self, path: str | Path, **metadata: Any) -> Path:
        """Write it as a file of its own, with values of JSON about how it was made."""
        return save_weights(path, "dictionary", self.tensors(), labels=list(self.labels), **metadata)

    @classmethod
    def load(cls, path: str | Path) -> MotionDictionary:
        """Read what ``save`` wrote; SemttaError for any other file, and for one whose parts do not belong together."""
        tensors, metadata = load_weights(path, "dictionary")
        try:
            return cls.from_tensors(tensors, metadata["labels"])
        except (KeyError, TypeError, ValueError, RuntimeError, SemttaError) as error:
            raise SemttaError(f"{path} is no whole dictionary ({error}): run 'semtta dictionary build' again.") from error
