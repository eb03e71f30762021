"""Text files from elsewhere, in the encodings in which editors and shells write them, and cells of CSV files."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from ..errors import SemttaError

#: How a file begins -> its encoding. UTF-16 is what PowerShell's ``>`` writes.
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
#: A cell that a spreadsheet would take for a formula; numbers are not.
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def read_text(path: str | Path, what: str = "text", largest: int = 64 << 20) -> str:
    """A text file in UTF-8, or in UTF-16 with a byte order mark; SemttaError (``path`` is not ``what``) for any other.

    ``largest``: bytes that it may have.
    """
    try:
        if Path(path).exists() and not Path(path).is_file():  # a device or pipe never ends
            raise SemttaError(f"{path} is not {what}: it is no file.")
        with Path(path).open("rb") as file:
            data = file.read(largest + 1)
        if len(data) > largest:
            raise SemttaError(f"{path} is not {what}: it is larger than {largest >> 20} MB.")
        encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
        if encoding == "utf-8" and b"\0" in data:  # UTF-16 without a mark, or no text at all
            raise UnicodeDecodeError(encoding, data[:1], 0, 1, "zeros")
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise SemttaError(f"{path} is not {what}: it is neither UTF-8 nor UTF-16. Save it as UTF-8.") from error
    except (OSError, ValueError) as error:
        raise SemttaError(f"Cannot read {path} ({getattr(error, 'strerror', None) or error}).") from error


def defused(cell: str) -> str:
    """Text as a cell that no spreadsheet takes for a formula: ``=1+1`` becomes ``'=1+1``. Numbers stay as they are."""
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def restored(cell: str) -> str:
    """The inverse of ``defused``."""
    return cell[1:] if cell.startswith("'") and defused(cell[1:]) == cell else cell


def excerpt(text: object, longest: int = 200) -> str:
    """The beginning of a text on one line of at most ``longest`` characters, cut with "...".

    Whatever does not print (escape sequences, direction marks, halves of surrogate pairs) becomes a space, so that it neither
    steers a terminal nor fails to encode.
    """
    raw = str(text)[: 20 * longest]  # a word of a million letters costs no more than a sentence
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in raw).split())
    return line if len(line) <= longest else line[: longest - 3].rstrip() + "..."
