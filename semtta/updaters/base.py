"""The updates of Eq. 6-8 as pure functions of the 2D evidence.

An updater is called with the keypoints as they were before this epoch's update, what the updaters before it made of
them, the prediction and the similarity: so EMA and fill-in compose to Eq. 8 in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from ..registry import Registry
from ..types import Evidence


@dataclass(frozen=True)
class UpdateRules:
    """Settings of the updates."""

    alpha: float = 0.9  # Eq. 7
    sigma: float = 0.75  # Eq. 6
    fillable: Tensor | None = None  # [J] bool, joints that fill-in may touch; None: all
    outside_crop: bool = True  # whether it may set points outside the crop
    crop_px: float = 224.0


#: (evidence at the start of the update, evidence so far, predicted [T, J, 2], similarity [T], rules) -> evidence.
Updater = Callable[[Evidence, Evidence, Tensor, Tensor, UpdateRules], Evidence]

updaters: Registry[Evidence] = Registry("updaters")
register = updaters.register


@register("ema")
def ema(before: Evidence, current: Evidence, predicted: Tensor, similarity: Tensor, rules: UpdateRules) -> Evidence:
    """Eq. 7: ``alpha * point + (1 - alpha) * prediction`` where there was a point."""
    moved = rules.alpha * before.points + (1 - rules.alpha) * predicted
    return Evidence(moved.where(before.present[..., None], current.points), current.present)


@register("fill_in")
def fill_in(before: Evidence, current: Evidence, predicted: Tensor, similarity: Tensor, rules: UpdateRules) -> Evidence:
    """Eq. 6: the prediction where there was no point and the motion's similarity to its label [T] exceeds sigma."""
    fill = ~before.present & (similarity > rules.sigma)[:, None]
    if rules.fillable is not None:
        fill = fill & rules.fillable
    if not rules.outside_crop:
        fill = fill & ((predicted >= 0) & (predicted <= rules.crop_px)).all(-1)
    return Evidence(predicted.where(fill[..., None], current.points), current.present | fill)


@register("none")
def none(before: Evidence, current: Evidence, predicted: Tensor, similarity: Tensor, rules: UpdateRules) -> Evidence:
    """Keeps the 2D as it is."""
    return current


def compose(names: Sequence[str]) -> Callable[[Evidence, Tensor, Tensor, UpdateRules], Evidence]:
    """The updaters of these names, one after the other; all see the evidence as it was before the update (Eq. 8)."""
    steps: list[Updater] = [updaters.get(name) for name in names]

    def update(evidence: Evidence, predicted: Tensor, similarity: Tensor, rules: UpdateRules) -> Evidence:
        current = evidence
        for step in steps:
            current = step(evidence, current, predicted, similarity, rules)
        return current

    return update
