"""What every refusal by a function of the package must be: a SemttaError of one line that names what is wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from semtta.errors import LONGEST, SemttaError, one_line


def refusal(call: Callable[..., object], *arguments: object, names: str = "") -> str:
    """The line with which ``call(*arguments)`` refuses, as the command prints it; it must hold ``names``."""
    with pytest.raises(SemttaError) as caught:
        call(*arguments)
    line = one_line(caught.value)
    assert "\n" not in str(caught.value)
    assert 10 < len(line) <= LONGEST
    assert line.isprintable()
    assert names in line
    return line


def answered(call: Callable[..., object], *arguments: object) -> bool:
    """Whether ``call(*arguments)`` takes what it is given; if not, it must refuse in one line. Anything else fails."""
    message = ""
    try:
        call(*arguments)
    except SemttaError as error:
        message = str(error)
    assert "\n" not in message
    return not message
