"""The generator interface: label -> motion."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from ..registry import Registry


class Generator(Protocol):
    """Generates a motion for a label.

    A generator that ``needs`` a prior gets the one that its setting ``source`` names. If it has a ``dictionary``
    (semtta.priors.MotionDictionary), other wordings are replaced by the nearest of its labels.
    """

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that it can generate; empty: any wording."""
        ...

    def generate(self, label: str, num_frames: int) -> Tensor:
        """Rotations [num_frames, 24, 3, 3] at 30 fps, y up; rotation 0 is global."""
        ...


_MODULES = {"exemplar": "included", "decoder": "included", "motiongpt": "motiongpt"}
generators: Registry[Generator] = Registry("generator", {name: f"{__package__}.{module}" for name, module in _MODULES.items()})
register = generators.register
