"""A label-conditioned masked motion network as a prior: it completes what the camera did not see.

Not part of the paper. From the joints with 2D evidence and the label, the network predicts the whole motion, how far
off each joint may be, and whether the label fits. The loss pulls joints without evidence to the completion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from einops import rearrange, reduce
from pydantic import Field
from torch import Tensor, nn

from .. import assets
from ..constants import table
from ..errors import SemttaError
from ..geometry import matrix_from_6d, matrix_to_6d
from ..geometry.kinematics import pelvis_frame_positions
from ..types import Motion
from .base import Prior, PriorSettings, per_segment, register
from .checkpoint import CheckpointedPrior
from .dictionary import MotionDictionary
from .motionclip import positions
from .text import SENTENCE_DIM, wording_feature

# A rotation shows in where the next joint is: joint -> joints whose visibility backs its rotation.
_BACKED_BY = {
    1: (4,), 2: (5,), 4: (7,), 5: (8,), 7: (7,), 8: (8,), 10: (7,), 11: (8,), 13: (16,), 14: (17,), 16: (18,),
    17: (19,), 18: (20,), 19: (21,), 20: (20,), 21: (21,), 22: (20,), 23: (21,), 12: (12, 15), 15: (12, 15),
}  # fmt: skip
_TORSO = (1, 2, 16, 17)
#: Expected error of a seen joint at which its pull falls to a quarter, metres: about what the 2D leaves open in depth.
DEPTH_ERROR_M = 0.04
_FIRST, _SECOND = (tuple(_BACKED_BY.get(j, (0,))[k] for j in range(24)) for k in (0, -1))
_LIMB = tuple(j in _BACKED_BY for j in range(24))


def rotation_evidence(visible: Tensor) -> Tensor:
    """Visibility of joint positions [..., 24] -> how far each joint's rotation is seen [..., 24].

    A limb's rotation is seen where its far end is; pelvis and spine are seen where hips and shoulders are.
    """
    first, second, torso = (visible.index_select(-1, table(index, visible.device)) for index in (_FIRST, _SECOND, _TORSO))
    limb = table(_LIMB, visible.device, torch.bool)
    return torch.where(limb, torch.maximum(first, second), torso.mean(-1, keepdim=True))


@dataclass(frozen=True)
class InfillConfig:
    """Sizes of the network; ``patch`` frames make one token."""

    width: int = 256
    layers: int = 5
    heads: int = 4
    feedforward: int = 512
    patch: int = 5
    text_dim: int = SENTENCE_DIM


class Completion(NamedTuple):
    """What the network says of a window."""

    rotations: Tensor  # [B, T, 24, 3, 3], rotation 0 as given
    error_m: Tensor  # [B, T, 24] expected error of each joint's position, metres, pelvis frame
    match: Tensor  # [B] logit that the label fits what is seen


class InfillNetwork(nn.Module):
    """Masked motion transformer (pre-norm): one label token, then tokens of ``patch`` frames."""

    mean_six: Tensor  # [24, 6] mean pose, 6D columns
    text_center: Tensor  # [text_dim]

    def __init__(self, config: InfillConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean_six", torch.zeros(24, 6))
        self.register_buffer("text_center", torch.zeros(config.text_dim))
        self.embedding = nn.Linear(24 * 7 * config.patch, config.width)
        self.label = nn.Sequential(nn.Linear(config.text_dim, config.width), nn.GELU(), nn.Linear(config.width, config.width))
        self.no_label = nn.Parameter(torch.zeros(config.width))
        layer = nn.TransformerEncoderLayer(
            config.width, config.heads, config.feedforward, 0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.transformer = nn.TransformerEncoder(layer, config.layers, nn.LayerNorm(config.width), enable_nested_tensor=False)
        self.output = nn.Linear(config.width, 24 * 7 * config.patch)
        self.match = nn.Linear(config.width, 1)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, rotations: Tensor, evidence: Tensor, text: Tensor, mask: Tensor) -> Completion:
        """Rotations [B, T, 24, 3, 3], evidence [B, T, 24] of them in [0, 1], text [B, D] (zeros: none), mask [B, T]."""
        patch = self.config.patch
        batch, length = mask.shape
        evidence = evidence * mask[..., None]
        offset = (matrix_to_6d(rotations, "columns") - self.mean_six) * evidence[..., None]
        offset[:, :, 0] = 0  # the pelvis frame
        extra = -length % patch
        x = nn.functional.pad(torch.cat((offset, evidence[..., None]), -1), (0, 0, 0, 0, 0, extra))
        x = rearrange(x, "b (t p) joint c -> b t (p joint c)", p=patch)
        padding = ~reduce(nn.functional.pad(mask, (0, extra)), "b (t p) -> b t", "any", p=patch)
        none = (text == 0).all(-1, keepdim=True)
        label = torch.where(none, self.no_label, self.label((text - self.text_center) * self.config.text_dim**0.5))
        tokens = torch.cat((label[:, None], self.embedding(x) + label[:, None]), 1)
        tokens = tokens + positions(tokens.shape[1], tokens.shape[2], tokens.device)
        padding = torch.cat((padding.new_zeros(batch, 1), padding), 1)
        tokens = self.transformer(tokens, src_key_padding_mask=padding)
        out = rearrange(self.output(tokens[:, 1:]), "b t (p joint c) -> b (t p) joint c", p=patch, c=7)[:, :length]
        completed = matrix_from_6d(self.mean_six + offset + out[..., :6], "columns")
        completed = torch.cat((rotations[:, :, :1], completed[:, :, 1:]), 2)
        return Completion(completed, 0.05 * out[..., 6].clamp(-4, 4).exp(), self.match(tokens[:, 0])[:, 0])


class InfillPrior(CheckpointedPrior, Prior):
    """Pulls unseen joints to the network's completion; its similarity is an estimate of how good they are by now."""

    kind, config_type = "infill", InfillConfig

    def __init__(
        self,
        config: InfillConfig | None = None,
        dictionary: MotionDictionary | None = None,
        *,
        name: str = "infill",
        threshold: float = 0.2,
        floor: float = 0.6,
    ) -> None:
        super().__init__()
        self.config = config = config or InfillConfig()
        self.dictionary, self.name, self.threshold, self.floor = dictionary, name, threshold, floor
        self.network = InfillNetwork(config)
        self.eval()

    def text(self, labels: Sequence[str]) -> Tensor:
        """Text features [B, D] of labels, in the dictionary or (with ``open_vocabulary``) not; "" means no label: zeros."""
        if self.dictionary is None:
            raise SemttaError(f"Prior '{self.name}' has no motion dictionary to take text features from.")
        others = {label for label in labels if label and label not in self.labels} if self.open_vocabulary else set()
        features = self.dictionary.features([self.labels[0] if label in others else label or self.labels[0] for label in labels])
        for row, label in enumerate(labels):
            if label in others:
                features = features.index_copy(0, table((row,), features.device), wording_feature(label).to(features)[None])
        given = table(tuple(bool(label) for label in labels), features.device, torch.bool)
        return features * given[:, None]

    @torch.no_grad()
    def complete(self, motion: Motion, labels: Sequence[str]) -> Completion:
        """The network's completion of windows [B, window, 24, 3, 3] (from ``windows``)."""
        evidence = self._evidence(motion)
        mask = motion.mask if motion.mask is not None else torch.ones_like(evidence[..., 0], dtype=torch.bool)
        return self.network(motion.rotations.detach(), evidence, self.text(labels).to(evidence), mask)

    def _evidence(self, motion: Motion) -> Tensor:
        """What the network is told: all seen where visibility is unknown."""
        if motion.visible is None:
            return motion.rotations.new_ones(motion.rotations.shape[:3])
        return rotation_evidence(motion.visible.to(motion.rotations))

    def _unseen(self, motion: Motion) -> Tensor:
        """How far each local rotation [B, T, 24] is to be judged: 1 - evidence; all of them where it is unknown."""
        unseen = motion.rotations.new_ones(motion.rotations.shape[:3])
        if motion.visible is not None:
            unseen = unseen - self._evidence(motion)
        unseen = unseen if motion.mask is None else unseen * motion.mask[..., None]
        return torch.cat((torch.zeros_like(unseen[..., :1]), unseen[..., 1:]), -1)

    def loss(self, motion: Motion, labels: Sequence[str]) -> Tensor:
        """Absolute difference of unseen rotations from the (detached) completion, mean over all: [B], 0 if all is seen.

        A rotation is pulled as strongly whether few or many are unseen, and the less the label fits what is seen.
        """
        windows, owner = self.windows(motion, labels)
        completion = self.complete(windows, [labels[b] for b in owner])
        weight = self._unseen(windows) * completion.match.sigmoid()[:, None, None]
        distance = (windows.rotations - completion.rotations).abs().mean((-2, -1))
        frames = weight.shape[1] if windows.mask is None else windows.mask.sum(1)
        return per_segment((weight * distance).sum((1, 2)) / (23 * frames), owner, len(labels))

    def depth_loss(self, motion: Motion, labels: Sequence[str]) -> Tensor | None:
        """Distance of seen joints from where the network would have them, along the camera's rays, metres: [B], mean over all.

        Across the ray the 2D decides. The network takes everything for seen and for disturbed. It pulls a joint the less the
        larger the error e that it expects there, by (1 + (e / 40 mm)^2)^-2, and all of them the less the less the label fits.
        None for motion without rays or visibility.
        """
        windows, owner = self.windows(motion, labels)
        if windows.rays is None or windows.visible is None:
            return None
        clean = self.complete(replace(windows, visible=None), [labels[b] for b in owner])
        off = pelvis_frame_positions(windows.rotations) - pelvis_frame_positions(clean.rotations)
        sure = (1 + (clean.error_m / DEPTH_ERROR_M).square()).square().reciprocal()
        seen = windows.visible if windows.mask is None else windows.visible * windows.mask[..., None]
        frames = seen.shape[1] if windows.mask is None else windows.mask.sum(1)
        along = (seen * sure * (off * windows.rays).sum(-1).abs()).sum((1, 2)) / (23 * frames)
        return per_segment(along * clean.match.sigmoid(), owner, len(labels))

    def similarity(self, motion: Motion, labels: Sequence[str]) -> Tensor:
        """[B] in [0, 1]: P(label fits what is seen) * exp(-e / 100 mm).

        ``e`` is the expected error of the unseen joints: their distance from the completion plus the network's own
        estimate of its error there.
        """
        windows, owner = self.windows(motion, labels)
        completion = self.complete(windows, [labels[b] for b in owner])
        distance = (pelvis_frame_positions(windows.rotations) - pelvis_frame_positions(completion.rotations) + 1e-9).norm(dim=-1)
        weight = self._unseen(windows)
        error = (weight * (distance + completion.error_m)).sum((1, 2)) / weight.sum((1, 2)).clamp(min=1e-6)
        return per_segment(completion.match.sigmoid() * torch.exp(-error / 0.1), owner, len(labels))


