"""The JSON files of a folder or zip, or a single one: found, unpacked with limits, and parsed."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import SemttaError, first_line
from ...io.arrays import check_archive
from ...io.files import reading
from ...io.forms import shown
from ..base import Detections

#: Bytes of JSON that are read at most.
LARGEST = 1 << 30
#: Not-a-number and infinity as C libraries print them; JSON as Python reads it knows NaN and Infinity.
_NOT_FINITE = re.compile(r"(?<=[\[,:\s])[-+]?(?:nan(?:\([^)]{0,20}\))?|inf(?:inity)?|1\.#[A-Z]+0*)(?=\s*[\],}])", re.IGNORECASE)


@dataclass(frozen=True)
class Documents:
    """Contents of the JSON files at ``path``, by file name."""

    path: Path
    named: tuple[tuple[str, Any], ...]

    @property
    def only(self) -> Any:
        """The content if there is one file, else None."""
        return self.named[0][1] if len(self.named) == 1 else None

    @property
    def place(self) -> str:
        """How messages call the only file, or all together."""
        return self.where(self.named[0][0]) if len(self.named) == 1 else shown(self.path)

    def where(self, name: str) -> str:
        """How messages call the file ``name``."""
        path = shown(self.path)
        return path if self.path.name == name else f"{path}: {shown(name, 60)}"


class JsonReader:
    """Base of readers of JSON: ``interpret`` says what the parsed files hold."""

    def read(self, path: Path) -> Detections | None:
        documents = read_documents(path)
        return None if documents is None else self.interpret(documents)

    def interpret(self, documents: Documents) -> Detections | None:
        """The detections in the documents, or None if they are of another format; SemttaError if they are damaged."""
        raise NotImplementedError


def read_documents(path: Path) -> Documents | None:
    """The JSON files of a folder (or of its only subfolder that has any) or zip, or a JSON file; None if there are none.

    Hidden files, which macOS adds, are left out. Raises SemttaError for damaged files, for those of several folders, and for
    more than ``LARGEST`` bytes.
    """
    if path.is_dir():
        named = _parsed(path, _folder(path))
    elif not path.is_file():
        raise SemttaError(f"{shown(path)} is no regular file and no folder. Give the keypoints as a file.")
    elif zipfile.is_zipfile(path) or path.suffix.lower() == ".zip":
        what, cure = "a zip that can be read", ". Zip the folder of JSON files again"
        with reading(shown(path), what, then=cure), zipfile.ZipFile(path) as archive:
            named = _parsed(path, _members(path, archive))
    elif path.suffix.lower() == ".json":
        named = _parsed(path, [(path.name, path.stat().st_size, path.read_bytes)])
    else:
        return None
    return Documents(path, tuple(named)) if named else None


def _folder(path: Path) -> Iterator[tuple[str, int, Callable[[], bytes]]]:
    files = _json_files(path)
    if not files:
        inner = [found for child in sorted(path.iterdir()) if child.is_dir() and (found := _json_files(child))]
        _refuse_several(path, [found[0].parent.name for found in inner])
        files = inner[0] if inner else []
    for file in files:
        if not file.is_file():
            raise SemttaError(
                f"{shown(path)}: {shown(file.name)} is a link to nothing, or no regular file. Replace or remove it."
            )
        yield file.name, file.stat().st_size, file.read_bytes


def _json_files(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.iterdir()) if _is_json(file.name) and not file.is_dir()]


def _members(path: Path, archive: zipfile.ZipFile) -> Iterator[tuple[str, int, Callable[[], bytes]]]:
    check_archive(path, archive)
    members = [
        item for item in archive.infolist()
        if not item.is_dir() and "__MACOSX" not in item.filename and _is_json(item.filename.rpartition("/")[2])
    ]  # fmt: skip
    _refuse_several(path, sorted({item.filename.rpartition("/")[0] for item in members}))
    for item in sorted(members, key=lambda item: item.filename):
        yield item.filename.rpartition("/")[2], item.file_size, lambda item=item: archive.read(item)  # type: ignore[misc]


def _is_json(name: str) -> bool:
    return name.lower().endswith(".json") and not name.startswith(".")


def _refuse_several(path: Path, folders: list[str]) -> None:
    if len(folders) > 1:
        listed = ", ".join(shown(folder or "(top)", 30) for folder in folders[:3])
        more = f" and {len(folders) - 3} more" if len(folders) > 3 else ""
        raise SemttaError(f"{shown(path)} has JSON files in several folders ({listed}{more}). Give the one of this video.")


def _parsed(path: Path, files: Iterable[tuple[str, int, Callable[[], bytes]]]) -> list[tuple[str, Any]]:
    documents, total = [], 0
    for name, size, read in files:
        total += size
        if total > LARGEST:
            raise SemttaError(f"{shown(path)} holds more than {LARGEST >> 20} MB of JSON. Give the keypoints of one clip.")
        documents.append((name, _parse(read(), shown(path) if name == path.name else f"{shown(path)}: {shown(name, 60)}")))
    return documents


def _parse(content: bytes, where: str) -> Any:
    try:
        text = content.decode(json.detect_encoding(content))
    except UnicodeDecodeError as error:
        raise SemttaError(f"{where} is not text ({error.reason} at byte {error.start}). Write it as UTF-8 JSON.") from error
    try:
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return json.loads(_NOT_FINITE.sub("NaN", text))
    except json.JSONDecodeError as error:
        early = error.msg.startswith("Unterminated") or not text[error.pos :].strip()
        ends = " It ends too early: was it cut off?" if early else ""
        raise SemttaError(f"{where} is not valid JSON ({error}).{ends} Write it again.") from error
    except RecursionError as error:
        raise SemttaError(f"{where} is nested too deeply to be keypoints. Write it again.") from error
    except ValueError as error:  # an integer with thousands of digits
        raise SemttaError(f"{where} has a number that cannot be read ({first_line(error)[:60]}). Write it again.") from error
