"""Motion priors: how well does this motion fit this label?"""

from .base import MotionTextPrior, NoPrior, Prior, Resolved, priors, register
from .dictionary import MotionDictionary
from .infill import InfillConfig, InfillPrior
from .motionclip import MotionCLIP, MotionCLIPConfig
from .open import OPEN_CONFIG, OPEN_COSINE_CONFIG

__all__ = [
    "OPEN_CONFIG", "OPEN_COSINE_CONFIG", "InfillConfig", "InfillPrior", "MotionCLIP", "MotionCLIPConfig",
    "MotionDictionary", "MotionTextPrior", "NoPrior", "Prior", "Resolved", "priors", "register",
]  # fmt: skip
