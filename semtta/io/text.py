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


def read_text(path: str | Path, what: str = "text") -> str:
    """A text file in UTF-8, or in UTF-16 with a byte order mark; SemttaError (``path`` is not ``what``) for any other."""
    try:
        data = Path(path).read_bytes()
        encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise SemttaError(f"{path} is not {what}: it is neither UTF-8 nor UTF-16. Save it as UTF-8.") from error
    except OSError as error:
        raise SemttaError(f"{path} cannot be read ({error.strerror or error}).") from error


def defused(cell: str) -> str:
    """Text as a cell that no spreadsheet takes for a formula: ``=1+1`` becomes ``'=1+1``. Numbers stay as they are."""
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def restored(cell: str) -> str:
    """The inverse of ``defused``."""
    return cell[1:] if cell.startswith("'") and defused(cell[1:]) == cell else cell
