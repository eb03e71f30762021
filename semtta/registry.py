"""One registry per role: filled by a decorator inside the package, by entry points from outside."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from .errors import SemttaError, unknown_name

T = TypeVar("T")


class Registry(Generic[T]):
    """Maps names to factories of one role.

    ``role`` is the plural used in entry-point groups: ``Registry("priors")`` also finds what other packages
    declare under ``[project.entry-points."semtta.priors"]``. Plug-ins are loaded when they are asked for.
    """

    def __init__(self, role: str) -> None:
        self.role = role
        self._factories: dict[str, Callable[..., T]] = {}

    def register(self, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorator for a class or function that builds one: ``@priors.register("mine")``."""

        def add(factory: Callable[..., Any]) -> Callable[..., Any]:
            other = self._factories.get(name)
            if other is not None and (other.__module__, other.__qualname__) != (factory.__module__, factory.__qualname__):
                raise SemttaError(f"semtta.{self.role}: the name '{name}' is taken by {other.__module__}.{other.__qualname__}")
            self._factories[name] = factory
            return factory

        return add

    def _plugins(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=f"semtta.{self.role}")}

    def names(self) -> list[str]:
        """Every name that ``get`` knows, sorted."""
        return sorted({*self._factories, *self._plugins()})

    def __contains__(self, name: object) -> bool:
        head = str(name).partition(":")[0]
        return head in self._factories or head in self._plugins()

    def get(self, name: str) -> Callable[..., T]:
        """The factory called ``name``; raises SemttaError with the nearest known name.

        ``NAME:ARGUMENT`` is the factory NAME with the text after the first colon as its first argument.
        """
        name, colon, argument = name.partition(":")
        factory = self._find(name)
        if not colon:
            return factory
        if not _takes_argument(factory):
            raise SemttaError(f"semtta.{self.role}: '{name}' takes nothing after a colon (got '{name}:{argument}').")
        return partial(factory, argument)

    def _find(self, name: str) -> Callable[..., T]:
        if name in self._factories:
            return self._factories[name]
        point = self._plugins().get(name)
        if point is None:
            singular = self.role[:-3] + "y" if self.role.endswith("ies") else self.role.removesuffix("s")
            raise unknown_name(singular, name, self.names())
        try:
            return point.load()
        except Exception as error:
            raise SemttaError(f"Plug-in '{name}' of semtta.{self.role} ({point.value}) cannot be loaded: {error}") from error

    def create(self, name: str, **options: Any) -> T:
        """``get(name)(**options)``."""
        return self.get(name)(**options)


def _takes_argument(factory: Callable[..., Any]) -> bool:
    try:
        inspect.signature(factory).bind_partial("")
    except TypeError:
        return False
    return True
