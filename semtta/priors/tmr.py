"""TMR (Petrovich et al., ICCV 2023): motion and text in one space, trained for retrieval."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .. import assets
from ..errors import SemttaError, first_line, missing_extra
from ..geometry.kinematics import pelvis_frame_positions
from ..io.checkpoints import Checkpointed, count_layers, size_of, tensor_table
from ..io.weights import load_checkpoint
from ..types import Motion
from .base import GlobalRotation, MotionTextPrior, PriorSettings, register
from .dictionary import MotionDictionary
from .humanml3d import FEATURES, JOINTS, features
from .motionclip import positions

#: Where TMR's repository keeps mean and deviation of the features; TMR++ has others for its mixtures of datasets.
_STATISTICS = "stats/humanml3d/guoh3dfeats"
_READ = "HumanML3D's 263 features are read (TMR, TMR++), other definitions are not (TMR-SOMA's 30 joints, rotations only)"
_MODULES = ("motion_encoder", "text_encoder")


@dataclass(frozen=True)
class TMRConfig:
    """Sizes; the defaults are the published ones."""

    width: int = 256
    layers: int = 6
    heads: int = 4
    feedforward: int = 1024
    dropout: float = 0.1
    text_width: int = 768


class SequenceEncoder(nn.Module):
    """Sequences [B, T, inputs] and mask [B, T] (True = real) -> mean [B, width]: the first of two learnt tokens."""

    def __init__(self, inputs: int, config: TMRConfig) -> None:
        super().__init__()
        self.projection = nn.Linear(inputs, config.width)
        self.tokens = nn.Parameter(torch.randn(2, config.width))
        layer = nn.TransformerEncoderLayer(
            config.width, config.heads, config.feedforward, config.dropout, activation="gelu", batch_first=True
        )
        self.seqTransEncoder = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        tokens = torch.cat((self.tokens.expand(len(x), -1, -1), self.projection(x)), 1)
        tokens = self.dropout(tokens + positions(tokens.shape[1], tokens.shape[2], tokens.device))
        padding = torch.cat((mask.new_zeros(len(x), 2), ~mask), 1)
        return self.seqTransEncoder(tokens, src_key_padding_mask=padding)[:, 0]


class TextTokens:
    """Labels -> token features [B, L, 768] of DistilBERT and their mask, as TMR's text encoder takes them."""

    def __init__(self, model: str = "distilbert-base-uncased") -> None:
        self.name = model
        self._parts: tuple[Any, Any] | None = None

    @torch.no_grad()
    def __call__(self, labels: Sequence[str]) -> tuple[Tensor, Tensor]:
        tokeniser, model = self._parts = self._parts or self._load()
        batch = tokeniser(list(labels), return_tensors="pt", padding=True)
        return model(**batch).last_hidden_state, batch["attention_mask"].bool()

    def _load(self) -> tuple[Any, Any]:
        try:
            from transformers import AutoModel, AutoTokenizer
        except ImportError as error:
            raise missing_extra("TMR's text features", "text", error) from error
        try:
            return AutoTokenizer.from_pretrained(self.name), AutoModel.from_pretrained(self.name).eval()
        except (OSError, ValueError) as error:
            raise SemttaError(
                f"The text model '{self.name}' cannot be loaded ({first_line(error)[:120]}): it is downloaded once."
            ) from error


