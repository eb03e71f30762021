"""What the dataclasses share: moving and indexing all their tensors at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import Field, dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor
from typing_extensions import Self

#: Called with what is being done, the steps done, and the steps in all (0: not known).
Progress = Callable[[str, int, int], None]


#: Metadata of a ``TensorFields`` field that belongs to the whole clip: indexing leaves it as it is.
PER_CLIP = {"per_clip": True}


@dataclass(frozen=True)
class TensorFields:
    """Mixin for dataclasses: moves and indexes every tensor field at once, those of nested ``TensorFields`` too."""

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """As ``Tensor.to``, but a dtype is for floating-point fields only: masks and indices keep theirs."""

        def moved(value: Any) -> Any:
            if not isinstance(value, Tensor) or value.is_floating_point():
                return value.to(*args, **kwargs)
            return value.to(torch.empty(0, device=value.device).to(*args, **kwargs).device)

        return self._mapped(moved, fields(self))

    def __getitem__(self, index: Any) -> Self:
        """Index the leading (time or batch) dimension of every field that has one."""
        return self._mapped(lambda value: value[index], [f for f in fields(self) if not f.metadata.get("per_clip")])

    def _mapped(self, change: Callable[[Any], Any], chosen: Iterable[Field[Any]]) -> Self:
        values = ((f.name, getattr(self, f.name)) for f in chosen)
        return replace(self, **{name: change(v) for name, v in values if isinstance(v, (Tensor, TensorFields))})
