"""Motion priors: how well does this motion fit this label?"""

from .base import MotionTextPrior, NoPrior, Prior, PriorSettings, ResolvedLabel, priors, register
from .dictionary import MotionDictionary
from .discriminator import DiscriminatorPrior
from .discriminator_network import MotionDiscriminator
from .generated import GeneratedPrior, UnpairedPrior
from .infill import InfillConfig, InfillPrior
from .motionclip import MotionCLIP, MotionCLIPConfig
from .open import OPEN_CONFIG, OPEN_COSINE_CONFIG, OpenPrior
from .tmr import TMR, TMRConfig

__all__ = [
    "OPEN_CONFIG",
    "OPEN_COSINE_CONFIG",
    "TMR",
    "DiscriminatorPrior",
    "GeneratedPrior",
    "InfillConfig",
    "InfillPrior",
    "MotionCLIP",
    "MotionCLIPConfig",
    "MotionDictionary",
    "MotionDiscriminator",
    "MotionTextPrior",
    "NoPrior",
    "OpenPrior",
    "Prior",
    "PriorSettings",
    "ResolvedLabel",
    "TMRConfig",
    "UnpairedPrior",
    "priors",
    "register",
]  # fmt: skip
