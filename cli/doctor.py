"""semtta doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import as_cell, console, made_table, say


def doctor(
    dataset: Annotated[str | None, typer.Option(help="Check a dataset instead: is it complete, do its counts match the official ones?")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of the dataset.")] = None,
    split: Annotated[str, typer.Option(help="Split of the dataset.")] = "test",
    protocol: Annotated[str | None, typer.Option(help="Evaluation protocol.")] = None,
) -> None:  # fmt: skip
    """Check what this installation (or a dataset) has and lacks, and how to get what is missing.

    Example: semtta doctor --dataset 3dpw --root ~/3DPW
    """
    from semtta.datasets import open_dataset
    from semtta.diagnostics.doctor import checks, dataset_checks

    opened = open_dataset(dataset, root, split, protocol) if dataset else None
    found = checks() if opened is None else dataset_checks(opened)
    rows = [(check.what, as_cell(check.found, "green" if check.fine else "yellow"), check.advice) for check in found]
    console().print(made_table(("", "found", "what to do"), rows))
    if opened is not None:
        say(opened.protocol.line)
