"""Wrong uses of every command: one line with a hint to its help, exit code 2; interruptions and faults have their own codes."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import warnings
from typing import Any, get_args, get_type_hints

import pytest
import typer
from command_line import call
from rich.text import Text
from typer.main import get_command

from semtta.errors import (
    LONGEST,
    CannotWrite,
    SemttaError,
    missing_extra,
    one_line,
    printable,
    require_at_least,
    shortened,
    unknown_name,
)  # fmt: skip
from semtta_cli import main as main_module
from semtta_cli.main import app


def commands(group: typer.Typer = app, words: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Words of each command -> the function that it runs."""
    found = {(*words, info.name or info.callback.__name__): info.callback for info in group.registered_commands}
    for inner in group.registered_groups:
        found |= commands(inner.typer_instance, (*words, inner.name))
    return found


def numbers() -> list[Any]:
    """Every option of every command that takes a number: (words, option, type)."""
    found = []
    for words, function in commands().items():
        hints = get_type_hints(function, include_extras=True)
        for name in inspect.signature(function).parameters:
            kind, *extras = get_args(hints[name]) or (hints[name],)
            while extras == [] or type(None) in extras:  # Optional[Annotated[...]]
                kind, *extras = get_args(kind) if get_args(kind) else (kind, None)
            plain = {int, float} & {kind, *get_args(kind)}
            if plain and isinstance(extras[0], typer.models.OptionInfo):
                option = next(
                    (text for text in extras[0].param_decls or () if text.startswith("--")), f"--{name.replace('_', '-')}"
                )
                found.append(pytest.param(words, option, plain.pop(), id=f"{'-'.join(words)}{option}"))
    return found


NUMBERS = numbers()


@pytest.mark.parametrize(("words", "option", "kind"), NUMBERS)
def test_every_number_has_bounds(refused, words, option, kind):
    for value in ("-1", "nan", "1e400") if kind is float else ("-1", "9" * 30):
        refused(*words, f"{option}={value}", names=(option, "--help"))


def test_the_walk_over_numbers_sees_them():
    seen = {param.id for param in NUMBERS}
    assert {"adapt--start", "adapt--budget", "compare--gpus", "train-prior--rate", "synth-images--count", "adapt--seed"} <= seen


@pytest.mark.parametrize("words", [(), *commands()], ids=lambda words: "-".join(words) or "semtta")
def test_unknown_options_and_their_help(refused, words):
    refused(*words, "--no-such-option", names=("--no-such-option", "--help"))


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["bench", "--rounds", "x"], "--rounds"), (["demo", "--seed", "1.5"], "--seed"), (["demo", "--seed="], "--seed"),
        (["adaptt"], "Did you mean 'adapt'?"), (["[/red]"], "[/red]"), (["\x1b[31m"], "\\x1b[31m"),
        (["x" * 9000], "No such command"),
        (["adapt", "--labl", "x"], "--label"), (["adapt", "--label"], "--label"), (["adapt"], "video files"),
        (["adapt", "--threads", "0", "a.mp4"], "--threads"), (["adapt", "--threads", "many", "a.mp4"], "--threads"),
        (["adapt", "a.mp4", "--dataset", "x"], "either"), (["adapt", "a.mp4", "--resume", "--overwrite"], "one of them"),
        (["adapt", "a.mp4", "--preset", "p" * 500], "preset"),
        (["adapt", "n" * 300 + ".mp4"], "nnn"),
        (["adapt", "a\nb.mp4"], "a"), (["adapt", "none/[red].mp4"], "[red]"), (["adapt", ""], ""), (["adapt", "."], "."),
        (["label"], "VIDEO"), (["label", "none.mp4"], "none.mp4"),
        (["label", "none.mp4", "--labels", "x", "--labeler", "y"], "either"),
        (["evaluate"], "out"), (["evaluate", "none"], "ground truth"), (["export"], "out"), (["export", "none"], "--to"),
        (["export", "none", "--to", "bvh"], "none"), (["view", "none"], "none"), (["view", "n" * 300], "nnn"),
        (["plugins", "infil"], "infill"), (["plugins", "[bold]"], "[bold]"), (["plugins", "prior/"], "Unknown part"),
        (["assets", "nothing"], "No such command"), (["assets", "import"], "kind"), (["assets", "import", "hmr"], "file"),
        (["assets", "import", "hmrr", "x"], "Did you mean 'hmr'"), (["assets", "import", "hmr", "none.pt"], "none.pt"),
        (["assets", "import", "hmr", "."], "."), (["assets", "fetch", "blazepos"], "blazepose"), (["assets", "verify", "x"], "x"),
        (["config", "--set"], "--set"), (["config", "--config"], "--config"), (["config", "--preset", "x"], "x"),
        (["train", "estimator", "x", "--out", "y", "--validation", "z"], "name=folder"),
        (["train", "estimator", "x"], "--out"), (["synth", "clip", "--out", "x"], "--mocap"),
        (["dictionary", "build", "OUT"], "--mocap"), (["dictionary", "build", "none", "--check"], "none"),
        (["doctor", "--dataset", "x"], "Unknown dataset"), (["bench", "--threads", "-3"], "--threads"), (["demo", "x"], "x"),
    ],
)  # fmt: skip
def test_wrong_uses(refused, monkeypatch, tmp_path, arguments, names):
    monkeypatch.chdir(tmp_path)
    refused(*arguments, names=names)


