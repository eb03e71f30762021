"""Griffe extension for the API reference (mkdocs.yml): reads what the sources say in their own way.

- A package without a literal ``__all__`` shows the names that its ``__init__`` takes from its own modules.
- A field is documented by its trailing comment (``xy: Tensor  # [T, J, 2] pixels``) or pydantic's ``Field(description=...)``.
- ``[24][29]`` in a docstring is a shape; Markdown would take it for a link.
"""

from __future__ import annotations

import ast
import re
from typing import Any

import griffe

TRAILING_COMMENT = re.compile(r"\s#\s(?!noqa|type:|fmt:)(.*)$")


class Reference(griffe.Extension):
    """Runs once the sources of the package are read; they are not imported."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        """Public names and documented fields of a package and all that is in it."""
        self._read(pkg)

    def _read(self, scope: griffe.Module | griffe.Class) -> None:
        if scope.docstring is not None:
            _escape(scope.docstring)
        if isinstance(scope, griffe.Module) and scope.is_init_module and not _is_literal(scope.exports):
            scope.exports = [name for name, member in scope.members.items() if _is_shown(scope, name, member)]
        for member in scope.members.values():
            if member.is_alias:
                continue
            if isinstance(member, (griffe.Module, griffe.Class)):
                self._read(member)
            elif isinstance(member, griffe.Attribute) and member.docstring is None:
                text = _description(member) or _comment(member)
                member.docstring = griffe.Docstring(text, parent=member) if text else None
            if member.docstring is not None and not isinstance(member, (griffe.Module, griffe.Class)):
                _escape(member.docstring)


def _escape(docstring: griffe.Docstring) -> None:
    docstring.value = docstring.value.replace("][", "]\\[")


def _is_literal(exports: Any) -> bool:
    return exports is not None and all(isinstance(name, str) for name in exports)


def _is_shown(module: griffe.Module, name: str, member: Any) -> bool:
    if name.startswith("_"):
        return False
    return member.target_path.startswith(f"{module.path}.") if member.is_alias else not member.is_module


def _description(field: griffe.Attribute) -> str:
    """Of pydantic's ``Field``."""
    if not isinstance(field.value, griffe.ExprCall):
        return ""
    found = [a.value for a in field.value.arguments if isinstance(a, griffe.ExprKeyword) and a.name == "description"]
    try:
        return _plain(ast.literal_eval(str(found[0])))
    except (IndexError, ValueError, SyntaxError):
        return ""


def _comment(field: griffe.Attribute) -> str:
    """At the end of the field's line, in a class."""
    if not isinstance(field.parent, griffe.Class) or field.endlineno is None or field.lineno != field.endlineno:
        return ""
    found = TRAILING_COMMENT.search(field.lines_collection[field.filepath][field.endlineno - 1])
    return _plain(found[1]) if found else ""


def _plain(text: str) -> str:
    """Shapes such as [T, 24, 3] stay as they are: brackets are no links."""
    return text.replace("[", "\\[")
