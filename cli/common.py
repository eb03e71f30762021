"""What several commands share: printing, progress bars, settings from options, and numbers as tables."""

from __future__ import annotations

import io
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from semtta.errors import one_line, printable, shortened

if TYPE_CHECKING:
    from semtta.runs.evaluate import Evaluation

Report = Callable[[str, int, int], None]  # semtta.types.Progress, which is not loaded for --help

#: Bounds of numbers on the command line: counts, and seeds as ``semtta.settings`` takes them.
MOST, MOST_SEED = 1_000_000_000, 2**50 - 1

RESUME = "Interrupted. Finished work is kept: resume with the same command and --resume."
PRESET_HELP = "Settings to start from: best (default), paper, cycleadapt, fast, tables."

Preset = Annotated[str | None, typer.Option(help=PRESET_HELP, show_default=False)]
Set = Annotated[list[str] | None, typer.Option("--set", help="Any setting, as key=value: loop.epochs=3, prior.sigma=0.4 ('semtta config' prints all).", metavar="KEY=VALUE", show_default=False)]  # fmt: skip
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="YAML file of settings, such as a run's config.yaml.", show_default=False)
]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.", show_default=False)]
Seed = Annotated[int | None, typer.Option(help="Random seed.", min=0, max=MOST_SEED, show_default=False)]
Offline = Annotated[
    bool, typer.Option("--offline", help="Download nothing: a file that is missing is an error.", show_default=False)
]
Threads = Annotated[
    str | None, typer.Option(help="Threads on the CPU: a number, or auto (as many as are free and useful).", show_default=False)
]


def finite(value: float | None) -> float | None:
    """Callback of an option: NaN and infinity are within all bounds, but no numbers."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is no number to reckon with")
    return value


def plain_streams() -> None:
    """Letters that the terminal's encoding lacks are printed as ``?``, by whatever prints them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def console(stderr: bool = False) -> Console:
    """Where things are printed: as wide as the terminal, and in a pipe or a file (without COLUMNS) as wide as they are."""
    made = Console(stderr=stderr)
    return made if made.is_terminal or "COLUMNS" in os.environ else Console(stderr=stderr, width=1000)


def say(text: str, style: str = "", stderr: bool = False) -> None:
    """Print text that may hold names, labels and answers: no markup in it, not wrapped, nothing that a terminal acts on."""
    console(stderr).print(Text(printable(text), style), soft_wrap=True)


def complain(message: object, head: str = "Error: ") -> None:
    """Print what went wrong on stderr, as one line of bounded length."""
    say(head + one_line(message), "red", stderr=True)


def as_cell(content: object, style: str = "", longest: int = 2000) -> Text:
    """A cell of a table, as ``say`` prints text; ``Text`` is kept."""
    return content if isinstance(content, Text) else Text(printable(shortened(str(content), longest)), style)


def made_table(heads: Sequence[str], rows: Iterable[Sequence[object]], title: str = "", numbers: bool = False) -> Table:
    """A table of text; ``numbers``: all but the first column are aligned to the right."""
    table = Table(title=as_cell(title) if title else None)
    for index, head in enumerate(heads):
        table.add_column(as_cell(head), justify="right" if numbers and index else "left")
    for row in rows:
        table.add_row(*map(as_cell, row))
    return table


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


def go_offline(offline: bool) -> None:
    """With ``--offline``: assets and the hub's models are only taken from this machine."""
    if offline:
        os.environ.update({"SEMTTA_OFFLINE": "1", "HF_HUB_OFFLINE": "1"})


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
    with Progress(*columns, console=console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def report(what: str, done: int, total: int) -> None:
            bar = what.split(" (person ")[0]  # the next person, or video, restarts the same bar
            if bar not in tasks:
                tasks[bar] = bars.add_task(one_line(what), total=total)
            bars.update(tasks[bar], completed=done, total=total, description=one_line(what))

        try:
            yield report
        except Exception:
            bars.live.transient = not bars.console.is_terminal  # in a pipe only what went wrong is said
            raise
        except KeyboardInterrupt:
            bars.stop()
            say(advice, stderr=True)
            raise typer.Exit(130) from None


def numbers_table(title: str, rows: Mapping[str, Mapping[str, float]], columns: Sequence[str], unit: str = "mm") -> Table:
    """A table of numbers with the best (lowest) of each column in bold."""
    best = {c: min((row[c] for row in rows.values() if c in row), default=None) for c in columns}

    def cell(row: Mapping[str, float], column: str) -> Text | str:
        return as_cell(f"{row[column]:.1f}", "bold" if row[column] == best[column] else "") if column in row else "-"

    heads = ["", *(f"{column} ({unit})" for column in columns)]
    return made_table(heads, [(name, *(cell(row, c) for c in columns)) for name, row in rows.items()], title, numbers=True)


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
