"""Exporters: a result -> a file that other programs read (npz, BVH, GLB, CSV).

An exporter is a function ``(result, path, **options)``; ``@semtta.export.register("fbx")``, or an entry point in the
group ``semtta.exporters``, makes ``--to fbx`` work. Its name is the file's suffix.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from inspect import Parameter, signature
from os import PathLike
from pathlib import Path
from typing import Any

from ..errors import SemttaError
from ..geometry.world import WorldMotion, to_world
from ..io.files import replacing
from ..io.names import require_replaceable, require_text
from ..io.run_folder import clip_folder
from ..results import FILES, MOTION, find, load
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

    ``path``: the file, which ends in ``.<to>``, or an existing folder for ``<clip>.<to>``; by default the result's folder, or the
    current one. ``options`` are passed to the exporter: ``up`` and ``origin`` (see ``to_world``), ``fps``, and any others that it
    documents. Raises SemttaError for an unknown format or option, another ending, a folder without a result, or a place that
    cannot be written.
    """
    writer = exporters.entry(to).build
    _check_options(to, writer, options)
    folder = Path() if isinstance(result, Result) else find(result)
    target = Path(path) if path is not None else folder
    require_text(target)
    if not target.is_dir():
        require_replaceable(target)
        if target.suffix.lower() != f".{to}":
            raise SemttaError(f"{target} does not end in .{to}: give a file that does, or a folder that exists.")
    result = result if isinstance(result, Result) else load(folder)
    if target.is_dir():
        target = target / f"{clip_folder('', result.name).name}.{to}"
        require_replaceable(target)
    if target.name in FILES and (target.parent / MOTION).is_file():
        raise SemttaError(f"{target} is a file of the run itself and is not replaced: give another file with --file.")
    try:
        with replacing(target) as temporary:
            writer(result, temporary, **options)
    except OSError as error:
        raise SemttaError(f"Cannot write {target}: {error.strerror or error}.") from error
    return target


def _check_options(to: str, writer: Callable[..., Any], options: Collection[str]) -> None:
    """SemttaError for an option that an exporter does not take."""
    _, _, *known = signature(writer).parameters.values()
    names = [option.name for option in known if option.kind is not Parameter.VAR_KEYWORD]
    unknown = next((name for name in options if name not in names), None)
    if unknown is not None and len(names) == len(known):
        raise SemttaError(f"The format '{to}' has no option '{unknown}'. It has: {', '.join(names) or 'none'}.")
