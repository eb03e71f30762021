"""Forms of files from elsewhere: a pydantic model says what must be in them, and a wrong shape is one line."""

from __future__ import annotations

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
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        given = repr(first["input"])
        given = given if len(given) <= 40 else given[:37] + "..."
        raise SemttaError(f"{where}: {place + ': ' if place else ''}{said} (it is {given}).") from error
