"""semtta view."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from .common import say


def view(
    out: Annotated[Path, typer.Argument(help="Folder of results that 'semtta adapt' wrote.")],
    show: Annotated[bool, typer.Option(help="Open it in the browser.")] = True,
) -> None:
    """Write an interactive 3D page of the motion of everybody in a clip, or of one person, and open it."""
    from semtta.results import find_all, load_all
    from semtta.visualization import write_viewer

    places = find_all(out)
    path = write_viewer(load_all(out), (places[0] if len(places) == 1 else places[0].parent) / "viewer.html")
    say(f"Wrote {path}")
    if show:
        webbrowser.open(Path(path).resolve().as_uri())
