"""What a motion prior is: it says how well motion fits a label, differentiably."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from ..constants import table
from ..errors import SemttaError, shortened, unlisted_label
from ..geometry import resample_rotations
from ..registry import Registry, Settings
from ..types import Motion
from .dictionary import MotionDictionary
from .near import near_in_meaning, near_in_words

GlobalRotation = Literal["exemplar", "predicted", "identity"]
#: What a label that no label of the dictionary stands for leads to.
OFF = "semantics are off for these frames"


class ResolvedLabel(NamedTuple):
    """A label as a prior takes it: None means no alignment; ``reason`` is for the user, empty for an exact match."""

    label: str | None
    score: float  # cosine of the text features, 1 for the same words
    reason: str = ""


class Prior(ABC):
    """A motion prior. All rotations are parent-relative SMPL matrices, index 0 global.

    Attributes are defaults that a subclass or an instance overrides:
        fps: frame rate that the prior works at.
        window: frames that it looks at together.
        threshold: default sigma of Eq. 6, chosen on this prior's own similarities.
        floor: smallest cosine of text features at which another wording stands for a dictionary label.
        open_vocabulary: whether words that are near no label of the dictionary are taken as they are, not left out.
        dictionary: its labels; None for a prior that takes any wording.
    """

    name: str = ""
    fps: float = 30.0
    window: int = 60
    threshold: float = 0.75
    floor: float = 0.55
    open_vocabulary: bool = False
    dictionary: MotionDictionary | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The dictionary's labels; empty when the prior takes any wording."""
        return self.dictionary.labels if self.dictionary else ()

    @abstractmethod
    def loss(self, motion: Motion, labels: Sequence[str]) -> Tensor:
        """How badly each segment of ``motion`` [B, T, ...] fits its label: [B], differentiable in the rotations."""

    @abstractmethod
    def similarity(self, motion: Motion, labels: Sequence[str]) -> Tensor:
        """How well each segment fits its label: [B], at most 1; compared with sigma in Eq. 6."""

    def depth_loss(self, motion: Motion, labels: Sequence[str]) -> Tensor | None:
        """How far seen joints are from where the prior would have them along ``motion.rays``, metres: [B]; None: no opinion."""
        return None

    def for_clip(self) -> Prior:
        """The prior for one clip: itself, or a copy if it is trained while the clip is adapted."""
        return self

    def train_step(self, motion: Motion, labels: Sequence[str]) -> None:
        """After a step of the estimator on ``motion``: one step of a prior that is trained along; most do nothing."""
        return None

    def trained_state(self) -> dict[str, Any]:
        """What ``train_step`` has changed since ``for_clip``, for a checkpoint."""
        return {}

    def load_trained_state(self, state: Mapping[str, Any]) -> None:
        """Continue from what ``trained_state`` gave."""
        return None

    def resolve(self, label: str | None) -> ResolvedLabel:
        """The dictionary label that stands for ``label``: itself, else the nearest in meaning, else None.

        With ``open_vocabulary`` words that are near no label stand for themselves, with less trust the farther they are.
        """
        if not label or label.strip().lower() == "none":
            return ResolvedLabel(None, 0.0, f"no label: {OFF}")
        if self.dictionary is None:
            return ResolvedLabel(label, 1.0)
        found = self.dictionary.find(label)
        if found is not None:
            return ResolvedLabel(found, 1.0)
        try:
            ranked = near_in_meaning(label, self.labels, self.dictionary.text_features)
        except SemttaError as error:
            return ResolvedLabel(None, 0.0, self.unlisted(label, near_in_words(label, self.labels), f"{OFF}. {error}"))
        names, (near, score) = [f"{name} {value:.2f}" for name, value in ranked[:3]], ranked[0]
        if score < self.floor and self.open_vocabulary:
            taken = ResolvedLabel(label, score)
            outcome = f"taken as it is, with a trust of {self.trust(taken):.2f}"
            return taken._replace(reason=self.unlisted(label, names, outcome))
        if score < self.floor:
            return ResolvedLabel(None, score, self.unlisted(label, names, f"{OFF} (similarity below {self.floor:.2f})"))
        return ResolvedLabel(near, score, self.unlisted(label, names, f"taken as '{shortened(near)}' (similarity {score:.2f})"))

    def trust(self, resolved: ResolvedLabel) -> float:
        """How far the prior knows what a label means, in [0, 1]: 1 for one of its own; others less, the farther they are."""
        known = resolved.label is None or self.dictionary is None or resolved.label in self.labels
        return 1.0 if known else min(1.0, max(0.0, resolved.score / self.floor))

    def unlisted(self, label: str, near: Sequence[str], outcome: str) -> str:
        """The sentence that says that a label is not among this prior's (see semtta.errors.unlisted_label)."""
        return unlisted_label(label, self.labels, near, outcome, f"prior '{shortened(self.name)}'")

    def windows(self, motion: Motion, labels: Sequence[str]) -> tuple[Motion, list[int]]:
        """Segments of any rate and length -> windows as the network takes them.

        Each segment's real frames (a prefix) are resampled to ``fps`` and covered by evenly spread windows; a segment
        shorter than one window is padded with its last frame and masked. Segments of one length are taken together.

        Returns:
            Motion of [N, window, ...] with a mask, and the segment that each of the N windows belongs to.
        """
        batch, longest = motion.rotations.shape[:2]
        if len(labels) != batch:
            raise SemttaError(f"{batch} motions with {len(labels)} labels.")
        lengths = [longest] * batch if motion.mask is None else motion.mask.sum(1).clamp(min=1).tolist()
        parts: list[Motion] = []
        owner: list[int] = []
        for length in sorted(set(lengths)):
            rows = [b for b in range(batch) if lengths[b] == length]
            part, count = self._windows_of_one_length(motion if len(rows) == batch else motion[rows], length)
            parts.append(part)
            owner += [b for b in rows for _ in range(count)]
        if len(parts) == 1:
            return parts[0], owner
        masks = [part.mask for part in parts if part.mask is not None]
        visible = [part.visible for part in parts if part.visible is not None]
        rays = [part.rays for part in parts if part.rays is not None]
        rotations = torch.cat([part.rotations for part in parts])
        return Motion(
            rotations, torch.cat(masks), torch.cat(visible) if visible else None, self.fps, torch.cat(rays) if rays else None
        ), owner

    def _windows_of_one_length(self, motion: Motion, length: int) -> tuple[Motion, int]:
        """Windows [B count, window, ...] of the first ``length`` frames of all segments, and ``count``."""
        device = motion.rotations.device
        rotations = resample_rotations(motion.rotations[:, :length], motion.fps, self.fps)
        frames = rotations.shape[1]
        nearest = torch.linspace(0, length - 1, frames, device=device).round().long()
        visible, rays = (
            x if x is None or frames == length else x[:, :length].index_select(1, nearest) for x in (motion.visible, motion.rays)
        )
        count = ceil(frames / self.window)
        starts = table(tuple(np.linspace(0, max(frames - self.window, 0), count).round().astype(int).tolist()), device)
        wanted = starts[:, None] + torch.arange(self.window, device=device)
        taken = wanted.clamp(max=frames - 1).flatten()

        def cut(x: Tensor) -> Tensor:
            return x.index_select(1, taken).unflatten(1, (count, self.window)).flatten(0, 1)

        mask = (wanted < frames).repeat(len(rotations), 1)
        seen, along = (None if x is None else cut(x) for x in (visible, rays))
        return Motion(cut(rotations), mask, seen, self.fps, along), count


