"""The command, run in the test's own process."""

import sys


def call(monkeypatch, capsys, *arguments: object) -> tuple[int, str, str]:
    """``semtta ARGUMENTS`` -> (exit code, what it printed, what it complained of)."""
    from semtta_cli.main import main

    monkeypatch.setattr(sys, "argv", ["semtta", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", "200")
    code = 0
    try:
        main()
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    out = capsys.readouterr()
    return code, out.out, out.err
