"""The one exception that is meant for the person at the keyboard."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SemttaError(Exception):
    """Something the user can mend. The message is one line: what is wrong, then what to do."""


def first_line(error: BaseException) -> str:
    """What an exception says, in one line: its first one, or its type where it says nothing."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def unknown_name(kind: str, name: str, known: Iterable[str]) -> SemttaError:
    """Error for a name that is not in ``known``: lists them and suggests the nearest."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return SemttaError(f"Unknown {kind} '{name}'.{hint} Known: {', '.join(known) or '(none)'}.")


def missing_extra(feature: str, extra: str, error: ImportError) -> SemttaError:
    """Error for an optional dependency that is not installed."""
    return SemttaError(f"{feature} needs the package '{error.name}': pip install 'semtta[{extra}]'")


def cannot_write(place: object, error: OSError) -> SemttaError:
    """Error for a folder or file that cannot be written: no room, no permission."""
    return SemttaError(f"Cannot write to {place} ({error.strerror or error}). Make room there or give another folder with --out.")


def require_at_least(least: int, **values: int) -> None:
    """SemttaError for the first of the values that is too small, by its name."""
    for name, value in values.items():
        if value < least:
            raise SemttaError(f"{name} is {value}, but must be at least {least}.")
