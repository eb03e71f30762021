"""Labelers: segments of a video -> text labels."""

from ..io.labels import read_labels
from .base import LabelContext, Labeler, labelers, register
from .from_file import File
from .simple import Fixed, NoLabeler, Oracle, Retrieval, Wrong
from .vlm import VisionLanguageLabeler

__all__ = [
    "File", "Fixed", "LabelContext", "Labeler", "NoLabeler", "Oracle", "Retrieval", "VisionLanguageLabeler", "Wrong", "labelers",
    "read_labels", "register",
]  # fmt: skip
