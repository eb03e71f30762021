"""Labelers: segments of a video -> text labels."""

from .base import LabelContext, Labeler, labelers, register
from .simple import Fixed, NoLabeler, Oracle, Retrieval, Wrong

__all__ = ["Fixed", "LabelContext", "Labeler", "NoLabeler", "Oracle", "Retrieval", "Wrong", "labelers", "register"]
