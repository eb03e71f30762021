"""semtta export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import say


def export(
    out: Annotated[Path, typer.Argument(help="Folder of results that 'semtta adapt' wrote.")],
    to: Annotated[str, typer.Option(help="npz (AMASS), bvh, glb (Blender, browsers) or csv.")],
    path: Annotated[Path | None, typer.Option("--file", help="File to write; default: <clip>.<format> in the folder.")] = None,
    up: Annotated[str | None, typer.Option(help="camera (y down), y or z. Default: camera for npz and csv, y for bvh and glb.")] = None,
) -> None:  # fmt: skip
    """Export the motion to another program's format."""
    from semtta.export import export as write

    say(f"Wrote {write(out, to, path, **({'up': up} if up else {}))}")