def per_window(values: Tensor, owner: Sequence[int]) -> Tensor:
    """Each window's own of the segments' values [B, ...]."""
    return values if list(owner) == list(range(len(values))) else values[torch.tensor(owner, device=values.device)]


def per_segment(values: Tensor, owner: Sequence[int], count: int) -> Tensor:
    """Mean over the windows of each segment: values [N], their segments -> [count]."""
    if list(owner) == list(range(count)):
        return values
    index = torch.tensor(owner, device=values.device)
    total = values.new_zeros(count).index_add(0, index, values)
    return total / torch.bincount(index, minlength=count).to(values)


class MotionTextPrior(Prior):
    """A prior that embeds motion and text in one space; give ``encode_motion`` and ``encode_text``, the rest follows.

    ``global_rotation`` is Eq. 4's p-hat-prime: what the predicted global rotation is replaced by, "exemplar" (that of
    the label's exemplar motion; as predicted where the prior has none), "predicted" (left as it is) or "identity".
    """

    global_rotation: GlobalRotation = "exemplar"

    @abstractmethod
    def encode_motion(self, motion: Motion) -> Tensor:
        """Features [B, D] of motion [B, window, 24, 3, 3] at the prior's rate, padding masked."""

    @abstractmethod
    def encode_text(self, labels: Sequence[str]) -> Tensor:
        """Features [B, D] of labels."""

    def with_global_rotation(self, motion: Motion, labels: Sequence[str]) -> Motion:
        """Motion [B, T, 24, 3, 3] with rotation 0 replaced as ``global_rotation`` says."""
        local = motion.rotations[:, :, 1:]
        batch, length = local.shape[:2]
        if self.global_rotation == "identity":
            root = torch.eye(3, dtype=local.dtype, device=local.device).expand(batch, length, 3, 3)
        elif self.global_rotation == "exemplar" and self.dictionary is not None and self.dictionary.exemplars is not None:
            root = torch.stack([self.dictionary.exemplar(label, length)[:, 0] for label in labels]).to(local)
        else:
            return motion
        return replace(motion, rotations=torch.cat((root[:, :, None], local), 2))

    def encode_labelled(self, motion: Motion, labels: Sequence[str]) -> Tensor:
        """Features [B, D] of motion with what it takes from the exemplars of its labels."""
        return self.encode_motion(self.with_global_rotation(motion, labels))

    def similarity(self, motion: Motion, labels: Sequence[str]) -> Tensor:
        """Eq. 3: cosine of motion and text features, mean over the windows of each segment. [B] in [-1, 1]."""
        windows, owner = self.windows(motion, labels)
        features = self.encode_labelled(windows, [labels[b] for b in owner])
        text = per_window(self.encode_text(labels), owner)
        return per_segment(torch.cosine_similarity(features, text, dim=-1, eps=1e-6), owner, len(labels))

    def loss(self, motion: Motion, labels: Sequence[str]) -> Tensor:
        """Eq. 4: 1 - similarity. [B] in [0, 2]."""
        return 1 - self.similarity(motion, labels)


