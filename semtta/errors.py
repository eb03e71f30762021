"""The one exception that is meant for the person at the keyboard."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

#: Characters of a message as the command prints it, and of a name in it that need not be shortened.
LONGEST, LONGEST_NAME = 300, 40
#: What a terminal would act on: control characters, line and paragraph separators, changes of the direction of text; and
#: halves of surrogate pairs, which stand for bytes of a file's name that are not UTF-8.
_UNPRINTABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class SemttaError(Exception):
    """Something the user can mend. The message is one line: what is wrong, then what to do."""


class CannotWrite(SemttaError):
    """A file cannot be written: no room, no permission, something in its way."""

    def __init__(self, place: object, reason: str, advice: str = "Make room there or choose another folder.") -> None:
        super().__init__(f"Cannot write to {place} ({reason}). {advice}")
        self.place, self.reason = place, reason

    @classmethod
    def of(cls, folder: object, error: OSError) -> CannotWrite:
        """For a folder that ``--out`` gave, by what the system says."""
        return cls(folder, error.strerror or str(error), "Make room there or give another folder with --out.")

    def advising(self, advice: str) -> CannotWrite:
        """The same with other advice."""
        return CannotWrite(self.place, self.reason, advice)


def first_line(error: BaseException) -> str:
    """What an exception says, in one line: its first one, or its type where it says nothing."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def printable(text: object) -> str:
    """Text with what a terminal would act on spelled out: an escape is ``\\x1b``. Ends of lines stay."""
    return _UNPRINTABLE.sub(lambda found: found.group().encode("unicode_escape").decode(), str(text))


def shortened(text: str, longest: int = LONGEST_NAME) -> str:
    """The beginning and the end of a text that is longer than ``longest``."""
    kept = max(0, longest - 3)
    return text if len(text) <= longest else f"{text[: kept - kept // 2]}...{text[len(text) - kept // 2 :]}"


def one_line(message: object, longest: int = LONGEST) -> str:
    """A message as one printable line of at most ``longest`` characters.

    Where it is longer its longest words, which are names and paths, are shortened in the middle; then itself.
    """
    words = printable(shortened(str(message), 40 * longest)).split()
    for index in sorted(range(len(words)), key=lambda i: -len(words[i])):
        spare = longest - len(" ".join(words))
        if spare >= 0 or len(words[index]) <= LONGEST_NAME:
            break
        words[index] = shortened(words[index], max(LONGEST_NAME, len(words[index]) + spare))
    return shortened(" ".join(words), longest)


def unknown_name(kind: str, name: str, known: Iterable[str]) -> SemttaError:
    """Error for a name that is not in ``known``: lists them, or the nearest five of many, and suggests the nearest."""
    known = sorted(known)
    near = difflib.get_close_matches(name[:LONGEST], known, n=5, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    listed = ", ".join(known) or "(none)"
    if len(listed) > LONGEST // 2:
        listed = f"{', '.join(near or known[:5])} and {len(known) - len(near or known[:5])} others"
    return SemttaError(f"Unknown {kind} '{one_line(name, 80)}'.{hint} Known: {listed}.")


def unlisted_label(label: str, labels: Sequence[str], near: Sequence[str], outcome: str, of: str = "the dictionary") -> str:
    """The sentence that says that a label is not among those ``of`` a part, which are near, and what comes of it.

    Args:
        near: the nearest labels, best first, with their similarity if it is known: three are named, fewer where they are long.
        outcome: what happens, such as "semantics are off for these frames".
    """

    def sentence(count: int) -> str:
        named = ", ".join(one_line(name, LONGEST_NAME + 10) for name in near[:count])
        listed = f"'{one_line(label, LONGEST_NAME)}' is not among the {len(labels)} labels of {of}"
        return f"{listed}{f'; nearest: {named}' if named else ''}: {outcome}. 'semtta dictionary list' shows all."

    return next((text for text in map(sentence, (3, 2)) if len(text) <= LONGEST), sentence(1))


def missing_extra(feature: str, extra: str, error: ImportError) -> SemttaError:
    """Error for an optional dependency that is not installed."""
    return SemttaError(f"{feature} needs the package '{error.name}': pip install 'semtta[{extra}]'")


def require_at_least(least: int, **values: int) -> None:
    """SemttaError for the first of the values that is too small, by its name."""
    for name, value in values.items():
        if value < least:
            raise SemttaError(f"{name} is {value}, but must be at least {least}.")
