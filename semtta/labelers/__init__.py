"""Labelers: segments of a video -> text labels."""

from .base import Labeler, LabelContext, labelers, register
from .simple import Fixed, NoLabeler, Oracle, Retrieval

__all__ = ["Fixed", "LabelContext", "Labeler", "NoLabeler", "Oracle", "Retrieval", "labelers", "register"]
