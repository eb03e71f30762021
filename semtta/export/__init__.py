"""Exporters: a result -> a file that other programs read (npz, BVH, GLB, CSV).

An exporter is a function ``(result, path, **options)``; ``@semtta.export.register("fbx")``, or an entry point in the
group ``semtta.exporters``, makes ``--to fbx`` work. Its name is the file's suffix.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from ..errors import SemttaError
from ..geometry.world import WorldMotion, to_world
from ..io.files import replacing
from ..io.run_folder import clip_folder
from ..results import load
from ..types import Result
from .base import exporters, register
from .bvh import write_bvh
from .glb import write_glb
from .table import write_csv, write_npz

__all__ = [
    "WorldMotion", "export", "exporters", "register", "to_world", "write_bvh", "write_csv", "write_glb", "write_npz",
]  # fmt: skip


def export(result: Result | str | PathLike[str], to: str, path: str | PathLike[str] | None = None, **options: Any) -> Path:
    """Write a result, or the folder it was saved to, in the format called ``to``; returns the file's path.

    ``path``: the file, or an existing folder for ``<clip>.<to>``; by default the result's folder, or the current one.
    ``options`` are passed to the exporter: ``up`` and ``origin`` (see ``to_world``), and any others that it documents.
    Raises SemttaError for an unknown format, a folder without a result, or a place that cannot be written.
    """
    writer = exporters.entry(to).build
    folder = Path()
    if not isinstance(result, Result):
        from ..results import find

        folder, result = find(result), load(result)
    target = Path(path) if path is not None else folder
    if target.is_dir():
        target = target / f"{clip_folder('', result.name).name}.{to}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as temporary:
            writer(result, temporary, **options)
    except OSError as error:
        raise SemttaError(f"Cannot write {target}: {error.strerror or error}.") from error
    return target
