"""Datasets: a name and a folder -> tracks with ground truth."""

from .base import Dataset, EvaluationProtocol, Finding, datasets, register

__all__ = ["Dataset", "EvaluationProtocol", "Finding", "datasets", "register"]
