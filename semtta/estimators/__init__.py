"""Estimators: crops -> SMPL-format parameters and camera."""

from .base import Estimator, Prediction, estimators, register
from .hmr import HMR, HMRConfig
from .open import OPEN_CONFIG

__all__ = ["HMR", "OPEN_CONFIG", "Estimator", "HMRConfig", "Prediction", "estimators", "register"]
