"""MotionCLIP (Tevet et al., ECCV 2022): a transformer auto-encoder of motion whose latent lies in a text space.

Input is (B, 25, 6, T): 24 rotations as the first two rows of each matrix and one row called translation. Learnt mu and
sigma tokens come first, then the frames; mu is the motion's feature.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import torch
import yaml
from einops import rearrange, reduce
from pydantic import Field
from torch import Tensor, nn

from .. import assets
from ..errors import SemttaError, unknown_name
from ..geometry import matrix_from_6d, matrix_to_6d
from ..geometry.kinematics import pelvis_frame_positions
from ..io.checkpoints import count_layers, renamed, size_of, tensor_table
from ..io.files import reading
from ..io.weights import load_checkpoint
from ..types import Motion
from .base import GlobalRotation, MotionTextPrior, PriorSettings, register
from .checkpoint import CheckpointedPrior
from .clip import ClipText
from .dictionary import MotionDictionary

if TYPE_CHECKING:
    from typing import Self

#: Rows of the network's input: 24 rotations and the translation.
ROWS = 25
#: What the row of translation holds: zeros, the motion's own, or that of the label's exemplar.
Translation = Literal["zeros", "compute", "exemplar"]
_RIGHT_ANKLE = 8
#: MotionCLIP's parameter names -> ours.
_ORIGINAL_NAMES = {
    "encoder.muQuery": "encoder.mu", "encoder.sigmaQuery": "encoder.sigma", "encoder.skelEmbedding": "encoder.embedding",
    "encoder.seqTransEncoder": "encoder.transformer", "decoder.seqTransDecoder": "decoder.transformer",
    "decoder.finallayer": "decoder.output",
}  # fmt: skip
#: What its state holds beside the two networks: CLIP, and a body of its losses.
_BESIDE = ("clip_model.", "rotation2xyz.smpl_model.")
#: What is no weight in use: positions that a formula gives, and biases of an ablation.
_UNUSED = ("encoder.sequence_pos_encoder.pe", "decoder.sequence_pos_encoder.pe", "decoder.actionBiases")


@dataclass(frozen=True)
class MotionCLIPConfig:
    """Sizes of the network; the defaults are the published ones.

    ``patch`` frames make one token (1 in MotionCLIP). ``text_dim`` None means that text features already live in the
    latent space, as CLIP's do; else they are centred and projected linearly from that width.
    """

    width: int = 512
    layers: int = 8
    heads: int = 4
    feedforward: int = 1024
    dropout: float = 0.1
    patch: int = 1
    decoder: bool = True
    text_dim: int | None = None


@lru_cache(maxsize=64)
def positions(length: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """Sinusoidal positions [length, width] (Vaswani et al., 2017): sines on even, cosines on odd channels.

    Made once for each device; not to be written to.
    """
    with torch.inference_mode(False), torch.device("cpu"):
        angle = torch.arange(length)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
        return torch.stack((angle.sin(), angle.cos()), -1).flatten(-2).to(device)


def motion_rows(rotations: Tensor, translation: Tensor | None = None) -> Tensor:
    """Rotations [B, T, 24, 3, 3] -> the network's input [B, 25, 6, T], rows layout.

    ``translation`` [B, T, 3] fills the first half of the last row; zeros without one.
    """
    six = matrix_to_6d(rotations, "rows")
    last = torch.zeros_like(six[:, :, :1])
    if translation is not None:
        last = torch.cat((translation[:, :, None], last[..., 3:]), -1)
    return rearrange(torch.cat((six, last), 2), "b t row six -> b row six t")


def ankle_motion(rotations: Tensor) -> Tensor:
    """What MotionCLIP's data call translation: the right ankle relative to its first frame, [B, T, 3] metres.

    Of rotations [B, T, 24, 3, 3], with the pelvis held in place (the average skeleton stands for the body).
    """
    ankle = pelvis_frame_positions(rotations)[..., _RIGHT_ANKLE, :]
    placed = (rotations[..., 0, :, :] @ ankle[..., None])[..., 0]
    return placed - placed[:, :1]


class MotionEncoder(nn.Module):
    """(B, 25, 6, T), mask (B, T) -> mu (B, width), not normalised."""

    def __init__(self, config: MotionCLIPConfig) -> None:
        super().__init__()
        self.config = config
        self.mu = nn.Parameter(torch.randn(1, config.width))
        self.sigma = nn.Parameter(torch.randn(1, config.width))
        self.embedding = nn.Linear(ROWS * 6 * config.patch, config.width)
        layer = nn.TransformerEncoderLayer(
            config.width, config.heads, config.feedforward, config.dropout, activation="gelu", batch_first=True
        )
        self.transformer = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``mask`` is True for real frames; padding frames do not change the result."""
        frames, real = _tokens(x, mask, self.config.patch)
        batch, length = real.shape
        heads = torch.stack((self.mu, self.sigma), 1).expand(batch, 2, -1)
        tokens = torch.cat((heads, self.embedding(frames)), 1)
        tokens = self.dropout(tokens + positions(length + 2, tokens.shape[-1], tokens.device))
        padding = torch.cat((real.new_zeros(batch, 2), ~real), 1)
        return self.transformer(tokens, src_key_padding_mask=padding)[:, 0]


