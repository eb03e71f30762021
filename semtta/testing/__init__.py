"""Conformance tests for plug-ins: call them in your own tests. They raise AssertionError with a sentence on what is wrong."""

from .adaptation import check_loss, check_method, check_updater
from .data import check_dataset, check_detector, check_exporter, check_labeler
from .networks import check_body, check_denoiser, check_estimator, check_generator, check_prior
from .refiners import check_refiner

__all__ = [
    "check_body", "check_dataset", "check_denoiser", "check_detector", "check_estimator", "check_exporter", "check_generator",
    "check_labeler", "check_loss", "check_method", "check_prior", "check_refiner", "check_updater",
]  # fmt: skip
