"""Datasets: a name and a folder -> tracks with ground truth."""

from .base import Dataset, EvaluationProtocol, Finding, datasets, register
from .synthwild import SynthWild

__all__ = ["Dataset", "EvaluationProtocol", "Finding", "SynthWild", "datasets", "register"]
