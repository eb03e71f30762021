"""Denoisers: noisy pose sequence -> smoothed one."""

from .base import denoisers, register
from .mdnet import MDNet, denoise, masked_loss, merge_windows, random_mask, to_windows, training_step

__all__ = [
    "MDNet", "denoise", "denoisers", "masked_loss", "merge_windows", "random_mask", "register", "to_windows",
    "training_step",
]  # fmt: skip
