"""HMR (Kanazawa et al., 2018): a ResNet whose pooled features drive an iterative regressor of SMPL parameters.

``HMR()`` is the network of CycleAdapt, BOA and DynaBOA (GroupNorm with 4 groups, 172 tensors), ``HMR(norm="batch")`` that of
SPIN and VIBE; parameter names are theirs. Other widths and depths give smaller networks, and ``joint_maps`` adds what
small networks need to learn quickly: soft-argmax joints, fed to the regressor with the pooled features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from .. import assets
from ..geometry import matrix_from_6d, matrix_to_6d
from ..io.checkpoints import Checkpointed, part_of, tensor_table
from ..io.weights import load_checkpoint
from ..types import Prediction
from .base import CROPS_AS_TRAINED, CropEstimator, EstimatorSettings, register


@dataclass(frozen=True)
class HMRConfig:
    """Architecture; the defaults are the paper's network."""

    block: Literal["bottleneck", "basic"] = "bottleneck"
    depths: tuple[int, ...] = (3, 4, 6, 3)
    widths: tuple[int, ...] = (64, 128, 256, 512)
    stem: int = 64
    norm: Literal["group", "batch"] = "group"
    groups: int = 4
    crop_px: int = 224
    hidden: int = 1024
    dropout: float = 0.5
    iterations: int = 3
    activation: bool = False  # GELU after both hidden layers; HMR has none
    joint_maps: int = 0  # joints found by soft-argmax on the second stage's grid; 0 = none

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def _norm(config: HMRConfig, channels: int) -> nn.Module:
    return nn.GroupNorm(config.groups, channels) if config.norm == "group" else nn.BatchNorm2d(channels)