class InfillSettings(PriorSettings):
    """Of ``infill``."""

    open_vocabulary: bool = Field(
        False, description="take words that are near no label as they are (losses.align.use_trust lets them count the less, the "
        "farther they are); false: leave their segments without alignment"
    )  # fmt: skip

    sigma: float | None = Field(0.5, ge=-1, le=1, description="threshold of fill-in (Eq. 6); None: the weights file's")


#: Its loss is a distance of rotations, a fortieth of a cosine's size: the paper's 0.2 would not be felt. It completes from
#: the joints that are seen, so these are fitted first: aligned from the beginning, legs settle in a wrong phase of the gait.
#: The pull in depth is felt beside the 2D's 0.1 a pixel; several times as much drifts away from what was filmed.
@register(
    "infill", settings=InfillSettings,
    suits={"losses.align.weight": 8.0, "losses.align.warmup": 0.4, "losses.depth.weight": 16.0},
)  # fmt: skip
def infill_prior(settings: InfillSettings) -> InfillPrior:
    """A label-conditioned completion of unseen joints (not of the paper); weights and 58 labels included."""
    prior = InfillPrior.from_checkpoint(settings.weights or assets.verify("prior_infill.safetensors"))
    prior.open_vocabulary = settings.open_vocabulary
    return prior
