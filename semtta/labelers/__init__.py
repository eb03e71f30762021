"""Labelers: segments of a video -> text labels."""

from .base import LabelContext, Labeler, labelers, register
from .files import File, read_labels
from .simple import Fixed, NoLabeler, Oracle, Retrieval, Wrong
from .vlm import VisionLanguageLabeler

__all__ = [
    "File", "Fixed", "LabelContext", "Labeler", "NoLabeler", "Oracle", "Retrieval", "VisionLanguageLabeler", "Wrong", "labelers",
    "read_labels", "register",
]  # fmt: skip
