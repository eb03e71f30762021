"""semtta export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import finite, say


def export(
    out: Annotated[Path, typer.Argument(help="Folder of results that 'semtta adapt' wrote.")],
    to: Annotated[str, typer.Option(help="npz (AMASS), bvh, glb (Blender, browsers) or csv.")],
    path: Annotated[Path | None, typer.Option("--file", help="File to write; default: <clip>.<format> in the folder.")] = None,
    up: Annotated[str | None, typer.Option(help="camera (y down), y or z. Default: camera for npz and csv, y for bvh and glb.")] = None,
    origin: Annotated[str | None, typer.Option(help="camera, or person: the first pelvis above 0, the feet on the ground. Default: camera for npz and csv, person for bvh and glb.")] = None,
    unit: Annotated[str | None, typer.Option(help="m or cm, of bvh (default cm) and csv (default m). Blender takes 1 unit for 1 m.")] = None,
    fps: Annotated[float | None, typer.Option(help="Resample to this rate. Default: the video's times; its average rate for npz and bvh, which have one rate.", min=0, max=1000, callback=finite)] = None,
) -> None:  # fmt: skip
    """Export the motion to another program's format."""
    from semtta.export import export as write

    chosen = {"up": up, "origin": origin, "unit": unit, "fps": fps}
    say(f"Wrote {write(out, to, path, **{name: value for name, value in chosen.items() if value is not None})}")
