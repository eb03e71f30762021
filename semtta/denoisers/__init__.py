"""Denoisers: noisy pose sequence -> smooth one."""

from .base import denoisers, register
from .mdnet import MDNet, denoise, masked_loss, merge_windows, random_mask, to_windows

__all__ = [
    "MDNet", "denoise", "denoisers", "masked_loss", "merge_windows", "random_mask", "register", "to_windows",
]  # fmt: skip