class TMR(Checkpointed, MotionTextPrior):
    """TMR as a prior at 20 fps. The joints are those of the average skeleton, the pelvis held in place.

    ``text`` gives token features and mask of labels, DistilBERT's by default. With a dictionary its text features are used.
    """

    kind, config_type = "tmr", TMRConfig
    fps = 20.0
    window = 60
    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        config: TMRConfig | None = None,
        dictionary: MotionDictionary | None = None,
        *,
        name: str = "tmr",
        global_rotation: GlobalRotation = "exemplar",
        text: Callable[[Sequence[str]], tuple[Tensor, Tensor]] | None = None,
    ) -> None:
        super().__init__()
        self.config = config = config or TMRConfig()
        self.dictionary, self.name, self.global_rotation, self.text = dictionary, name, global_rotation, text or TextTokens()
        self.motion_encoder = SequenceEncoder(FEATURES, config)
        self.text_encoder = SequenceEncoder(config.text_width, config)
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("deviation", torch.ones(FEATURES))
        self.eval()

    def encode_motion(self, motion: Motion) -> Tensor:
        """Features [B, width] of motion [B, T, 24, 3, 3] whose global rotation is into a frame with y up."""
        rotations = motion.rotations
        joints = rotations[:, :, :1] @ pelvis_frame_positions(rotations)[:, :, :JOINTS, :, None]
        x = (features(joints[..., 0]) - self.mean) / (self.deviation + 1e-12)
        mask = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device) if motion.mask is None else motion.mask[:, 1:]
        return self.motion_encoder(x, mask)

    def encode_text(self, labels: Sequence[str]) -> Tensor:
        """Features [B, width] of labels."""
        if self.dictionary is not None:
            return self.dictionary.features(labels).to(self.mean)
        tokens, mask = self.text(labels)
        return self.text_encoder(tokens.to(self.mean), mask.to(self.mean.device))

    @classmethod
    def original(cls, path: Path) -> tuple[Mapping[str, Tensor], Mapping[str, Any]]:
        """The folder of a TMR model (``last_weights`` or a lightning checkpoint in it).

        The features' ``mean.pt`` and ``std.pt`` lie in that folder, or where the model's ``config.json`` says in the
        repository around it. TMR++ (Bensabath et al., CVPRW 2024) is the same network. Raises SemttaError for models that
        take other features.
        """
        tensors, usual = _original_tensors(path), TMRConfig()
        layers = "motion_encoder.seqTransEncoder.layers."
        return tensors, {"config": {
            "width": size_of(tensors, "motion_encoder.tokens", 1, usual.width),
            "layers": count_layers(tensors, layers, usual.layers),
            "feedforward": size_of(tensors, f"{layers}0.linear1.weight", 0, usual.feedforward),
            "text_width": size_of(tensors, "text_encoder.projection.weight", 1, usual.text_width),
        }}  # fmt: skip


def _original_tensors(path: Path) -> dict[str, Tensor]:
    folder = path if path.is_dir() else path.parent
    split, whole = folder / "last_weights", folder / "logs/checkpoints/last.ckpt"
    if path.is_dir() and (path / "config.yaml").is_file() and not (split.is_dir() or whole.is_file()):
        raise SemttaError(f"{path} is a model of another layout than TMR's: {_READ}.")
    otherwise = f"{path} holds no TMR weights (expected last_weights, or tensors under 'state_dict')."
    if path.is_dir() and split.is_dir():
        parts = {module: tensor_table(load_checkpoint(split / f"{module}.pt"), "", otherwise=otherwise) for module in _MODULES}
        state = {f"{module}.{name}": value for module, part in parts.items() for name, value in part.items()}
    else:
        state = tensor_table(load_checkpoint(whole if path.is_dir() else path), "state_dict", otherwise=otherwise)
    tensors = {k: v for k, v in state.items() if k.split(".")[0] != "motion_decoder" and not k.endswith(".pe")}
    taken = size_of(tensors, "motion_encoder.projection.weight", 1, FEATURES)
    if taken != FEATURES:
        raise SemttaError(f"{path} takes {taken} features a frame: {_READ}.")
    for place in _statistics(folder):
        if (folder / place / "mean.pt").is_file():
            statistics = {
                "mean": load_checkpoint(folder / place / "mean.pt"),
                "deviation": load_checkpoint(folder / place / "std.pt"),
            }
            return tensors | tensor_table(statistics, "", otherwise=f"{folder / place} holds no statistics of features.")
    raise SemttaError(f"{path}: mean.pt and std.pt are missing (stats/humanml3d/guoh3dfeats of TMR): put them into {folder}.")


def _statistics(folder: Path) -> list[str]:
    """Where mean and deviation may be, from the model's folder: the dataset's that its ``config.json`` names, if it does."""
    named = _STATISTICS
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        place = str(config["data"]["motion_loader"]["normalizer"]["base_dir"])
        named = place[place.index("stats/") :]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return [".", named, f"../../{named}"]


@register("tmr", settings=PriorSettings)
def tmr(settings: PriorSettings) -> TMR:
    """TMR (Petrovich et al., ICCV 2023), with the user's weights."""
    return TMR.from_checkpoint(settings.weights or assets.verify("tmr"))
