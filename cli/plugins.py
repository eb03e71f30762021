"""semtta plugins."""

from __future__ import annotations

from rich.table import Table

from .common import console


def plugins() -> None:
    """List what can be named for each role, plug-ins of other packages included."""
    from semtta.diagnostics.plugins import registries

    table = Table("role", "names")
    for role, registry in registries().items():
        table.add_row(role, ", ".join(registry.names()))
    console.print(table)
    console.print("Add your own: docs/plugins.md")
