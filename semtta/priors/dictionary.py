"""The motion dictionary: labels, their text features, and one exemplar motion of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import pi
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..constants import table
from ..errors import SemttaError, unlisted_label
from ..geometry import axis_angle_to_matrix, matrix_to_axis_angle
from ..io.weights import load_weights, save_weights
from .near import near_in_words
from .text import normalised_label

_SCALE = pi / 32767  # radians per step of the stored int16 rotation vectors


@dataclass(frozen=True)
class MotionDictionary:
    """Labels with text features [N, D] (unit norm) and exemplar rotations [N, T, 24, 3, 3] at 30 fps.

    Exemplars are parent-relative SMPL rotations; rotation 0 is global in a y-up frame whose first frame faces +z.
    ``motions`` says how many motions (clips, or windows of AMASS), mirrored ones too, have each label; None if that is not known.
    """

    labels: tuple[str, ...]
    text_features: Tensor
    exemplars: Tensor | None = None
    motions: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.text_features.ndim != 2 or not self.text_features.isfinite().all():
            raise SemttaError(f"A dictionary's text features are [N, D], finite; these are {list(self.text_features.shape)}.")
        if self.exemplars is not None and (self.exemplars.shape[2:] != (24, 3, 3) or not self.exemplars.shape[1]):
            raise SemttaError(f"A dictionary's exemplars are [N, T, 24, 3, 3]; these are {list(self.exemplars.shape)}.")
        if not self.labels:
            raise SemttaError("A dictionary has at least one label; this one has none.")
        if len(self.labels) != len(self.text_features):
            raise SemttaError(f"A dictionary of {len(self.labels)} labels has {len(self.text_features)} text features.")
        if self.exemplars is not None and len(self.exemplars) != len(self.labels):
            raise SemttaError(f"A dictionary of {len(self.labels)} labels has {len(self.exemplars)} exemplars.")
        counts = self.motions
        if counts is not None and (len(counts) != len(self.labels) or not all(type(n) is int and n >= 0 for n in counts)):
            raise SemttaError(f"A dictionary of {len(self.labels)} labels has as many numbers of motions, whole ones.")

    def index(self, label: str) -> int:
        """Row of a label; raises SemttaError for one that is not here."""
        if label not in self.labels:
            near, advice = near_in_words(label, self.labels), "give one of them, or what Prior.resolve makes of it"
            raise SemttaError(unlisted_label(label, self.labels, near, advice))
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

    def exemplar(self, label: str, num_frames: int) -> Tensor:
        """The label's exemplar motion [num_frames, 24, 3, 3], cropped or repeated to the length asked for."""
        if self.exemplars is None:
            raise SemttaError("This prior's dictionary has no exemplar motions.")
        motion = self.exemplars[self.index(label)]
        return motion[torch.arange(num_frames, device=motion.device) % len(motion)]

    def to(self, device: torch.device | str | None) -> MotionDictionary:
        """The same on another device."""
        exemplars = None if self.exemplars is None else self.exemplars.to(device)
        return replace(self, text_features=self.text_features.to(device), exemplars=exemplars)

    def tensors(self) -> dict[str, Tensor]:
        """What is stored: features float32, exemplars as int16 rotation vectors, numbers int32. Labels go into the metadata."""
        packed = {"dictionary.text_features": self.text_features}
        if self.exemplars is not None:
            packed["dictionary.exemplars"] = (matrix_to_axis_angle(self.exemplars) / _SCALE).round().to(torch.int16)
        if self.motions is not None:
            packed["dictionary.motions"] = torch.tensor(self.motions, dtype=torch.int32)
        return packed

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], labels: Sequence[str]) -> MotionDictionary:
        """Inverse of ``tensors``."""
        if not all(isinstance(label, str) for label in labels):
            raise TypeError("its labels are no text")
        exemplars = tensors.get("dictionary.exemplars")
        if exemplars is not None:
            exemplars = axis_angle_to_matrix(exemplars.float() * _SCALE)
        motions = tuple(tensors["dictionary.motions"].tolist()) if "dictionary.motions" in tensors else None
        return cls(tuple(labels), tensors["dictionary.text_features"].float(), exemplars, motions)

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
