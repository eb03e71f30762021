"""All registries by role, and what a part says of itself."""

from __future__ import annotations

from typing import Any

from ..build import REGISTRIES
from ..datasets import datasets
from ..detectors import formats
from ..export import exporters
from ..registry import Entry, Registry


def registries() -> dict[str, Registry[Any]]:
    """Role -> registry."""
    return {**REGISTRIES, "dataset": datasets, "exporter": exporters, "keypoint format": formats}


def find(name: str) -> list[tuple[str, Entry[Any]]]:
    """(role, entry) of every part called ``name``, or called so in the role before a slash: ``prior/open``."""
    role, slash, rest = name.partition("/")
    wanted = rest if slash else name
    found = registries()
    return [(r, found[r].entry(wanted)) for r in found if wanted in found[r] and (not slash or r == role)]


def settings_rows(entry: Entry[Any]) -> list[tuple[str, str, str, str]]:
    """(name, type, default, description) of each setting of a part."""
    rows = []
    for name, field in entry.settings.model_fields.items():
        annotation: Any = field.annotation
        kind = annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")
        rows.append((name, kind, repr(field.default), field.description or ""))
    return rows
