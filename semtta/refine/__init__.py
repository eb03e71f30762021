"""Refiners: what follows the adaptation, from one motion per person in the camera frame to people on one floor."""

from .base import Refiner, moved, refine, refiners, register

__all__ = ["Refiner", "moved", "refine", "refiners", "register"]
