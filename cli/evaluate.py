"""semtta evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import console, numbers_table


def evaluate(
    out: Annotated[Path, typer.Argument(help="Folder of results that 'semtta adapt' wrote.")],
    ground_truth: Annotated[Path, typer.Option(help="Ground truth of the clip (.npz of 'semtta synth clip').")],
) -> None:
    """Compare results with ground truth, in millimetres."""
    from semtta.metrics import evaluate as measure
    from semtta.results import load
    from semtta.synthesis.clips import load_truth

    result = load(out)
    numbers = measure(result, load_truth(ground_truth))
    rows = {result.name: {k: v for k, v in numbers.items() if isinstance(v, float)}}
    console.print(numbers_table("Adapted", rows, list(rows[result.name])))
