"""semtta doctor."""

from __future__ import annotations

from rich.table import Table

from .common import console


def doctor() -> None:
    """Say what this installation has and lacks, and how to get what it lacks."""
    from semtta.doctor import checks

    table = Table("", "found", "what to do")
    for check in checks():
        table.add_row(check.what, f"[{'green' if check.fine else 'yellow'}]{check.found}", check.advice)
    console.print(table)
