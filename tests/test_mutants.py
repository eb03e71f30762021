"""Every mutant of scripts/mutants.py can be tried: a merge that moves its line or its test is noticed here."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "scripts" / "mutants.py"))


@pytest.mark.parametrize("mutant", SCRIPT["MUTANTS"], ids=lambda mutant: mutant.name)
def test_its_line_and_its_test_are_there(mutant):
    assert SCRIPT["wrong"](mutant) == ""


def test_what_is_gone_is_said(monkeypatch, capsys):
    whole = SCRIPT["MUTANTS"][0]
    gone = [
        whole._replace(name="a", old="no such line"),
        whole._replace(name="b", test="test_no_such"),
        whole._replace(file="x.py"),
    ]
    monkeypatch.setitem(SCRIPT["main"].__globals__, "MUTANTS", (whole, *gone))
    assert SCRIPT["main"](["--check"]) == 1
    printed = capsys.readouterr().out
    assert "0 times 'no such line'" in printed
    assert "has no test test_no_such" in printed
    assert "x.py has 0 times" in printed
    assert printed.endswith("1 of 4 can be tried\n")
    assert SCRIPT["main"]([whole.name, "--check"]) == 1  # the third has its name too
