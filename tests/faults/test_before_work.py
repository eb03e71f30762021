"""A signal that comes before any work promises nothing about work that is kept."""

from __future__ import annotations

from command_line import call


def test_nothing_was_under_way(monkeypatch, capsys):
    def stop(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("semtta_cli.main.app", stop)
    code, out, err = call(monkeypatch, capsys, "config")
    assert (code, out, err) == (130, "", "Stopped while nothing was under way.\n")
