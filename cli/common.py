"""What several commands share: progress bars, and the numbers as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from semtta.api import Progress as Report
from semtta.runs.evaluate import Evaluation

console = Console()


RESUME = "Interrupted. What was finished is kept: go on with the same command and --resume."


@contextmanager
def progress_bars(advice: str = RESUME) -> Iterator[Report]:
    """A callback (what, done, total) that draws one bar for each thing that is done, with the time left."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, int] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)  # the next video starts the same bar anew

        try:
            yield report
        except KeyboardInterrupt:
            bars.stop()
            Console(stderr=True, soft_wrap=True).print(advice)
            raise typer.Exit(130) from None


def numbers_table(title: str, rows: Mapping[str, Mapping[str, float]], columns: Sequence[str], unit: str = "mm") -> Table:
    """Rows of numbers with the best (lowest) of each column in bold."""
    table = Table(title=title)
    table.add_column("")
    for column in columns:
        table.add_column(f"{column} ({unit})", justify="right")
    best = {c: min((row[c] for row in rows.values() if c in row), default=None) for c in columns}
    for name, row in rows.items():
        cells = [f"{row[c]:.1f}" if c in row else "-" for c in columns]
        table.add_row(
            name, *(f"[bold]{t}[/bold]" if c in row and row[c] == best[c] else t for c, t in zip(columns, cells, strict=True))
        )
    return table


def print_evaluation(evaluation: Evaluation) -> None:
    """A table of the tracks and their total, the protocol, and what was skipped and why."""
    totals = evaluation.totals
    for when, rows in (("before", evaluation.before), ("after", evaluation.after)):
        if rows:
            columns = [name for name in totals[when] if name != "frames"]
            console.print(numbers_table(when, {**rows, "all": totals[when]}, columns))
    if totals:
        console.print(evaluation.protocol.line, soft_wrap=True, highlight=False, markup=False)
        console.print("The total is the mean over the tracks, weighted by their frames.")
    for track, reason in evaluation.skipped.items():
        console.print(f"Skipped {track}: {reason}", style="yellow", soft_wrap=True, highlight=False, markup=False)