class _Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, config: HMRConfig, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = _norm(config, width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = _norm(config, width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = _norm(config, 4 * width)
        self.downsample = _shortcut(config, inputs, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(self.conv1(x)).relu_()
        y = self.bn2(self.conv2(y)).relu_()
        y = self.bn3(self.conv3(y))
        return y.add_(x if self.downsample is None else self.downsample(x)).relu_()


class _Basic(nn.Module):
    expansion = 1

    def __init__(self, config: HMRConfig, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = _norm(config, width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = _norm(config, width)
        self.downsample = _shortcut(config, inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(self.conv1(x)).relu_()
        y = self.bn2(self.conv2(y))
        return y.add_(x if self.downsample is None else self.downsample(x)).relu_()


def _shortcut(config: HMRConfig, inputs: int, outputs: int, stride: int) -> nn.Module | None:
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), _norm(config, outputs))


class JointMaps(nn.Module):
    """Soft-argmax joints in 2.5D from the features of three stages, from deep to fine.

    For each of J joints a heat map and a depth map; position and depth are their expectation. Output [N, 4 J]:
    x and y in [-1, 1] of the crop, root-relative depth (metres), and the entropy-like sharpness ``sum p^2``.

    Left and right look alike nearby: which is which depends on the way the person faces. So what the whole image shows
    scales and shifts the channels of the middle stage; without that the maps of a pair of limbs have two peaks, and
    their expectation lies between the limbs.
    """

    def __init__(self, joints: int, fine: int, coarse: int, deep: int, width: int = 96) -> None:
        super().__init__()
        self.joints = joints
        self.lateral = nn.Conv2d(fine, width, 1)
        self.top = nn.Conv2d(coarse, width, 1)
        self.context = nn.Conv2d(deep, width, 1)
        self.style = nn.Linear(deep, 2 * width)
        self.join = nn.Conv2d(width, width, 3, padding=1)
        self.mix = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.GELU(), nn.Conv2d(width, 2 * joints, 1))

    def forward(self, fine: Tensor, coarse: Tensor, deep: Tensor) -> tuple[Tensor, Tensor]:
        """Features [N, C, H, W] of three stages -> (joints [N, J, 4], heat-map logits [N, J, H, W])."""
        scale, shift = self.style(deep.mean((-2, -1)))[..., None, None].chunk(2, dim=1)
        top = self.top(coarse) + _enlarged(self.context(deep), coarse)
        top = nn.functional.gelu(self.join((top * (1 + scale) + shift).relu()))
        logits, depth = self.mix((self.lateral(fine) + _enlarged(top, fine)).relu()).chunk(2, dim=1)
        height, width = logits.shape[-2:]
        weight = logits.flatten(2).softmax(-1).view_as(logits)
        xs = (torch.arange(width, device=logits.device, dtype=logits.dtype) + 0.5) * (2 / width) - 1
        ys = (torch.arange(height, device=logits.device, dtype=logits.dtype) + 0.5) * (2 / height) - 1
        x = (weight.sum(-2) * xs).sum(-1)
        y = (weight.sum(-1) * ys).sum(-1)
        z = (weight * depth).sum((-2, -1))
        return torch.stack((x, y, z, weight.square().sum((-2, -1))), -1), logits


def _enlarged(x: Tensor, like: Tensor) -> Tensor:
    return nn.functional.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


class HMR(Checkpointed, CropEstimator):
    """Human mesh recovery. ``from_images``: normalised crops [N, 3, S, S] -> Prediction.

    6D rotations are in the layout ``columns_interleaved``. ``extras`` holds ``features`` [N, F] (pooled), ``fc1`` [N, hidden]
    of the last iteration (DynaBOA's feature), and with ``joint_maps`` the ``joints25d`` [N, J, 4] and ``heatmaps``.
    """

    name = "hmr"
    kind, config_type = "hmr", HMRConfig
    last = ("layer4.", "fc1.", "fc2.", "decpose.", "decshape.", "deccam.")

    def __init__(self, config: HMRConfig | None = None, *, init_pose6d: Tensor | None = None) -> None:
        super().__init__()
        self.config = config = config or HMRConfig()
        self.crop_px = config.crop_px
        block = _Bottleneck if config.block == "bottleneck" else _Basic
        self.conv1 = nn.Conv2d(3, config.stem, 7, 2, 3, bias=False)
        self.bn1 = _norm(config, config.stem)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels, outputs = config.stem, []
        for i, (depth, width) in enumerate(zip(config.depths, config.widths, strict=True)):
            strides = [1 if i == 0 else 2] + [1] * (depth - 1)
            layers = []
            for stride in strides:
                layers.append(block(config, channels, width, stride))
                channels = width * block.expansion
            self.add_module(f"layer{i + 1}", nn.Sequential(*layers))
            outputs.append(channels)
        self.maps = JointMaps(config.joint_maps, outputs[1], outputs[2], outputs[-1]) if config.joint_maps else None
        inputs = channels + 4 * config.joint_maps
        self.fc1 = nn.Linear(inputs + 144 + 13, config.hidden)
        self.drop1 = nn.Dropout(config.dropout)
        self.fc2 = nn.Linear(config.hidden, config.hidden)
        self.drop2 = nn.Dropout(config.dropout)
        self.decpose = nn.Linear(config.hidden, 144)
        self.decshape = nn.Linear(config.hidden, 10)
        self.deccam = nn.Linear(config.hidden, 3)
        for decoder in (self.decpose, self.decshape, self.deccam):
            nn.init.xavier_uniform_(decoder.weight, gain=0.01)
        self.init_pose: Tensor
        self.init_shape: Tensor
        self.init_cam: Tensor
        self.register_buffer("init_pose", init_pose6d.reshape(1, 144) if init_pose6d is not None else standing_pose6d())
        self.register_buffer("init_shape", torch.zeros(1, 10))
        self.register_buffer("init_cam", torch.tensor([[0.9, 0.0, 0.0]]))
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @classmethod
    def original(cls, path: Path) -> tuple[Mapping[str, Tensor], Mapping[str, Any]]:
        """A checkpoint as CycleAdapt, BOA, DynaBOA, SPIN and VIBE distribute it; GroupNorm or BatchNorm by its tensors.

        Also what CycleAdapt writes of a sequence that it has adapted to (``SEQUENCE.pth.tar``: both networks and SMPL).
        """
        table = tensor_table(
            load_checkpoint(path), "model", "gen_state_dict", "state_dict", "model_state_dict", "",
            otherwise=f"{path} holds no HMR weights (expected tensors under 'model').",
        )  # fmt: skip
        tensors = part_of(table, "hmr_net.")
        batch = any(name.endswith("running_mean") for name in tensors)
        return tensors, {"config": {"norm": "batch" if batch else "group"}}

    def stages(self, crops: Tensor) -> list[Tensor]:
        """Feature maps of the four stages."""
        x = self.maxpool(self.bn1(self.conv1(crops)).relu_())
        maps = []
        for i in range(len(self.config.depths)):
            x = getattr(self, f"layer{i + 1}")(x)
            maps.append(x)
        return maps

    def regress(self, features: Tensor) -> Prediction:
        """Features [N, F] -> parameters, by iterative error feedback from the mean parameters."""
        n = len(features)
        pose, shape, camera = (b.expand(n, -1) for b in (self.init_pose, self.init_shape, self.init_cam))
        first = features
        for _ in range(self.config.iterations):
            first = self.fc1(torch.cat((features, pose, shape, camera), 1))
            hidden = self.drop1(nn.functional.gelu(first) if self.config.activation else first)
            hidden = self.fc2(hidden)
            hidden = self.drop2(nn.functional.gelu(hidden) if self.config.activation else hidden)
            pose, shape, camera = pose + self.decpose(hidden), shape + self.decshape(hidden), camera + self.deccam(hidden)
        rotations = matrix_from_6d(pose.view(n, 24, 6), "columns_interleaved")
        return Prediction(rotations, shape, camera, {"fc1": first})

    def from_images(self, images: Tensor) -> Prediction:
        stages = self.stages(images)
        features = stages[-1].mean((-2, -1))
        extras = {"features": features}
        if self.maps is not None:
            joints, heatmaps = self.maps(stages[1], stages[2], stages[-1])
            features = torch.cat((features, joints.flatten(1)), 1)
            extras |= {"joints25d": joints, "heatmaps": heatmaps}
        prediction = self.regress(features)
        return Prediction(*prediction.tensors(), {**extras, **prediction.extras})


def standing_pose6d() -> Tensor:
    """[1, 144]: every joint at rest, the body upright and facing the camera (x right, y down, z forward)."""
    rotations = torch.eye(3).repeat(24, 1, 1)
    rotations[0] = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    return matrix_to_6d(rotations, "columns_interleaved").reshape(1, 144)


@register("hmr", settings=EstimatorSettings, suits=CROPS_AS_TRAINED)
def hmr(settings: EstimatorSettings) -> HMR:
    """The paper's network (ResNet-50, GroupNorm), with the user's weights of CycleAdapt, BOA, SPIN or VIBE."""
    return HMR.from_checkpoint(settings.weights or assets.verify("hmr"))
