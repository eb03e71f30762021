"""The command-line application: its commands, and the handling of errors."""

from __future__ import annotations

import logging
import os
import sys

import typer
from rich.console import Console

from semtta.errors import SemttaError
from semtta.threads import prepare_environment
from semtta.version import __version__

from . import (
    ablate,
    adapt,
    assets,
    bench,
    compare,
    config,
    demo,
    dictionary,
    doctor,
    evaluate,
    export,
    label,
    plugins,
    synth,
    train,
    view,
)
from .common import Offline, go_offline
from .signals import terminate_as_interrupt

INTERRUPTED = 130  # exit code after Ctrl-C or SIGTERM

app = typer.Typer(
    name="semtta",
    help="Adapt a 3D human pose estimator to a video, guided by what the person in it is doing.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("adapt")(adapt.adapt)
app.command("label")(label.label)
app.command("compare")(compare.compare)
app.command("ablate")(ablate.ablate)
app.command("evaluate")(evaluate.evaluate)
app.command("export")(export.export)
app.command("view")(view.view)
app.add_typer(train.app, name="train")
app.add_typer(synth.app, name="synth")
app.add_typer(dictionary.app, name="dictionary")
app.add_typer(assets.app, name="assets")
app.command("plugins")(plugins.plugins)
app.command("config")(config.config)
app.command("doctor")(doctor.doctor)
app.command("bench")(bench.bench)


def _version(shown: bool) -> None:
    if shown:
        typer.echo(__version__)
        raise typer.Exit()


@app.callback()
def common(
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
    offline: Offline = False,
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Adapt a 3D human pose estimator to a video, guided by what the person in it is doing.

    Start with 'semtta demo'. Then: semtta adapt my_video.mp4 --label "walking"
    """
    logging.basicConfig(level=logging.DEBUG if debug else logging.ERROR, format="%(message)s")
    logging.getLogger("numba").setLevel(logging.WARNING)  # hides the log of its compiler
    logging.getLogger("semtta.labelers").setLevel(logging.WARNING)  # always warn that images leave the machine
    logging.getLogger("semtta.body").setLevel(logging.WARNING)  # and that a body's hands are ignored
    go_offline(offline)
    if debug:
        os.environ["SEMTTA_DEBUG"] = "1"


def main() -> None:
    """Entry point: one line on stderr and exit code 2 for errors that the user can fix."""
    prepare_environment()  # before anything imports torch
    try:
        with terminate_as_interrupt():
            app()
    except KeyboardInterrupt:  # before any work: what is at work says what it keeps
        sys.exit(INTERRUPTED)
    except SemttaError as error:
        if os.environ.get("SEMTTA_DEBUG"):
            raise
        Console(stderr=True, soft_wrap=True).print(f"Error: {error}", style="red", markup=False, highlight=False)
        sys.exit(2)
