"""The interface of refiners: what is made of the adapted motions of the people of one clip, after the adaptation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import torch

from ..body import Body
from ..registry import Registry
from ..settings import Part
from ..types import BodyParams, Result


class Refiner(Protocol):
    """Results and the refiner's settings -> results."""

    def __call__(self, results: Sequence[Result], body: Body) -> list[Result]:
        """Refined results of the people of one clip, who were seen by one camera and share one floor; in the same order.

        They may cover different frames (``frame_index``). A refiner changes ``params`` and ``joints`` together (``moved``),
        or adds ``world``, or appends to ``messages``.
        """
        ...


_MODULES = {"shape": "shape", "root": "root", "ankles": "ankles", "floor": "floor", "contact": "contact"}
refiners: Registry[list[Result]] = Registry("refiner", {name: f"{__package__}.{module}" for name, module in _MODULES.items()})
register = refiners.register


def refine(parts: Sequence[Part], results: Sequence[Result], body: Body) -> list[Result]:
    """The refiners ``parts``, one after the other, on the results of the people of one clip.

    >>> refine((), [], None)
    []
    """
    done = list(results)
    for part in parts:
        done = refiners.bind(part.name, part.settings)(done, body)
    return done


@torch.no_grad()
def moved(result: Result, params: BodyParams, body: Body) -> Result:
    """The result with other parameters, and the joints that go with them."""
    on_body = params.to(body.v_template)
    joints = body.joints(on_body.rotations, on_body.betas, on_body.translation).cpu()
    return replace(result, params=params, joints=joints)
