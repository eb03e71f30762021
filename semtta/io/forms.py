"""Forms of files from elsewhere: a pydantic model says what must be in them, and a wrong shape is one line."""

from __future__ import annotations

import re
import reprlib
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from ..errors import SemttaError

Form = TypeVar("Form")


def checked(form: type[Form], content: Any, where: object) -> Form:
    """``content`` as ``form`` (a pydantic model, or a type such as ``list[Row]``).

    Raises SemttaError for content of another shape: "``where``: field.of.it: what is wrong (what it is)", for the first field.
    """
    try:
        return TypeAdapter(form).validate_python(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = shown(".".join(str(part) for part in first["loc"]), 60)
        said = shown(re.sub("^Value error, |^Input |(?<=dictionary) or instance of .*", "", first["msg"]), 100)
        given = "" if first["type"] == "missing" else f" (it is {_brief(first['input'])})"
        field = f"{place}: " if place else ""
        raise SemttaError(f"{where}: {field}{said}{given}. Correct it, or write the file again.") from error


def shown(text: object, longest: int = 80) -> str:
    """Text from elsewhere, such as a name, for a message of one line: unprintable characters as "?", its middle left out."""
    line = "".join(c if c.isprintable() else "?" for c in str(text))
    half = (longest - 3) // 2
    return line if len(line) <= longest else f"{line[:half]}...{line[-half:]}"


def _brief(value: Any) -> str:
    try:
        return shown(reprlib.repr(value), 40)
    except ValueError:  # an integer with too many digits to be written
        return "a huge number"
