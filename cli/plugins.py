"""semtta plugins."""

from __future__ import annotations

from typing import Annotated

import typer

from .common import console, made_table, say


def plugins(
    name: Annotated[str | None, typer.Argument(help="A part, such as infill; or ROLE/NAME, such as prior/open.", show_default=False)] = None,
) -> None:  # fmt: skip
    """List the parts of each role, including plug-ins of other packages; or one part with its settings.

    Example: semtta plugins motionclip
    """
    from semtta.diagnostics.plugins import find, registries, settings_rows
    from semtta.errors import unknown_name
    from semtta.settings import LISTED_ROLES

    if name is None:
        console().print(made_table(("role", "names"), [(role, ", ".join(r.names())) for role, r in registries().items()]))
        say("semtta plugins NAME prints a part's settings. Add your own: docs/plugins.md")
        return
    found = find(name)
    if not found:
        raise unknown_name("part", name, {part for registry in registries().values() for part in registry.names()})
    for role, entry in found:
        say(f"{role} {entry.name}{f':{entry.argument}' if entry.argument else ''}: {entry.summary}")
        place = role if role not in LISTED_ROLES else f"{role}.{entry.name}"
        if rows := [(f"{place}.{field}", *rest) for field, *rest in settings_rows(entry)]:
            console().print(made_table(("setting", "type", "default", ""), rows))
        for key, value in entry.suits.items():
            say(f"  suits it: {key}={value}")
