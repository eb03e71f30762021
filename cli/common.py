"""What several commands share: printing, progress bars, settings from options, and numbers as tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from semtta.runs.evaluate import Evaluation

Report = Callable[[str, int, int], None]  # semtta.types.Progress, which is not loaded for --help

RESUME = "Interrupted. Finished work is kept: resume with the same command and --resume."
PRESET_HELP = "Settings to start from: best (default), paper, cycleadapt, fast, tables."

Preset = Annotated[str | None, typer.Option(help=PRESET_HELP, show_default=False)]
Set = Annotated[list[str] | None, typer.Option("--set", help="Any setting, as key=value: loop.epochs=3, prior.sigma=0.4 ('semtta config' prints all).", metavar="KEY=VALUE", show_default=False)]  # fmt: skip
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="YAML file of settings, such as a run's config.yaml.", show_default=False)
]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.", show_default=False)]
Seed = Annotated[int | None, typer.Option(help="Random seed.", show_default=False)]
Threads = Annotated[
    str | None, typer.Option(help="Threads on the CPU: a number, or auto (as many as are free and useful).", show_default=False)
]


def console() -> Console:
    """Where results are printed: as wide as the terminal, and in a pipe or a file (without COLUMNS) as wide as they are."""
    made = Console()
    return made if made.is_terminal or "COLUMNS" in os.environ else Console(width=1000)


def layers(
    config: Path | None, options: Mapping[str, Any], assignments: Sequence[str] | None
) -> list[tuple[str, dict[str, Any]]]:
    """Layers of settings with their origin, lowest first: a file, options (None: not given), ``--set``."""
    from semtta.settings import parse_assignments, read_settings

    chosen = {key: value for key, value in options.items() if value is not None}
    return [
        *([(str(config), read_settings(config))] if config else []),
        ("option", chosen),
        ("--set", parse_assignments(assignments or [])),
    ]


def thread_count(threads: str | None) -> int | None:
    """The value of ``--threads``; None: automatic."""
    if threads in (None, "auto"):
        return None
    if not str(threads).isdigit() or int(str(threads)) < 1:
        raise typer.BadParameter("give a number above 0, or auto", param_hint="--threads")
    return int(str(threads))


@contextmanager
def progress_bars(advice: str = RESUME) -> Iterator[Report]:
    """A callback (what, done, total) that shows one progress bar for each kind of work, with the remaining time."""
    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)  # the next video restarts the same bar

        try:
            yield report
        except Exception:
            bars.live.transient = not bars.console.is_terminal  # in a pipe only what went wrong is said
            raise
        except KeyboardInterrupt:
            bars.stop()
            Console(stderr=True, soft_wrap=True).print(advice)
            raise typer.Exit(130) from None


def say(text: str, style: str = "") -> None:
    """Print text without markup or wrapping; it may contain user input."""
    console().print(text, style=style or None, soft_wrap=True, highlight=False, markup=False)


def numbers_table(title: str, rows: Mapping[str, Mapping[str, float]], columns: Sequence[str], unit: str = "mm") -> Table:
    """A table of numbers with the best (lowest) of each column in bold."""
    table = Table(title=title)
    table.add_column("")
    for column in columns:
        table.add_column(f"{column} ({unit})", justify="right")
    best = {c: min((row[c] for row in rows.values() if c in row), default=None) for c in columns}
    for name, row in rows.items():
        cells = [f"{row[c]:.1f}" if c in row else "-" for c in columns]
        table.add_row(
            escape(name),
            *(f"[bold]{t}[/bold]" if c in row and row[c] == best[c] else t for c, t in zip(columns, cells, strict=True)),
        )
    return table


def print_evaluation(evaluation: Evaluation) -> None:
    """Print a table of the tracks and their total, the protocol, and the skipped tracks with the reasons."""
    totals = evaluation.totals
    for when, rows in (("before", evaluation.before), ("after", evaluation.after)):
        if rows:
            columns = [name for name in totals[when] if name != "frames"]
            console().print(numbers_table(when, {**rows, "all": totals[when]}, columns))
    if totals:
        say(evaluation.protocol.line)
        say("The total is the mean over the tracks, weighted by their frames.")
    for track, reason in evaluation.skipped.items():
        say(f"Skipped {track}: {reason}", "yellow")
