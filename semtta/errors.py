"""The one exception that is meant for the person at the keyboard."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SemttaError(Exception):
    """Something the user can mend. The message is one line: what is wrong, then what to do."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> SemttaError:
    """Error for a name that is not in ``known``: lists them and suggests the nearest."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return SemttaError(f"Unknown {kind} '{name}'.{hint} Known: {', '.join(known) or '(none)'}.")


def missing_extra(feature: str, extra: str, error: ImportError) -> SemttaError:
    """Error for an optional dependency that is not installed."""
    return SemttaError(f"{feature} needs the package '{error.name}': pip install 'semtta[{extra}]'")
