"""The denoiser interface: a network over windows of 6D rotations, or None for no smoothing."""

from __future__ import annotations

from pydantic import Field
from torch import nn

from ..registry import Registry, Settings


class DenoiserSettings(Settings):
    """Settings of a denoiser that is adapted along with the estimator."""

    weights: str | None = Field(None, description="weights file; None: the imported or included one")
    learning_rate: float | None = Field(None, gt=0, le=1, description="None: the loop's, at most 5e-5")
    fps: float | None = Field(
        None, gt=0, le=1000, description="frame rate at which it sees the motion (mdnet learnt at 30); None: the clip's own, as "
        "CycleAdapt"
    )  # fmt: skip
    batch: int = Field(32, ge=1, le=1_000_000, description="windows of 49 frames per step")


denoisers: Registry[nn.Module | None] = Registry("denoiser", {"mdnet": f"{__package__}.mdnet", "none": __name__})
register = denoisers.register


@register("none")
def no_denoiser() -> None:
    """No denoiser: no smoothing."""
    return None
