"""HMR2.0 (Goel et al., ICCV 2023): a vision transformer whose tokens one query reads in a transformer decoder.

Parameter names are those of its public checkpoint. The crop is 256 pixels, of which the middle 192 columns are looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
import yaml
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from .. import assets
from ..errors import SemttaError
from ..geometry import CROP_FOCAL_PX, CROP_PX, matrix_from_6d, matrix_to_6d
from ..io.checkpoints import Checkpointed, count_layers, size_of, tensor_table
from ..io.files import reading
from ..io.weights import load_checkpoint
from ..types import Prediction
from .base import CROPS_AS_TRAINED, CropEstimator, EstimatorSettings, register
from .hmr import standing_pose6d

PATCH = 16
#: Channels of a head of the backbone, which no file tells (ViT-H: 1280 in 16 heads).
_BACKBONE_HEAD = 80
#: Of a checkpoint: what belongs to training and to SMPL.
_UNUSED = ("smpl.", "discriminator.", "initialized")


@dataclass(frozen=True)
class HMR2Config:
    """Sizes; the defaults are the published ones (ViT-H)."""

    width: int = 1280
    depth: int = 32
    backbone_heads: int = 16
    crop_px: int = 256
    head_width: int = 1024
    head_depth: int = 6
    heads: int = 8
    head_channels: int = 64
    feedforward: int = 1024
    iterations: int = 1
    focal_px: float = 5000.0  # of the crop's camera, in pixels of the crop


class _Attention(nn.Module):
    """Multi-head self-attention of ViT."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(x).chunk(3, -1)
        return self.proj(_attend(query, key, value, self.heads))


def _attend(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    q, k, v = (rearrange(x, "b n (h c) -> b h n c", h=heads) for x in (query, key, value))
    return rearrange(F.scaled_dot_product_attention(q, k, v), "b h n c -> b n (h c)")


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn = _Attention(width, heads)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x))))


class _ViT(nn.Module):
    """Images [N, 3, H, W] -> tokens [N, H/16 W/16, width]. Positions hold one more for a class token that is not used."""

    def __init__(self, config: HMR2Config) -> None:
        super().__init__()
        count = (config.crop_px // PATCH) * (config.crop_px * 3 // 4 // PATCH)
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, config.width, PATCH, PATCH, padding=2)})
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, count + 1, config.width))
        self.blocks = nn.ModuleList(_Block(config.width, config.backbone_heads) for _ in range(config.depth))
        self.last_norm = nn.LayerNorm(config.width, eps=1e-6)

    def forward(self, images: Tensor) -> Tensor:
        x = rearrange(self.patch_embed["proj"](images), "b c h w -> b (h w) c")
        x = x + self.pos_embed[:, 1:] + self.pos_embed[:, :1]
        for block in self.blocks:
            x = block(x)
        return self.last_norm(x)


class _Part(nn.Module):
    """``fn`` of what is normalised, or of nothing else: a layer's name in the checkpoint."""

    def __init__(self, width: int, fn: nn.Module) -> None:
        super().__init__()
        self.norm, self.fn = nn.LayerNorm(width), fn


def _layer(config: HMR2Config) -> nn.ModuleList:
    """Self-attention, cross-attention to the image's tokens, feed-forward; each normalised first."""
    width, inner = config.head_width, config.heads * config.head_channels

    def out() -> nn.Sequential:
        return nn.Sequential(nn.Linear(inner, width), nn.Dropout(0.0))

    own = nn.ModuleDict({"to_qkv": nn.Linear(width, 3 * inner, bias=False), "to_out": out()})
    cross = nn.ModuleDict({
        "to_kv": nn.Linear(config.width, 2 * inner, bias=False), "to_q": nn.Linear(width, inner, bias=False), "to_out": out(),
    })  # fmt: skip
    forward = nn.ModuleDict({"net": nn.Sequential(
        nn.Linear(width, config.feedforward), nn.GELU(), nn.Dropout(0.0), nn.Linear(config.feedforward, width),
    )})  # fmt: skip
    return nn.ModuleList(_Part(width, part) for part in (own, cross, forward))


class _Head(nn.Module):
    """Tokens [N, P, width] -> additions to the mean parameters: one zero token asks."""

    def __init__(self, config: HMR2Config, init_pose: Tensor) -> None:
        super().__init__()
        self.config = config
        self.transformer = nn.Module()
        self.transformer.to_token_embedding = nn.Linear(1, config.head_width)
        self.transformer.pos_embedding = nn.Parameter(torch.randn(1, 1, config.head_width))
        self.transformer.transformer = nn.Module()
        self.transformer.transformer.layers = nn.ModuleList(_layer(config) for _ in range(config.head_depth))
        self.decpose = nn.Linear(config.head_width, 144)
        self.decshape = nn.Linear(config.head_width, 10)
        self.deccam = nn.Linear(config.head_width, 3)
        for decoder in (self.decpose, self.decshape, self.deccam):
            nn.init.xavier_uniform_(decoder.weight, gain=0.01)
        self.init_body_pose: Tensor
        self.init_betas: Tensor
        self.init_cam: Tensor
        self.register_buffer("init_body_pose", init_pose)
        self.register_buffer("init_betas", torch.zeros(1, 10))
        self.register_buffer("init_cam", torch.tensor([[0.9, 0.0, 0.0]]))

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        heads, outer = self.config.heads, cast(Any, self.transformer)
        x = outer.to_token_embedding(tokens.new_zeros(len(tokens), 1, 1)) + outer.pos_embedding
        for own, cross, forward in outer.transformer.layers:
            query, key, value = own.fn["to_qkv"](own.norm(x)).chunk(3, -1)
            x = x + own.fn["to_out"](_attend(query, key, value, heads))
            key, value = cross.fn["to_kv"](tokens).chunk(2, -1)
            x = x + cross.fn["to_out"](_attend(cross.fn["to_q"](cross.norm(x)), key, value, heads))
            x = x + forward.fn["net"](forward.norm(x))
        out, times = x[:, 0], self.config.iterations  # the token is zero each time, so every iteration adds the same
        return (
            self.init_body_pose + times * self.decpose(out), self.init_betas + times * self.decshape(out),
            self.init_cam + times * self.deccam(out),
        )  # fmt: skip


