"""Labelers: segments of a video -> text labels."""

from ..io.labels import read_labels
from .base import CostEstimate, LabelContext, Labeler, Usage, labelers, register
from .from_file import File
from .settings import VLMSettings
from .simple import Auto, Fixed, NoLabeler, Oracle, Retrieval, Wrong
from .vlm import VisionLanguageLabeler
