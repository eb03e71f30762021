"""What a method is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..registry import Registry
from ..settings.config import AdaptConfig
from .problem import Estimate, Outcome, Problem, Roles


class Progressing(Protocol):
    """The state of an adaptation as its caller sees it after every epoch (of a method's own length)."""

    epoch: int  # epochs done
    epochs: int  # in all

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: tensors and plain containers."""
        ...


OnEpoch = Callable[[Progressing], None] | None


class Method(Protocol):
    """Adapts one video, starting from the estimate of the pre-trained network."""

    def __call__(
        self,
        problem: Problem,
        roles: Roles,
        config: AdaptConfig,
        before: Estimate,
        on_epoch: OnEpoch = None,
        resume: dict[str, Any] | None = None,
    ) -> Outcome: ...


methods: Registry[Outcome] = Registry("methods")
register = methods.register


def with_defaults(**settings: Any) -> Callable[[Any], Any]:
    """Decorator: settings of AdaptConfig that a method is published with, where they are not the paper's."""

    def mark(method: Any) -> Any:
        method.adaptation_defaults = settings
        return method

    return mark


def adaptation_defaults(name: str) -> Mapping[str, Any]:
    """What ``with_defaults`` gave the method called ``name``."""
    return getattr(methods.get(name), "adaptation_defaults", {})
