"""One procedural motion: its label and how it is planned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .curves import Draw
from .plan import Plan


@dataclass(frozen=True)
class Recipe:
    """How the motions of one label are planned.

    ``content`` is the label, as in "a person is CONTENT"; ``plan`` draws a plan; motions that happen once are at most
    ``longest`` seconds long, so that most of each shows what its label says.
    """

    content: str
    plan: Callable[[Draw], Plan]
    also: tuple[str, ...] = ()  # other names by which it is found
    longest: float | None = None
    seated: bool = False  # hips at knee height throughout
    lying: bool = False  # the trunk near the floor
