"""The command-line application: its commands, and the handling of errors."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import typer

from semtta.errors import SemttaError, first_line, printable
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
    people,
    plugins,
    synth,
    train,
    view,
)
from .common import Offline, complain, go_offline, plain_streams
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
app.command("people")(people.people)
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


#: Of every wrong use of the command. Recent typers carry a copy of click, so that its name depends on the version.
_Complaint: Any = typer.BadParameter.__mro__[2]


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
    handler = logging.StreamHandler()
    handler.setFormatter(_Printable("%(message)s"))
    logging.basicConfig(level=logging.DEBUG if debug else logging.ERROR, handlers=[handler])
    logging.captureWarnings(True)  # of libraries: they are for those who develop with them
    logging.getLogger("numba").setLevel(logging.WARNING)  # hides the log of its compiler
    logging.getLogger("semtta.labelers").setLevel(logging.WARNING)  # always warn that images leave the machine
    logging.getLogger("semtta.body").setLevel(logging.WARNING)  # and that a body's hands are ignored
    go_offline(offline)
    if debug:
        os.environ["SEMTTA_DEBUG"] = "1"


class _Printable(logging.Formatter):
    """Log messages may carry names and answers from elsewhere."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def main() -> None:
    """Entry point. What the user can mend is one line on stderr and exit code 2; ``--debug`` shows where it came from."""
    prepare_environment()  # before anything imports torch
    plain_streams()
    sys.exit(_run())


def _run() -> int:
    """The exit code of the command: 2 for what the user can mend, 1 for a fault of this program, 130 for an interruption."""
    try:
        _refuse_undecodable(sys.argv[1:])
        with terminate_as_interrupt():
            return int(app(standalone_mode=False) or 0)
    except _Complaint as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
        else:
            place = error.ctx.command_path if getattr(error, "ctx", None) else "semtta"
            said = error.format_message().rstrip(".")
            complain(f"{said}{'' if said.endswith('?') else '.'} '{place} --help' lists what it takes.")
        return 2
    except KeyboardInterrupt:  # what is at work says itself what it keeps, and how it goes on
        complain("Stopped while nothing was under way.", head="")
        return INTERRUPTED
    except typer.Abort:
        complain("Interrupted.", head="")
        return INTERRUPTED
    except Exception as error:
        if os.environ.get("SEMTTA_DEBUG"):
            raise
        if isinstance(error, SemttaError):
            complain(error)
            return 2
        if isinstance(error, OSError) and error.filename is not None:
            complain(f"Cannot read or write {error.filename} ({error.strerror}): make room there, or give another place.")
            return 2
        complain(
            f"This is a fault of semtta ({type(error).__name__}: {first_line(error)}). 'semtta --debug ...' shows where: report it."
        )
        return 1


def _refuse_undecodable(arguments: list[str]) -> None:
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            raise SemttaError(f"'{argument}' holds bytes that are no UTF-8 text: rename the file.") from error