class MotionDecoder(nn.Module):
    """Latent (B, width), length T -> (B, 25, 6, T): queries are positions, memory is the single latent."""

    def __init__(self, config: MotionCLIPConfig) -> None:
        super().__init__()
        self.config = config
        layer = nn.TransformerDecoderLayer(
            config.width, config.heads, config.feedforward, config.dropout, activation="gelu", batch_first=True
        )
        self.transformer = nn.TransformerDecoder(layer, config.layers)
        self.output = nn.Linear(config.width, ROWS * 6 * config.patch)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, latent: Tensor, length: int, mask: Tensor | None = None) -> Tensor:
        """``mask`` (B, T), True for real frames."""
        patch = self.config.patch
        count = math.ceil(length / patch)
        queries = self.dropout(positions(count, latent.shape[-1], latent.device).expand(len(latent), -1, -1))
        padding = None if mask is None else ~reduce(_pad_frames(mask, patch), "b (t p) -> b t", "any", p=patch)
        frames = self.output(self.transformer(queries, latent[:, None], tgt_key_padding_mask=padding))
        return rearrange(frames, "b t (p row six) -> b row six (t p)", p=patch, row=ROWS)[..., :length]


def _pad_frames(x: Tensor, patch: int) -> Tensor:
    """Zeros after the last frame (dimension 1) up to a multiple of ``patch``."""
    extra = -x.shape[1] % patch
    return torch.cat((x, x.new_zeros(x.shape[0], extra, *x.shape[2:])), 1) if extra else x


def _tokens(x: Tensor, mask: Tensor | None, patch: int) -> tuple[Tensor, Tensor]:
    """(B, 25, 6, T) -> tokens (B, T / patch, 150 patch), zero where padded, and which tokens hold a real frame."""
    frames = rearrange(x, "b row six t -> b t (row six)")
    mask = torch.ones(frames.shape[:2], dtype=torch.bool, device=x.device) if mask is None else mask
    frames, mask = _pad_frames(frames * mask[..., None], patch), _pad_frames(mask, patch)
    return rearrange(frames, "b (t p) c -> b t (p c)", p=patch), reduce(mask, "b (t p) -> b t", "any", p=patch)


