"""YAML from elsewhere and to files: plain values within bounds; what a file may not hold is refused in one line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from ..errors import SemttaError, first_line, shortened

#: Of a file, of what it holds once aliases are followed (a few lines of them can stand for billions of values), and of a number.
LONGEST_FILE, MOST_VALUES, DEEPEST, LONGEST_NUMBER = 1 << 19, 50_000, 20, 100

#: The scalars of YAML 1.2: 3e-4 is a number, while yes, 1:30 and 2026-11-27 are text.
_SCALARS = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    "float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
}  # fmt: skip


class _Reader(yaml.SafeLoader):
    """Of YAML 1.2's scalars; without merge keys, and with every key once."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (of yaml.SafeLoader's form; filled below)

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        if self.depth > DEEPEST:  # before it takes long
            raise yaml.composer.ComposerError(None, None, f"nested more than {DEEPEST} deep", self.peek_event().start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key.value, str) and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"'{key.value}' is there twice", key.start_mark)
            seen.add(key.value if isinstance(key.value, str) else id(key))
        return node

    def flatten_mapping(self, node: Any) -> None:
        """Merge keys (``<<``) are keys as any other."""


class _Writer(yaml.SafeDumper):
    """Quotes text that either version of YAML takes for something else."""


def _number(reader: _Reader, node: Any) -> int | float:
    text = str(reader.construct_scalar(node))
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"a number of {len(text)} digits")
    if node.tag.endswith(":float"):
        return float(text.replace(".", "", 1) if text[-1:].isalpha() else text)
    return int(text, {"0x": 16, "0o": 8}.get(text[:2], 10))


for _kind, (_form, _first) in _SCALARS.items():
    for _class in (_Reader, _Writer):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_form})$"), _first)
for _kind in ("int", "float"):
    _Reader.add_constructor(f"tag:yaml.org,2002:{_kind}", _number)


def parse_yaml(text: str, where: object) -> Any:
    """The one document in ``text``: mappings with text as keys, lists, text, numbers, truth values and None.

    Raises:
        SemttaError: "Cannot read ``where`` (line 3: reason).", for text that is not YAML, a key that is there twice or is no
            text, values of other types, and more than 50 000 values, counted as often as aliases repeat them.
    """
    try:
        content = yaml.load(text, _Reader)
        _count(content, 0, 0)
    except Exception as error:  # a damaged text can raise nearly anything
        raise SemttaError(f"Cannot read {where} ({_reason(error)}).") from error
    return content


def read_yaml(path: str | Path, what: str = "file") -> Any:
    """``parse_yaml`` of a file in UTF-8; SemttaError for one that cannot be read, is no text, or has more than 512 kB."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(LONGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or first_line(error)
        raise SemttaError(f"Cannot read the {what} {path} ({reason}).") from error
    if len(content) > LONGEST_FILE:
        raise SemttaError(f"Cannot read the {what} {path}: it is longer than {LONGEST_FILE >> 10} kB.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SemttaError(f"Cannot read the {what} {path}: it is no text in UTF-8. Save it as UTF-8.") from error
    return parse_yaml(text, f"the {what} {path}")


def to_yaml(value: Any) -> str:
    """Plain values as YAML that ``parse_yaml`` and other readers read back."""
    return yaml.dump(value, Dumper=_Writer, sort_keys=False, allow_unicode=True)


def _count(value: Any, depth: int, count: int) -> int:
    """How many values there are so far; ValueError for what does not belong into a file of settings."""
    count += 1
    if count > MOST_VALUES or depth > DEEPEST:
        raise ValueError(f"more than {MOST_VALUES} values" if count > MOST_VALUES else f"nested more than {DEEPEST} deep")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError(f"the key {shortened(repr(key))} is no text: put it in quotes")
            count = _count(item, depth + 1, count)
    elif isinstance(value, list):
        for item in value:
            count = _count(item, depth + 1, count)
    elif value is not None and not isinstance(value, (str, bool, int, float)):
        raise ValueError(f"a {type(value).__name__}, where text or a number is expected")
    return count


def _reason(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    if not isinstance(error, (yaml.YAMLError, ValueError)):
        return "a value that its tag does not fit"
    if mark is None:
        return first_line(error)
    return f"line {mark.line + 1}: {getattr(error, 'problem', None) or first_line(error)}"
