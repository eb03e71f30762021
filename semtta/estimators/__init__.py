"""Estimators: crops -> SMPL-format parameters and camera."""

from ..types import Prediction
from .base import Estimator, estimators, register
from .hmr import HMR, HMRConfig
from .hmr2 import HMR2, HMR2Config
from .open import OPEN_CONFIG

__all__ = ["HMR", "HMR2", "OPEN_CONFIG", "Estimator", "HMR2Config", "HMRConfig", "Prediction", "estimators", "register"]
