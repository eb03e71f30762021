"""Names of files: those that can be written down, and those that FFmpeg takes for a file whatever is in them."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import SemttaError


def require_text(*paths: str | os.PathLike[str]) -> None:
    """SemttaError for a path with bytes that are no text: settings, results and messages could not name it."""
    for path in paths:
        try:
            str(path).encode("utf-8")
        except UnicodeEncodeError as error:
            shown = os.fsencode(path).decode("utf-8", "backslashreplace")
            raise SemttaError(f"The name {shown} is not UTF-8 text: rename it and try again.") from error


def require_replaceable(path: str | os.PathLike[str]) -> None:
    """SemttaError for what is there and is no regular file: a device, a pipe, a folder, a link to one."""
    path = Path(path)
    if path.exists() and (not path.is_file() or path.resolve().parts[1:2] in [("dev",), ("proc",)]):
        raise SemttaError(f"{path} is not a regular file and is not replaced: give the name of a new file.")


def ffmpeg_url(path: str | os.PathLike[str]) -> str:
    """A path as FFmpeg takes it for a local file: a colon in it would begin the name of a protocol (``concat:``, ``http:``)."""
    return f"file:{Path(path)}"
