"""Griffe extension for the API reference: which names are public, and shapes in docstrings that are not links."""

from __future__ import annotations

from typing import Any

import griffe


class ExportedNames(griffe.Extension):
    """A package without ``__all__`` shows the names that its ``__init__`` takes from its own modules."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        """Once the sources of a package are read."""
        self._export(pkg)

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """``[24][29]`` is a shape; Markdown would take it for a link to 29."""
        if obj.docstring is not None:
            obj.docstring.value = obj.docstring.value.replace("][", "]\\[")

    def _export(self, module: griffe.Module) -> None:
        if module.is_init_module and module.exports is None:
            module.exports = [name for name, member in module.members.items() if _is_shown(module, name, member)]
        for member in module.members.values():
            if not member.is_alias and member.is_module:
                self._export(member)


def _is_shown(module: griffe.Module, name: str, member: Any) -> bool:
    if name.startswith("_"):
        return False
    return member.target_path.startswith(f"{module.path}.") if member.is_alias else not member.is_module
