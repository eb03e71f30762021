"""What a generator is: label -> motion."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from ..registry import Registry


class Generator(Protocol):
    """Makes motion of a label.

    A factory in the registry that takes ``prior`` is given the prior that ``generator_source`` names, one that takes
    ``source`` the text itself. A generator may have a ``dictionary`` (semtta.priors.MotionDictionary): then another wording
    is replaced by the nearest of its labels.
    """

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels that it makes motion of; empty: any wording."""
        ...

    def generate(self, label: str, num_frames: int) -> Tensor:
        """Rotations [num_frames, 24, 3, 3] at 30 fps, y up; rotation 0 is global."""
        ...


generators: Registry[Generator] = Registry("generators")
register = generators.register
