"""The file that an interrupted run goes on from: the state after an epoch, what it is a run of, and a seal over both."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import SemttaError
from ..io.files import replacing
from ..io.weights import load_checkpoint
from .identity import Identity, differences


def write_checkpoint(path: Path, state: Mapping[str, Any], identity: Identity) -> None:
    """Write a state (tensors and plain containers) atomically; raises CannotWrite with the size that it needs."""
    content = {"state": _on_cpu(state), "identity": identity}
    content["seal"], size = _seal(content)
    with replacing(path, size) as temporary, temporary.open("wb") as file:  # of a path torch hides the system's error
        torch.save(content, file)


def read_checkpoint(path: Path, identity: Identity) -> dict[str, Any] | None:
    """The state in a checkpoint; None if there is none.

    Raises SemttaError for a checkpoint of another run, and for one whose seal is broken: cut short, with flipped bits, changed by
    something else. What fits the seal and the identity fits the state that it is for, so no method need look again.
    """
    if not path.exists():
        return None
    try:
        saved = load_checkpoint(path)
        if saved.pop("seal") != _seal(saved)[0]:
            raise ValueError("the seal is broken")
    except Exception as error:  # a damaged file can raise nearly anything
        raise SemttaError(f"{path} is damaged or not a checkpoint of this version: start again with --overwrite.") from error
    other = differences(identity, saved["identity"])
    if other:
        raise another_run(path, other)
    return saved["state"]


def another_run(place: str | Path, other: list[str]) -> SemttaError:
    """The error for a place that holds a run of something else than is asked for."""
    more = f" and {len(other) - 2} more" if len(other) > 2 else ""
    what = "; ".join(text if len(text) <= 200 else f"{text[:197]}..." for text in other[:2])
    return SemttaError(f"{place} is of another run ({what}{more}): --overwrite replaces it, or give another --out.")


def _on_cpu(value: Any) -> Any:
    """The same in plain containers and on the CPU, as it is read again."""
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, Mapping):
        return {key: _on_cpu(item) for key, item in value.items()}
    return type(value)(map(_on_cpu, value)) if type(value) in (list, tuple) else value


def _seal(value: Any) -> tuple[str, int]:
    """A hash over values, names and order of nested containers, and the bytes of their tensors."""
    digest, size = hashlib.sha256(), 0

    def add(value: Any) -> None:
        nonlocal size
        if isinstance(value, Tensor):
            digest.update(f"{value.dtype}{tuple(value.shape)}".encode())
            digest.update(value.contiguous().flatten().view(torch.uint8).numpy().data)
            size += value.nbytes
        elif isinstance(value, (Mapping, list, tuple)):
            digest.update(f"{type(value).__name__}{len(value)}".encode())
            for item in value.items() if isinstance(value, Mapping) else value:
                add(item)
        else:
            digest.update(f"{type(value).__name__}{value!r}".encode())

    add(value)
    return digest.hexdigest(), size
