"""Procedural motions: labelled motions made by recipes, for what free motion capture lacks. What they make is CC0."""

from .generate import procedural_motions, recipes, sample, write
from .recipe import Recipe

__all__ = ["Recipe", "procedural_motions", "recipes", "sample", "write"]
