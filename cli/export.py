"""semtta export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from .common import console


def export(
    out: Annotated[Path, typer.Argument(help="Folder of results that 'semtta adapt' wrote.")],
    to: Annotated[str, typer.Option(help="npz (AMASS), bvh, glb (Blender, browsers) or csv.")],
    path: Annotated[Optional[Path], typer.Option("--file", help="File to write; default: motion.<format> in the folder.")] = None,
) -> None:
    """Write the motion in a format of other programs."""
    from semtta.export import export as write

    console.print(f"Wrote {write(out, to, path)}")
