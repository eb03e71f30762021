"""One registry per role: names of parts, what builds them, and the settings that they declare.

Included parts are loaded when they are first asked for; other packages add theirs by a decorator or an entry point.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from .errors import SemttaError, first_line, unknown_name

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class Settings(BaseModel):
    """Base of a part's settings: frozen; unknown keys, NaN and infinity are refused. Every field has a ``description``."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _means_something(cls, value: Any, info: ValidationInfo) -> Any:
        """Pydantic would take ``true`` for 1 where a number is expected; and no text is not None, which has a meaning."""
        kind = cls.model_fields[str(info.field_name)].annotation
        if value == "" and type(None) in get_args(kind):
            raise ValueError("there is nothing in it: leave the setting out")
        if not _takes_truth(kind):
            for item in value if isinstance(value, (list, tuple)) else [value]:
                if isinstance(item, bool):
                    raise ValueError("a truth value does not fit here")
        return value


def _takes_truth(kind: Any) -> bool:
    return kind in (bool, Any) or any(map(_takes_truth, get_args(kind)))


class NoSettings(Settings):
    """Settings of a part that declares none."""


@dataclass(frozen=True)
class Entry(Generic[T]):
    """A registered part."""

    name: str
    build: Callable[..., T]  # builds the part; of a role whose parts are functions, the function itself
    settings: type[Settings] = NoSettings
    suits: Mapping[str, Any] = field(default_factory=dict)  # settings of the run that suit it, by dotted key
    method_suits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # the same under a method of that name
    needs: tuple[str, ...] = ()  # other parts that ``build`` takes by keyword
    argument: str = ""  # what may follow the name after a colon, such as "MODEL"; empty: nothing may

    @property
    def summary(self) -> str:
        """The first sentence of its docstring."""
        text = (self.build.__doc__ or "").strip().split("\n\n")[0]
        return " ".join(text.split())


class Registry(Generic[T]):
    """Maps names to the parts of one role.

    Args:
        role: the singular, as settings name it: "prior".
        included: name -> module of this package that registers it when it is imported.
        group: of entry points; ``[project.entry-points."semtta.priors"]`` declares a prior of another package.
    """

    def __init__(self, role: str, included: Mapping[str, str] | None = None, group: str = "") -> None:
        self.role = role
        self.group = group or f"semtta.{role[:-1] + 'ies' if role.endswith('y') else role + 's'}"
        self._included = dict(included or {})
        self._entries: dict[str, Entry[T]] = {}

    def register(
        self,
        name: str,
        settings: type[Settings] = NoSettings,
        suits: Mapping[str, Any] | None = None,
        method_suits: Mapping[str, Mapping[str, Any]] | None = None,
        needs: tuple[str, ...] = (),
        argument: str = "",
    ) -> Callable[[F], F]:
        """Decorator for a class or function that builds a part: ``@priors.register("mine", settings=MySettings)``.

        It is called as ``build(settings)``, or ``build()`` without declared settings; after the ``argument`` if the user
        gave one (``NAME:ARGUMENT``), and with what it ``needs`` by keyword. Raises SemttaError for a name that is taken.
        """

        def add(build: F) -> F:
            place = f"{build.__module__}.{build.__qualname__}"
            other = self._entries.get(name)
            taken = f"{other.build.__module__}.{other.build.__qualname__}" if other else ""
            home = self._included.get(name)
            if (taken and taken != place) or (home and not build.__module__.startswith("semtta.")):
                raise SemttaError(f"{self.group}: the name '{name}' is taken by {taken or home}.")
            self._entries[name] = Entry(name, build, settings, suits or {}, method_suits or {}, needs, argument)
            return build

        return add

    def names(self) -> list[str]:
        """Every name that ``entry`` knows, sorted."""
        return sorted({*self._included, *self._entries, *self._plugins()})

    def is_included(self, name: str) -> bool:
        """Whether the part comes with this package."""
        return name in self._included

    def __contains__(self, name: object) -> bool:
        return str(name).partition(":")[0] in self.names()

    def entry(self, name: str) -> Entry[T]:
        """The entry called ``name`` (the part before a colon counts); SemttaError with the nearest name if unknown."""
        name, colon, argument = name.partition(":")
        if name not in self._entries:
            self._load(name)
        found = self._entries[name]
        if colon and not found.argument:
            raise SemttaError(f"{self.role} '{name}' takes nothing after a colon (got '{name}:{argument}').")
        return found

    def create(self, name: str, settings: Settings | None = None, **needs: Any) -> T:
        """Build the part called ``NAME`` or ``NAME:ARGUMENT`` with its settings (their defaults if None)."""
        entry = self.entry(name)
        _, colon, argument = name.partition(":")
        arguments = [argument] if colon else []
        if entry.settings is not NoSettings:
            arguments.append(entry.settings() if settings is None else settings)  # type: ignore[arg-type]
        return entry.build(*arguments, **needs)

    def bind(self, name: str, settings: Settings | None = None) -> Callable[..., Any]:
        """The function called ``name``, of a role whose parts are functions, with its settings as last argument."""
        entry = self.entry(name)
        if entry.settings is NoSettings:
            return entry.build
        return partial(entry.build, settings=entry.settings() if settings is None else settings)

    def _plugins(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}

    def _load(self, name: str) -> None:
        if name in self._included:
            importlib.import_module(self._included[name])
            return
        point = self._plugins().get(name)
        if point is None:
            raise unknown_name(self.role, name, self.names())
        try:
            part = point.load()  # its module may register it itself, with settings
        except Exception as error:
            raise SemttaError(
                f"Plug-in '{name}' of {self.group} ({point.value}) cannot be loaded ({first_line(error)})."
            ) from error
        if name not in self._entries:
            self._entries[name] = Entry(name, part)
