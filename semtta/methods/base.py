"""What a method is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from ..registry import Registry
from ..settings import AdaptConfig, Settings
from ..types import Prediction
from .problem import Outcome, Problem, Roles


class RunState(Protocol):
    """The state of an adaptation as its caller sees it after every epoch (of a method's own length)."""

    @property
    def epoch(self) -> int:
        """Epochs done."""
        ...

    @property
    def epochs(self) -> int:
        """In all."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: tensors, all of them finite, and plain containers."""
        ...


OnEpoch = Callable[[RunState], None] | None


class Method(Protocol):
    """Adapts to one clip, starting from what the pre-trained network predicts."""

    def __call__(
        self,
        problem: Problem,
        roles: Roles,
        config: AdaptConfig,
        before: Prediction,
        on_epoch: OnEpoch = None,
        resume: dict[str, Any] | None = None,
    ) -> Outcome: ...


S = TypeVar("S", bound=Settings)


def settings_of(config: AdaptConfig, kind: type[S]) -> S:
    """The method's own settings; the defaults where the config names another method."""
    own = config.method.settings
    return own if isinstance(own, kind) else kind()


_PLACES = {
    **dict.fromkeys(("semantic", "cycleadapt", "none"), "offline.variants"), "boa": "online.boa",
    "dynaboa": "online.dynaboa", "dapa": "online.dapa",
}  # fmt: skip
methods: Registry[Outcome] = Registry("method", {name: f"{__package__}.{module}" for name, module in _PLACES.items()})
register = methods.register