class MotionCLIP(CheckpointedPrior, MotionTextPrior):
    """MotionCLIP as a prior: Eq. 3's motion encoder, with text features from a dictionary, or from CLIP without one.

    ``translation``: what the last row of the input holds ("zeros" unless you know that your weights want another).
    """

    kind, config_type = "motionclip", MotionCLIPConfig
    saved_settings: ClassVar[tuple[str, ...]] = ("global_rotation", "threshold", "floor", "translation")
    text_center: Tensor  # [text_dim], where text features are projected

    def __init__(
        self,
        config: MotionCLIPConfig | None = None,
        dictionary: MotionDictionary | None = None,
        *,
        name: str = "motionclip",
        global_rotation: GlobalRotation = "exemplar",
        threshold: float = 0.75,
        floor: float = 0.6,
        translation: Translation = "zeros",
        text: Callable[[Sequence[str]], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.config = config = config or MotionCLIPConfig()
        self.dictionary, self.name, self.global_rotation = dictionary, name, global_rotation
        self.threshold, self.floor = threshold, floor
        if translation not in get_args(Translation):
            raise unknown_name("translation row", translation, get_args(Translation))
        self.translation, self.text = translation, text
        self.encoder = MotionEncoder(config)
        self.decoder = MotionDecoder(config) if config.decoder else None
        if config.text_dim is not None:
            self.text_projection = nn.Linear(config.text_dim, config.width, bias=False)
            self.register_buffer("text_center", torch.zeros(config.text_dim))
        self.eval()

    def encode_motion(self, motion: Motion) -> Tensor:
        """Features [B, width] of motion [B, T, 24, 3, 3]."""
        moved = ankle_motion(motion.rotations) if self.translation == "compute" else None
        return self.encoder(motion_rows(motion.rotations, moved), motion.mask)

    def encode_labelled(self, motion: Motion, labels: Sequence[str]) -> Tensor:
        """The same with the global rotation, and if so set the translation, of the labels' exemplars."""
        if self.translation != "exemplar" or self.dictionary is None or self.dictionary.exemplars is None:
            return super().encode_labelled(motion, labels)
        length = motion.rotations.shape[1]
        moved = ankle_motion(torch.stack([self.dictionary.exemplar(label, length) for label in labels]).to(motion.rotations))
        rotations = self.with_global_rotation(motion, labels).rotations
        return self.encoder(motion_rows(rotations, moved), motion.mask)

    def encode_text(self, labels: Sequence[str]) -> Tensor:
        """Features [B, width] of labels of the dictionary (resolve another wording first), of any without one."""
        if self.dictionary is None:
            if self.text is not None:
                return self.text(labels).to(self.encoder.mu)
            raise SemttaError(f"Prior '{self.name}' has no motion dictionary to take text features from.")
        features = self.dictionary.features(labels).to(self.encoder.mu)
        return features if self.config.text_dim is None else self.text_projection(features - self.text_center)

    def decode(self, labels: Sequence[str], num_frames: int) -> Tensor:
        """Motion [B, num_frames, 24, 3, 3] that the decoder makes of the labels' text features."""
        if self.decoder is None:
            raise SemttaError(f"Prior '{self.name}' was trained without a decoder: use prior 'open-cosine'.")
        latent = self.encode_text(labels)
        return matrix_from_6d(rearrange(self.decoder(latent, num_frames)[:, :24], "b row six t -> b t row six"), "rows")

    @classmethod
    def build(cls, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> Self:
        """Without a dictionary in the file, labels go through CLIP."""
        model = super().build(tensors, metadata)
        if model.dictionary is None and model.config.text_dim is None:
            model.text = ClipText()
        return model

    @classmethod
    def original(cls, path: Path) -> tuple[Mapping[str, Tensor], Mapping[str, Any]]:
        """MotionCLIP's own ``checkpoint_0100.pth.tar`` (``opt.yaml`` beside it)."""
        otherwise = f"{path} is not MotionCLIP's checkpoint (expected one flat table of tensors)."
        state = tensor_table(load_checkpoint(path), "", otherwise=otherwise)
        used = {k: v for k, v in state.items() if k not in _UNUSED and not k.startswith(_BESIDE)}
        tensors = {renamed(name, _ORIGINAL_NAMES): value for name, value in used.items()}
        return tensors, {"config": _original_sizes(tensors, path.parent / "opt.yaml")}


def _original_sizes(tensors: Mapping[str, Tensor], opt: Path) -> dict[str, Any]:
    """Sizes by the tensors; the number of heads, which they do not tell, by MotionCLIP's options."""
    options, usual = _options(opt), MotionCLIPConfig()
    layers = "encoder.transformer.layers."
    sizes = {
        "width": size_of(tensors, "encoder.mu", -1, usual.width), "layers": count_layers(tensors, layers, usual.layers),
        "heads": int(options.get("num_heads", usual.heads)),
        "feedforward": size_of(tensors, f"{layers}0.linear1.weight", 0, usual.feedforward),
    }  # fmt: skip
    for key, value in (("latent_dim", sizes["width"]), ("num_layers", sizes["layers"]), ("pose_rep", "rot6d")):
        if options.get(key, value) != value:
            raise SemttaError(f"{opt} says {key} {options[key]}, the checkpoint beside it {value}.")
    return sizes


def _options(path: Path) -> dict[str, Any]:
    """MotionCLIP's hyper-parameters: only plain values are read. Nothing if the file is not there."""
    if not path.is_file():
        return {}
    with reading(path, "a YAML file of options"):
        options = yaml.safe_load(path.read_text(encoding="utf-8"))
    return options if isinstance(options, dict) else {}


class MotionCLIPSettings(PriorSettings):
    """Of ``motionclip``; None leaves what the weights file says."""

    global_rotation: GlobalRotation | None = Field(None, description="what replaces the predicted global rotation (Eq. 4)")
    translation: Translation | None = Field(None, description="what the 25th row of the encoder's input holds")


@register("motionclip", settings=MotionCLIPSettings)
def motionclip(settings: MotionCLIPSettings) -> MotionCLIP:
    """The published model (Tevet et al., ECCV 2022), with the user's weights."""
    file = settings.weights or assets.verify("motionclip")
    prior = MotionCLIP.from_checkpoint(file)
    prior.global_rotation = settings.global_rotation or prior.global_rotation
    if prior.global_rotation == "exemplar" and (prior.dictionary is None or prior.dictionary.exemplars is None):
        raise SemttaError(
            f"{file} has no motion dictionary, which Eq. 4's global rotation and the labels come from: build it with 'semtta "
            f"dictionary build OUT --mocap AMASS --babel BABEL --for motionclip --weights {file}' and give "
            "--set prior.weights=OUT/motionclip.safetensors; or do without it on purpose: --set prior.global_rotation=predicted."
        )
    prior.translation = settings.translation or prior.translation
    return prior
