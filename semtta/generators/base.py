"""What a generator is: label -> motion."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from ..registry import Registry


class Generator(Protocol):
    """Makes motion of a label."""

    def generate(self, label: str, num_frames: int) -> Tensor:
        """Rotations [num_frames, 24, 3, 3] at 30 fps, y up; rotation 0 is global."""
        ...


generators: Registry[Generator] = Registry("generators")
register = generators.register
