"""The included priors: MotionCLIP's architecture, smaller, trained on free motions in a sentence encoder's space.

``open-cosine`` is trained as MotionCLIP is (cosine and reconstruction). ``open`` is Eq. 3's cosine times a quality: how
near the motion is to what a label-conditioned network would make of it. The plain cosine's gradient repairs hardly
anything (docs/prior.md); the quality's leads to a whole motion of the label. Neither knows which joints were seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import assets
from ..geometry.kinematics import pelvis_frame_positions
from ..io.checkpoints import config_of
from ..io.weights import load_weights
from ..types import Motion
from .base import PriorSettings, per_segment, per_window, register
from .dictionary import MotionDictionary
from .infill import InfillConfig, InfillNetwork
from .motionclip import MotionCLIP, MotionCLIPConfig
from .text import SENTENCE_DIM

OPEN_CONFIG = MotionCLIPConfig(
    width=128, layers=4, heads=4, feedforward=256, dropout=0.0, patch=5, decoder=False, text_dim=SENTENCE_DIM
)
OPEN_COSINE_CONFIG = MotionCLIPConfig(
    width=128, layers=4, heads=4, feedforward=256, dropout=0.0, patch=5, decoder=True, text_dim=SENTENCE_DIM
)
#: Error at which the quality of a motion falls to 1 / e, metres.
QUALITY_SCALE_M = 0.1


class OpenPrior(MotionCLIP):
    """MotionCLIP's encoder for whether the label fits, and a completion network for how good the motion is.

    Both see motion in the pelvis frame; the completion is a constant of the loss (the gradient pulls towards it).
    """

    kind, saved_settings = "open", ("threshold", "floor")

    def __init__(
        self,
        config: MotionCLIPConfig,
        completion: InfillConfig,
        dictionary: MotionDictionary | None = None,
        *,
        name: str = "open",
        threshold: float = 0.5,
        floor: float = 0.6,
    ) -> None:
        super().__init__(config, dictionary, name=name, global_rotation="identity", threshold=threshold, floor=floor)
        self.completion = InfillNetwork(completion)
        self.eval()

    def quality(self, motion: Motion, labels: Sequence[str]) -> Tensor:
        """exp(-e / 100 mm) of windows [B, window, 24, 3, 3], [B] in (0, 1].

        ``e`` is the root mean square over joints and frames of the distance from the completion, and of the network's
        own estimate of its error (large where seen joints and label leave the rest open).
        """
        assert self.dictionary is not None
        mask = motion.mask if motion.mask is not None else motion.rotations.new_ones(motion.rotations.shape[:2]).bool()
        seen = motion.rotations.new_ones(motion.rotations.shape[:3])
        with torch.no_grad():
            completion = self.completion(motion.rotations, seen, self.dictionary.features(labels).to(seen), mask)
            target = pelvis_frame_positions(completion.rotations)
        squared = (pelvis_frame_positions(motion.rotations) - target).square().sum(-1) + completion.error_m.square()
        error = ((squared * mask[..., None]).sum((1, 2)) / (24 * mask.sum(1))).sqrt()
        return torch.exp(-error / QUALITY_SCALE_M)

    def similarity(self, motion: Motion, labels: Sequence[str]) -> Tensor:
        """(1 + cosine of motion and text features) / 2 * quality, mean over the windows of each segment. [B] in [0, 1]."""
        windows, owner = self.windows(motion, labels)
        names = [labels[b] for b in owner]
        windows = self.with_global_rotation(windows, names)
        text = per_window(self.encode_text(labels), owner)
        cosine = torch.cosine_similarity(self.encode_motion(windows), text, dim=-1, eps=1e-6)
        return per_segment((1 + cosine) / 2 * self.quality(windows, names), owner, len(labels))

    def described(self) -> dict[str, Any]:
        sizes = {"encoder": asdict(self.config), "completion": asdict(self.completion.config)}
        return {**super().described(), "config": sizes}

    @classmethod
    def configs(cls, sizes: Mapping[str, Any]) -> tuple[MotionCLIPConfig, InfillConfig]:
        return config_of(MotionCLIPConfig, sizes["encoder"]), config_of(InfillConfig, sizes["completion"])

    @classmethod
    def original(cls, path: Path) -> tuple[Mapping[str, Tensor], Mapping[str, Any]]:
        return load_weights(path, cls.kind)  # only this project has it, unlike MotionCLIP


#: Aligned only once what is seen is fitted, as `infill`: on `synthwild` val 51.7 mm PA-MPJPE fall to 46.2.
@register("open", settings=PriorSettings, suits={"losses.align.warmup": 0.4})
def open_prior(settings: PriorSettings) -> OpenPrior:
    """Eq. 3's cosine times the motion's quality, as a completion network sees it; weights and 58 labels included."""
    return OpenPrior.from_checkpoint(settings.weights or assets.verify("prior_open.safetensors"))


@register("open-cosine", settings=PriorSettings)
def open_cosine_prior(settings: PriorSettings) -> MotionCLIP:
    """A small MotionCLIP trained as the published one, for comparison; has a decoder; weights included."""
    return MotionCLIP.from_checkpoint(settings.weights or assets.verify("prior_open-cosine.safetensors"))
