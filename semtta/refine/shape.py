"""One body for the whole clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..body import Body
from ..types import Result
from .base import moved, register


@register("shape")
def shape(results: Sequence[Result], body: Body) -> list[Result]:
    """Each person's shape is the median of all frames, per coefficient."""
    done = []
    for result in results:
        betas = result.params.betas.median(0).values.expand_as(result.params.betas)
        done.append(moved(result, replace(result.params, betas=betas.clone()), body))
    return done