@dataclass
class NoPrior(Prior):
    """No prior: zero loss, zero similarity, so that nothing is aligned or filled in."""

    name: str = "none"

    def loss(self, motion: Motion, labels: Sequence[str]) -> Tensor:
        """Zeros [B]."""
        return motion.rotations.new_zeros(len(labels))

    def similarity(self, motion: Motion, labels: Sequence[str]) -> Tensor:
        """Zeros [B]."""
        return motion.rotations.new_zeros(len(labels))

    def resolve(self, label: str | None) -> ResolvedLabel:
        """Never a label."""
        return ResolvedLabel(None, 0.0)


class PriorSettings(Settings):
    """Of a prior."""

    weights: str | None = Field(None, description="weights file; None: the included or imported one")
    sigma: float | None = Field(None, ge=-1, le=1, description="threshold of fill-in (Eq. 6); None: the prior's own")


_PLACES = {
    "motionclip": "motionclip", "tmr": "tmr", "open": "open", "open-cosine": "open", "infill": "infill", "none": "base",
    "discriminator": "discriminator", "unpaired": "generated",
}  # fmt: skip
priors: Registry[Prior] = Registry("prior", {name: f"{__package__}.{module}" for name, module in _PLACES.items()})
register = priors.register
register("none")(NoPrior)
