"""What a denoiser is: a network over windows of 6D rotations, or None for no smoothing."""

from __future__ import annotations

from torch import nn

from ..registry import Registry

denoisers: Registry[nn.Module | None] = Registry("denoisers")
register = denoisers.register


@register("none")
def no_denoiser() -> None:
    """No denoiser: no smooth loss."""
    return None
