"""semtta plugins."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from .common import console, say


def plugins(
    name: Annotated[str | None, typer.Argument(help="A part, such as infill; or ROLE/NAME, such as prior/open.", show_default=False)] = None,
) -> None:  # fmt: skip
    """List the parts of each role, including plug-ins of other packages; or one part with its settings.

    Example: semtta plugins motionclip
    """
    from semtta.diagnostics.plugins import find, registries, settings_rows
    from semtta.errors import unknown_name

    if name is None:
        table = Table("role", "names")
        for role, registry in registries().items():
            table.add_row(role, escape(", ".join(registry.names())))
        console().print(table)
        say("semtta plugins NAME prints a part's settings. Add your own: docs/plugins.md")
        return
    found = find(name)
    if not found:
        raise unknown_name("part", name, {part for registry in registries().values() for part in registry.names()})
    for role, entry in found:
        say(f"{role} {entry.name}{f':{entry.argument}' if entry.argument else ''}: {entry.summary}")
        rows = settings_rows(entry)
        if rows:
            table = Table("setting", "type", "default", "")
            for field, kind, default, description in rows:
                table.add_row(escape(f"{role}.{field}" if role not in ("updaters", "losses") else f"{role}.{entry.name}.{field}"),
                              escape(kind), escape(default), escape(description))  # fmt: skip
            console().print(table)
        for key, value in entry.suits.items():
            say(f"  suits it: {key}={value}")
