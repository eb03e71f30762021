"""semtta demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import MOST_SEED, console, numbers_table, progress_bars, say


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("out/demo"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    seed: Annotated[int, typer.Option(help="Random seed.", min=0, max=MOST_SEED)] = 0,
) -> None:
    """Adapt to the included clip, compare with its ground truth, and write the report. Needs no network and no files."""
    from semtta.runs.demo import METRICS, run_demo

    say('A person walks; a hedge hides the legs for half of the time. The label is "walking".')
    with progress_bars() as report:
        found = run_demo(out, device, seed, report)
    console().print(numbers_table("Errors against ground truth", found.numbers, METRICS))
    say(f"Open {found.folder / 'report.html'}; the overlay is {found.folder / 'overlay.mp4'}")
