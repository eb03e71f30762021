"""What is printed of names, labels and paths: as it is, whatever it holds, on every terminal, whole in a pipe."""

from __future__ import annotations

import ast
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import call
from rich.console import Console

import semtta_cli
from semtta.experiments.render import to_rich
from semtta.experiments.tables import Cell, Column, Table
from semtta_cli import common

NASTY = (
    "[/red]", "[bold", "[link=x]y[/link]", "walk [1",
    "\\[x]", "a\\", "[@click=x]", ":smile:", "[]", "[/]", "line\nbreak", "tab\there",
    "\x1b[2J\x1b]0;title\x07", "\x9b31m", "\u202edesrever", "\udcff",
    "Gehen – ü 走る \U0001f3c3", "x" * 400, "",
)  # fmt: skip


@pytest.fixture(params=NASTY, ids=ascii)
def text(request: pytest.FixtureRequest) -> str:
    return request.param


def as_printed(text: str) -> str:
    """What a terminal may be given of it."""
    spelled = {"\t": "\\t", "\x1b": "\\x1b", "\x07": "\\x07", "\x9b": "\\x9b", "\u202e": "\\u202e", "\udcff": "\\udcff"}
    return "".join(spelled.get(letter, letter) for letter in text)


def test_lines(text, capsys):
    common.say(f"<{text}>", "yellow")
    common.say(f"<{text}>", stderr=True)
    shown = capsys.readouterr()
    assert shown.out == shown.err == f"<{as_printed(text)}>\n"


def test_complaints(text, capsys):
    common.complain(f"'{text}' is nothing.")
    shown = capsys.readouterr()
    assert len(shown.err.splitlines()) == 1
    assert shown.err.startswith("Error: '")
    assert shown.err.endswith("is nothing.\n")
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(shown.err)


def lines_of(printed: object) -> str:
    """As a wide console prints it."""
    stream = io.StringIO()
    Console(file=stream, width=1000).print(printed)
    return stream.getvalue()


def test_tables(text):
    for shown in (
        lines_of(common.made_table(("name", text), [(text, "1"), ("b", text)], text)),
        lines_of(common.numbers_table(text, {text: {"mpjpe": 1.0}, "b": {"mpjpe": 2.0, "pck": 3.0}}, ["mpjpe", "pck"])),
        lines_of(to_rich(Table("k", text, text, (Column(text, "mm", 1),), ((text, (Cell(1.0),)),), (text,)))),
    ):
        for part in as_printed(text).splitlines():
            assert part in shown
        assert "\x1b" not in shown


def test_progress(text, capsys):
    with common.progress_bars() as report:
        for done in range(3):
            report(text, done, 2)
    shown = capsys.readouterr().err
    assert " ".join(as_printed(text).split())[:60] in shown
    assert "\x1b[2J" not in shown


def test_a_million_letters_take_no_time(capsys):
    common.say("x" * 1_000_000)
    assert capsys.readouterr().out == "x" * 1_000_000 + "\n"
    assert len(lines_of(common.made_table(("a",), [("x" * 1_000_000,)]))) < 10_000


@pytest.mark.parametrize("columns", [None, "40"])
def test_paths_are_whole_in_a_pipe(monkeypatch, capsys, columns):
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    path = "/data/" + "long name/" * 30 + "walk.mp4"
    common.say(f"Wrote {path}")
    common.complain(f"{path[:200]} is not there")
    if columns is None:
        common.console().print(common.made_table(("place",), [(path,)]))
    shown = capsys.readouterr()
    assert f"Wrote {path}\n" in shown.out
    assert shown.err == f"Error: {path[:200]} is not there\n"
    assert shown.out.count(path) == (2 if columns is None else 1)


ENCODINGS = ("ascii", "cp1252", "latin-1", "utf-8", "utf-16")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_letters_that_the_terminal_lacks(monkeypatch, encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    common.plain_streams()
    for text in NASTY:
        common.say(text)
        common.console().print(common.made_table(("–", "█"), [(text, "走る")], text))
    stream.flush()
    shown = stream.buffer.getvalue().decode(encoding)
    assert ("走る" in shown) == (encoding in ("utf-8", "utf-16"))
    assert ("ü" in shown) == (encoding != "ascii")


def test_streams_that_are_not_there(monkeypatch):
    """As under pythonw, and where a program has put something of its own in their place."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    common.plain_streams()


def test_the_command_on_such_a_terminal(tmp_path):
    """A table, a progress bar and a path, in a process of its own."""
    encoding = "ascii"
    folder = tmp_path / "[red] ü 走る"
    folder.mkdir()
    script = (
        "import sys; from semtta_cli import common; from semtta_cli.main import main\n"
        "common.plain_streams()\n"
        "with common.progress_bars() as report: report('walk – [/x] 走る', 1, 2)\n"
        "common.say('Results in ' + sys.argv[1])\n"
        "sys.argv[1:] = ['doctor', '--dataset', 'folder', '--root', sys.argv[1], '--split', 'test']\n"
        "main()"
    )
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "PYTHONPATH": os.pathsep.join(sys.path)}
    environment.pop("COLUMNS", None)
    command = [sys.executable, "-c", script, str(folder)]
    done = subprocess.run(command, capture_output=True, env=environment)
    shown, complaint = done.stdout.decode(encoding), done.stderr.decode(encoding)
    assert done.returncode == 0, complaint
    assert "Traceback" not in complaint
    assert f"Results in {str(folder).encode(encoding, 'replace').decode(encoding)}" in shown.splitlines()
    assert "walk" in complaint
    assert "videos" in shown


@pytest.mark.parametrize("arguments", [["plugins"], ["config"], ["assets", "list"], ["doctor"], ["adapt", "--help"]])
def test_every_table_and_help_on_an_ascii_terminal(monkeypatch, capsys, arguments):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    code, _, err = call(monkeypatch, capsys, *arguments)
    stream.flush()
    assert (code, err) == (0, "")
    assert len(stream.buffer.getvalue()) > 100


def test_settings_with_brackets_and_escapes_are_printed(monkeypatch, capsys):
    value = "[/red]\\x1b[2J"
    code, shown, err = call(monkeypatch, capsys, "config", "--set", f'estimator.weights="{value}"')
    assert (code, err) == (0, "")
    assert "[/red]\\x1b[2J" in shown
    assert "\x1b" not in shown


def test_no_command_prints_by_itself():
    """Everything goes through ``say``, ``complain``, ``made_table`` and ``console``."""
    for file in Path(semtta_cli.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                assert file.name == "common.py" or name not in ("Console", "Table", "print", "Text.from_markup", "escape"), file
                assert name != "typer.echo" or file.name in ("main.py", "config.py"), file