class HMR2(Checkpointed, CropEstimator):
    """HMR2.0. ``from_images``: normalised crops [N, 3, 256, 256] -> Prediction. 6D rotations are in the layout ``columns``."""

    name = "hmr2"
    kind, config_type = "hmr2", HMR2Config
    last = ("smpl_head.",)
    box_aspect = 4 / 3

    def __init__(self, config: HMR2Config | None = None) -> None:
        super().__init__()
        self.config = config = config or HMR2Config()
        self.crop_px = config.crop_px
        self.focal_px = config.focal_px * CROP_PX / config.crop_px
        self.backbone = _ViT(config)
        start = matrix_from_6d(standing_pose6d().view(24, 6), "columns_interleaved")
        self.smpl_head = _Head(config, matrix_to_6d(start, "columns").reshape(1, 144))

    def from_images(self, images: Tensor) -> Prediction:
        margin = self.config.crop_px // 8
        tokens = self.backbone(images[..., margin:-margin])
        pose, betas, camera = self.smpl_head(tokens)
        rotations = matrix_from_6d(pose.unflatten(-1, (24, 6)), "columns")
        return Prediction(rotations, betas, camera, {"features": tokens.mean(1)})

    @classmethod
    def original(cls, path: Path) -> tuple[Mapping[str, Tensor], Mapping[str, Any]]:
        """The public lightning checkpoint (``model_config.yaml`` beside or above it).

        Widths and depths are told by the tensors, the rest by the config, or as published.
        """
        otherwise = f"{path} holds no HMR2.0 weights (expected tensors under 'state_dict')."
        table = tensor_table(load_checkpoint(path), "state_dict", otherwise=otherwise)
        tensors = {name: value for name, value in table.items() if not name.startswith(_UNUSED)}
        return tensors, {"config": asdict(_config_of(tensors, _read_config(path)))}


def _read_config(path: Path) -> dict[str, Any]:
    """``model_config.yaml`` in the checkpoint's folder or the one above; {} without one."""
    for file in (path.parent / "model_config.yaml", path.parent.parent / "model_config.yaml"):
        if file.is_file():
            with reading(file, "a YAML file of settings"):
                settings = yaml.safe_load(file.read_text(encoding="utf-8"))
            return settings if isinstance(settings, dict) else {}
    return {}


def _config_of(tensors: dict[str, Tensor], settings: dict[str, Any]) -> HMR2Config:
    usual = HMR2Config()
    model = settings.get("MODEL", {})
    head = model.get("SMPL_HEAD", {})
    decoder = head.get("TRANSFORMER_DECODER", {})
    if head.get("TRANSFORMER_INPUT", "zero") != "zero" or decoder.get("norm", "layer") != "layer":
        raise SemttaError("This HMR2.0 head starts from the mean shape or has another norm: only the published head is read.")
    width = size_of(tensors, "backbone.pos_embed", -1, usual.width)
    layers = "smpl_head.transformer.transformer.layers."
    return HMR2Config(
        width=width, depth=count_layers(tensors, "backbone.blocks.", usual.depth), backbone_heads=max(1, width // _BACKBONE_HEAD),
        crop_px=int(model.get("IMAGE_SIZE", usual.crop_px)),
        head_width=size_of(tensors, "smpl_head.decpose.weight", 1, usual.head_width),
        head_depth=count_layers(tensors, layers, usual.head_depth),
        heads=int(decoder.get("heads", usual.heads)), head_channels=int(decoder.get("dim_head", usual.head_channels)),
        feedforward=size_of(tensors, f"{layers}0.2.fn.net.0.weight", 0, usual.feedforward),
        iterations=int(head.get("IEF_ITERS", usual.iterations)),
        focal_px=float(settings.get("EXTRA", {}).get("FOCAL_LENGTH", CROP_FOCAL_PX)),
    )  # fmt: skip


@register("hmr2", settings=EstimatorSettings, suits=CROPS_AS_TRAINED)
def hmr2(settings: EstimatorSettings) -> HMR2:
    """HMR2.0 (Goel et al., ICCV 2023; ViT-H), with the user's weights of 4D-Humans."""
    return HMR2.from_checkpoint(settings.weights or assets.verify("hmr2"))
