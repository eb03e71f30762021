"""Verification of labels: mean CLIP similarity between label and frames of a segment (Appendix B)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import SemttaError, first_line, missing_extra
from .settings import VLMSettings


class ClipVerifier:
    """Cosine similarity between the CLIP features of a label and of images, by open_clip."""

    def __init__(self, model: str, weights: str = "", device: str = "cpu") -> None:
        """Args: as ``VLMSettings.clip_model`` and ``clip_weights``. Raises SemttaError if they cannot be loaded."""
        try:
            import open_clip
        except ImportError as error:
            raise missing_extra("Verifying labels", "clip", error) from error
        pretrained = None if model.startswith("local-dir:") else weights
        try:
            self.model, _, self.transform = open_clip.create_model_and_transforms(model, pretrained=pretrained, device=device)
            self.tokenizer = open_clip.get_tokenizer(model)
        except Exception as error:  # open_clip and its download libraries raise many kinds
            reason = first_line(error)[:160]
            raise SemttaError(
                f"CLIP '{model}' with weights '{weights}' cannot be loaded ({reason}): give others with --set "
                "vlm.clip_model=... and vlm.clip_weights=FILE, or --set vlm.verify=never."
            ) from error
        self.model.eval()
        self.device = device
        self._lock = threading.Lock()

    @torch.no_grad()
    def score(self, label: str, images: Sequence[np.ndarray]) -> float:
        """Mean cosine similarity of the label with the images (uint8 RGB [H, W, 3]), in [-1, 1]."""
        from PIL import Image

        with self._lock:
            batch = torch.stack([self.transform(Image.fromarray(image)) for image in images]).to(self.device)
            text = self.model.encode_text(self.tokenizer([label]).to(self.device))
            return torch.cosine_similarity(self.model.encode_image(batch), text, dim=-1).mean().item()


def make_verifier(settings: VLMSettings, device: str = "cpu") -> tuple[ClipVerifier | None, str]:
    """The verifier that the settings ask for, or None and the reason ("" if none is wanted)."""
    if settings.verify == "never":
        return None, ""
    if settings.verify == "auto" and (missing := _missing(settings)):
        return None, f"labels were not verified: {missing}"
    return ClipVerifier(settings.clip_model, settings.clip_weights, device), ""


def _missing(settings: VLMSettings) -> str:
    """What is missing to run CLIP on this machine; "" if nothing."""
    try:
        import open_clip
    except ImportError:
        return "open_clip is not installed (pip install 'semtta[clip]')"
    model, weights = settings.clip_model, settings.clip_weights
    if model.startswith("local-dir:") or Path(weights).is_file() or _downloaded(open_clip.get_pretrained_cfg(model, weights)):
        return ""
    return f"CLIP's weights '{weights}' are not installed: --set vlm.verify=always downloads them, or give vlm.clip_weights=FILE"


def _downloaded(row: dict[str, Any]) -> bool:
    if Path.home().joinpath(".cache/clip", Path(row.get("url", "none")).name).is_file():
        return True
    repository, _, file = row.get("hf_hub", "").rpartition("/")
    if not repository:
        return False
    from huggingface_hub import try_to_load_from_cache

    names = filter(None, (file, "open_clip_model.safetensors", "open_clip_pytorch_model.bin"))
    return any(isinstance(try_to_load_from_cache(repository, name), str) for name in names)
