"""Estimators: frames of a clip -> SMPL-format parameters and camera."""

from .base import CropEstimator, Estimator, EstimatorSettings, estimators, register
from .hmr import HMR, HMRConfig
from .hmr2 import HMR2, HMR2Config
from .lifter import Lifter, LifterConfig
from .open_image import OPEN_CONFIG
