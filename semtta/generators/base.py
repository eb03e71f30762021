"""What a generator is: label -> motion."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from ..registry import Registry


class Generator(Protocol):
    """Makes motion of a label.

    One that ``needs`` a prior is given the one that its setting ``source`` names. A generator may have a ``dictionary``
    (semtta.priors.MotionDictionary): then another wording is replaced by the nearest of its labels.
    """

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels that it makes motion of; empty: any wording."""
        ...

    def generate(self, label: str, num_frames: int) -> Tensor:
        """Rotations [num_frames, 24, 3, 3] at 30 fps, y up; rotation 0 is global."""
        ...


_PLACES = {"exemplar": "included", "decoder": "included", "motiongpt": "motiongpt"}
generators: Registry[Generator] = Registry("generator", {name: f"{__package__}.{module}" for name, module in _PLACES.items()})
register = generators.register
