"""Reading and writing weights: this project's safetensors, and others' PyTorch checkpoints without executing anything in them."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..errors import SemttaError
from .files import reading, write_atomically
from .unpickling import CheckpointPickle

#: torch stores tensors as they are: a checkpoint that unpacks to more than this many times its size is none.
LARGEST_GROWTH, SMALL = 4, 1 << 20


def save_weights(path: str | Path, kind: str, tensors: Mapping[str, Tensor], **metadata: Any) -> Path:
    """Write a safetensors file; ``kind`` (the network's name) and ``metadata`` (JSON values) go into its header."""
    packed = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    header = {key: json.dumps(value) for key, value in {"kind": kind, **metadata}.items()}
    size = sum(tensor.nbytes for tensor in packed.values())
    write_atomically(Path(path), lambda part: save_file(packed, str(part), header), size)
    return Path(path)


def load_weights(path: str | Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a safetensors file that ``save_weights`` wrote: (tensors, metadata). Raises SemttaError for any other file."""
    missing = f"No weights file {path}. Train one with 'semtta train', or give the path of another file."
    with (
        reading(path, "a weights file, or is damaged", then=": fetch it again", missing=missing),
        safe_open(str(path), "pt") as file,
    ):
        metadata = {key: json.loads(value) for key, value in (file.metadata() or {}).items()}
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    if metadata.get("kind") != kind:
        raise SemttaError(f"{path} holds weights of '{metadata.get('kind')}', expected '{kind}'.")
    return tensors, metadata


def load_checkpoint(path: str | Path) -> Any:
    """Read a PyTorch checkpoint without executing anything in it.

    Tensors, arrays, numbers and plain containers are rebuilt; everything else (a trainer's settings and callbacks, or what a
    malicious file wants to call) becomes a ``StandIn`` that does nothing. Raises SemttaError for a file that is damaged or none.
    """
    with reading(path, "a PyTorch checkpoint, or is truncated", missing=f"No checkpoint {path}."):
        _refuse_bomb(Path(path))
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:  # holds more than tensors: read once more, with stand-ins in place of it
            return torch.load(path, map_location="cpu", weights_only=False, pickle_module=CheckpointPickle)


def _refuse_bomb(path: Path) -> None:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > LARGEST_GROWTH * path.stat().st_size + SMALL:
            raise ValueError(f"it would unpack to {unpacked >> 20} MB")


def without_prefix(tensors: Mapping[str, Tensor], prefix: str = "module.") -> dict[str, Tensor]:
    """The tensors with the prefix that DataParallel adds removed from their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}


def load_strictly(module: nn.Module, tensors: Mapping[str, Tensor], source: str | Path) -> None:
    """``load_state_dict`` with an error of one line that names the missing, unexpected, misshapen and useless tensors."""
    require_fit(module, tensors, source)
    useless = next((name for name, value in tensors.items() if value.is_floating_point() and not value.isfinite().all()), None)
    if useless is not None:
        raise SemttaError(f"{source}: '{useless}' has NaN or infinite values: the training diverged, or the file is damaged.")
    module.load_state_dict(dict(tensors))  # float16 is widened to the module's own type


def require_fit(module: nn.Module, tensors: Mapping[str, Tensor], source: str | Path) -> None:
    """SemttaError unless the tensors are those of the module, in name, shape and kind of number."""
    wanted = module.state_dict()
    missing = sorted(wanted.keys() - tensors.keys())
    unexpected = sorted(tensors.keys() - wanted.keys())
    shapes = [
        f"{k} is {tuple(tensors[k].shape)}, not {tuple(wanted[k].shape)}"
        for k in sorted(wanted.keys() & tensors.keys())
        if tensors[k].shape != wanted[k].shape
    ]
    kinds = [
        f"{k} is {tensors[k].dtype}"
        for k in sorted(wanted.keys() & tensors.keys())
        if tensors[k].is_floating_point() != wanted[k].is_floating_point() or tensors[k].is_complex()
    ]
    problems = [
        f"{label} {len(names)} ({', '.join(names[:6])}{', ...' if len(names) > 6 else ''})"
        for label, names in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape", shapes),
            ("of another type", kinds),
        )
        if names
    ]
    if problems:
        raise SemttaError(f"{source} does not fit {type(module).__name__}: {'; '.join(problems)}.")
