"""Exporters: a result -> a file that other programs read (npz of AMASS, BVH, GLB, FBX, USD, CSV).

An exporter is a function ``(result, path, **options)``; ``@semtta.export.register("abc")``, or an entry point in the
group ``semtta.exporters``, makes ``--to abc`` work. Its name is the file's suffix. One that takes ``people`` writes all the
people of a clip to one file; one that takes ``beside`` writes one person, who stands on the same floor as those.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from inspect import Parameter, signature
from os import PathLike
from pathlib import Path
from typing import Any

from ..errors import SemttaError
from ..geometry.world import WorldMotion, to_world, to_worlds
from ..io.files import replacing
from ..io.names import require_replaceable, require_text
from ..io.run_folder import clip_folder
from ..results import FILES, MOTION
from ..types import Result
from .amass import write_npz
from .base import exporters, register
from .bvh import write_bvh
from .glb import write_glb
from .runs import load_people, runs_of
from .table import write_csv

__all__ = [
    "WorldMotion", "export", "export_all", "exporters", "register", "to_world", "to_worlds", "write_bvh", "write_csv",
    "write_glb", "write_npz",
]  # fmt: skip

Writer = Callable[..., Any]


def export(result: Result | str | PathLike[str], to: str, path: str | PathLike[str] | None = None, **options: Any) -> Path:
    """Write a result, or the folder it was saved to, in the format called ``to``; returns the file's path.

    ``path``: the file, which ends in ``.<to>``, or an existing folder for ``<clip>.<to>``; by default the result's folder, or the
    current one. ``options`` are passed to the exporter: ``up``, ``origin`` and ``in_place`` (see ``to_worlds``), ``fps``, and any
    others that it documents. Raises SemttaError for an unknown format or option, another ending, a folder without a result or
    with several people of whom each would have a file (``export_all``), or a place that cannot be written.
    """
    if isinstance(result, Result):
        writer = _writer(to, options)
        return _write([result], to, writer, _target(Path() if path is None else path, to), result.name, options)[0]
    return _export_folder(result, to, path, None, options, "give the folder of one")[0]


def export_all(
    folder: str | PathLike[str], to: str, path: str | PathLike[str] | None = None, person: int | None = None, **options: Any
) -> list[Path]:
    """Write all the people of a clip, or only ``person``, in the format called ``to``; returns the files' paths.

    ``folder``: ``OUT/<clip>``, or one person's in it. Formats that hold a scene get one file, ``<clip>.<to>``, others one for
    each person, ``<clip>-person-N.<to>``; in the clip's folder, or in ``path`` where that is a folder. Otherwise as ``export``.
    """
    return _export_folder(folder, to, path, person, options)


def _export_folder(
    folder: str | PathLike[str], to: str, path: Any, person: int | None, options: dict[str, Any], advice: str = ""
) -> list[Path]:
    """``advice``: what to do about several files, where only one is wanted."""
    writer = _writer(to, options)
    target = None if path is None else _target(path, to)
    clip, runs = runs_of(folder, person)
    if len(runs) > 1 and "people" not in signature(writer).parameters and (advice or (target and not target.is_dir())):
        advice = advice or "give a folder that exists as --file, or choose one with --person"
        raise SemttaError(f"{clip} holds {len(runs)} people, each with a .{to} of their own: {advice}.")
    results, place = load_people(runs), clip if len(runs) > 1 else next(iter(runs.values()))
    name = clip.resolve().name if len(runs) > 1 else results[0].name
    return _write(results, to, writer, target or place, name, options)


def _write(results: Sequence[Result], to: str, writer: Writer, target: Path, name: str, options: Mapping[str, Any]) -> list[Path]:
    """One file of all the results, called ``name``, or one of each, as the exporter wants it."""
    known = signature(writer).parameters
    one = len(results) == 1 or "people" in known
    names = [name] if one else [result.name for result in results]
    paths = [_file(target, called, to) for called in names]
    together = {key: results for key in ("people", "beside") if key in known and len(results) > 1}
    for path, result in zip(paths, results, strict=False):
        try:
            with replacing(path) as temporary:
                writer(result, temporary, **together, **options)
        except OSError as error:
            raise SemttaError(f"Cannot write {path}: {error.strerror or error}.") from error
    return paths


def _target(path: str | PathLike[str], to: str) -> Path:
    """A folder, or a file that may be written and has the format's ending."""
    target = Path(path)
    require_text(target)
    if not target.is_dir():
        require_replaceable(target)
        if target.suffix.lower() != f".{to}":
            raise SemttaError(f"{target} does not end in .{to}: give a file that does, or a folder that exists.")
    return target


def _file(target: Path, name: str, to: str) -> Path:
    """The file itself, or the one called ``name`` in a folder; never one of the run's own."""
    path = target
    if target.is_dir():
        path = target / f"{clip_folder('', name).name}.{to}"
        require_replaceable(path)
    if path.name in FILES and (path.parent / MOTION).is_file():
        raise SemttaError(f"{path} is a file of the run itself and is not replaced: give another file with --file.")
    return path


def _writer(to: str, options: Collection[str]) -> Writer:
    """The exporter; SemttaError for an option that it does not take."""
    writer = exporters.entry(to).build
    _, _, *known = signature(writer).parameters.values()
    names = [option.name for option in known if option.kind is not Parameter.VAR_KEYWORD]
    unknown = next((name for name in options if name not in names), None)
    if unknown is not None and len(names) == len(known):
        shown = [name for name in names if name not in ("people", "beside", "body")]
        raise SemttaError(f"The format '{to}' has no option '{unknown}'. It has: {', '.join(shown) or 'none'}.")
    return writer
