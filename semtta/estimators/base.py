"""What every estimator offers: crops in, SMPL-format parameters out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..constants import table
from ..geometry import CROP_FOCAL_PX
from ..registry import Registry
from ..types import Prediction

estimators: Registry[Estimator] = Registry("estimators")
register = estimators.register


class Estimator(nn.Module):
    """Base class: a network with what the toolkit must know of its input and of how it likes to be adapted."""

    name: str = ""
    crop_px: int = 224  # side of the crops it takes
    focal_px: float = CROP_FOCAL_PX  # of its crop's camera, pixels of a 224 crop
    box_scale: float = 1.2  # side of the square box / extent of the visible joints
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)  # ImageNet
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    #: Settings of AdaptConfig that suit this network better than the paper's; presets but `paper` apply them.
    adaptation_defaults: Mapping[str, Any] = {}
    #: The same for a method by name; they come after the method's own defaults.
    method_defaults: Mapping[str, Mapping[str, Any]] = {}

    def normalise(self, crops: Tensor) -> Tensor:
        """uint8 RGB [N, 3, S, S] -> what ``forward`` takes, float32; channels last in memory: convolutions are faster."""
        scale = table(self.std, crops.device, torch.float32).view(3, 1, 1) * 255
        shift = table(self.mean, crops.device, torch.float32).view(3, 1, 1) * 255
        return ((crops - shift) / scale).contiguous(memory_format=torch.channels_last)

    def forward(self, crops: Tensor) -> Prediction:
        """Normalised crops [N, 3, S, S] -> parameters."""
        raise NotImplementedError
