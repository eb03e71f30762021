"""Labelers: segments of a video -> text labels."""

from .base import LabelContext, Labeler, labelers, register
from .simple import Fixed, NoLabeler, Oracle, Retrieval

__all__ = ["Fixed", "LabelContext", "Labeler", "NoLabeler", "Oracle", "Retrieval", "labelers", "register"]
