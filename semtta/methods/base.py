"""What a method is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ..adaptation import Estimate, Outcome, Problem, Roles, State
from ..config import AdaptConfig
from ..registry import Registry


class Method(Protocol):
    """Adapts one video, starting from the estimate of the pre-trained network."""

    def __call__(
        self,
        problem: Problem,
        roles: Roles,
        config: AdaptConfig,
        before: Estimate,
        on_epoch: Callable[[State], None] | None = None,
        resume: dict[str, Any] | None = None,
    ) -> Outcome: ...


methods: Registry[Outcome] = Registry("methods")
register = methods.register