@pytest.mark.parametrize("arguments", [[], ["train"], ["assets"], ["synth"], ["dictionary"]])
def test_a_group_alone_prints_its_help(monkeypatch, capsys, arguments):
    code, out, err = call(monkeypatch, capsys, *arguments)
    assert code == 2
    assert "Usage" in out + err
    assert "Traceback" not in err


def test_names_that_are_no_text_are_refused_before_anything_else(refused):
    refused("adapt", os.fsdecode(b"walk\xff.mp4"), names=("walk\\udcff.mp4", "rename"))


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (SemttaError("It is broken:\x1b[2J mend\nit [/red]."), 2, "Error: It is broken:\\x1b[2J mend it [/red]."),
        (KeyboardInterrupt(), 130, ""),
        (typer.Abort(), 130, "Interrupted."),
        (OSError(28, "No space left on device", "/data/out"), 2, "/data/out (No space left on device)"),
        (PermissionError(13, "Permission denied", "/data/in"), 2, "/data/in (Permission denied)"),
        (ZeroDivisionError("division by zero"), 1, "ZeroDivisionError: division by zero"),
        (RecursionError(), 1, "RecursionError"),
    ],
)
def test_exit_codes(monkeypatch, capsys, error, code, words):
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("semtta.build.resolve", fail)
    found, out, err = call(monkeypatch, capsys, "config")
    assert (found, out) == (code, "")
    assert words in err
    assert "Traceback" not in err
    assert len(err.splitlines()) <= 1


def test_debug_shows_where_it_came_from(monkeypatch, capsys):
    monkeypatch.setenv("SEMTTA_DEBUG", "1")
    with pytest.raises(SemttaError):
        call(monkeypatch, capsys, "config", "--set", "x=1")


def test_warnings_of_libraries_are_not_printed(monkeypatch, capsys):
    before = warnings.showwarning
    monkeypatch.setattr("semtta.diagnostics.plugins.find", lambda name: warnings.warn("an old name", stacklevel=1) or [])
    code, _, err = call(monkeypatch, capsys, "plugins", "x")
    assert (code, "an old name" in err) == (2, False)
    warnings.showwarning = before


def test_help_is_no_markup():
    """Typer reads help as Rich's markup: square brackets in it would vanish."""
    seen = 0
    stack = [get_command(app)]
    while stack:
        command = stack.pop()
        stack += getattr(command, "commands", {}).values()
        for text in [command.help or "", *(getattr(item, "help", None) or "" for item in command.params)]:
            assert Text.from_markup(text).plain == text
            seen += bool(text)
    assert seen > 100


def test_messages_are_one_line_of_bounded_length():
    path = "/data/" + "very-long-name/" * 100 + "walk.mp4"
    line = one_line(f"{path} is not a video\nor [bold]damaged[/bold]: give another. " + "w " * 5)
    assert len(line) <= LONGEST
    assert line.startswith("/data/very-long-name")
    assert line.endswith("damaged[/bold]: give another. w w w w w")
    assert "walk.mp4 is not a video or" in line
    assert len(one_line("word " * 10_000)) == LONGEST
    assert len(one_line("x" * 10**7)) == LONGEST
    assert one_line("") == ""
    assert one_line("short\ttext\r\n") == "short\\ttext\\r"
    assert printable("a\x1b]0;t\x07\x9b\u202eb\udcff\nc") == "a\\x1b]0;t\\x07\\x9b\\u202eb\\udcff\nc"
    assert [shortened("abcdefghij", n) for n in (10, 9, 5, 3, 0)] == ["abcdefghij", "abc...hij", "a...j", "...", "..."]
    many = [f"name-{i:03d}" for i in range(200)]
    assert str(unknown_name("thing", "name-01", many)).count("name-") == 1 + 1 + 5
    assert "195 others" in str(unknown_name("thing", "\n", many))


def test_messages_say_what_to_do():
    assert "semtta[vlm]" in str(missing_extra("This", "vlm", ImportError(name="litellm")))
    assert "/data (No space left on device)" in str(CannotWrite.of("/data", OSError(28, "No space left on device")))
    require_at_least(1, frames=1)
    with pytest.raises(SemttaError, match="steps is 0, but must be at least 1"):
        require_at_least(1, frames=1, steps=0)


def test_the_command_itself():
    """Outside of the tests' process: one line on stderr, nothing on stdout."""
    done = subprocess.run([sys.executable, "-m", "semtta", "config", "--set", "epochs=["], capture_output=True, text=True)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert done.stderr.startswith("Error: ")
    assert main_module.app is app
