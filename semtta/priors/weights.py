"""Weights of this project: safetensors whose metadata says what they are."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..errors import SemttaError

ASSETS = Path(__file__).parent.parent / "assets"


def save_weights(path: str | Path, kind: str, tensors: Mapping[str, Tensor], **metadata: Any) -> Path:
    """Write tensors and metadata (JSON values) to ``path``; a half-written file never replaces a whole one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    text = {key: json.dumps(value) for key, value in {"kind": kind, **metadata}.items()}
    save_file({key: value.detach().cpu().contiguous() for key, value in tensors.items()}, part, metadata=text)
    part.chmod(0o644)  # safetensors writes private files
    os.replace(part, path)
    return path


def load_weights(path: str | Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and metadata of a file written by ``save_weights``; SemttaError for any other file."""
    path = Path(path)
    if not path.is_file():
        raise SemttaError(f"No weights file {path}. Train one with `semtta train`, or give the path of another.")
    try:
        with safe_open(path, "pt") as file:
            metadata = {key: json.loads(value) for key, value in (file.metadata() or {}).items()}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise SemttaError(f"{path} is not a weights file of semtta ({error}).") from error
    if metadata.get("kind") != kind:
        raise SemttaError(f"{path} holds weights of '{metadata.get('kind')}', expected '{kind}'.")
    return tensors, metadata
