"""Loss terms: step context -> value per frame or segment (Eq. 4, 5, 9, 10)."""

from .base import StepContext, TermSettings, WeightedTerm, WholeClip, bind, evaluate_terms, overall_loss, register, terms
from .projection import projection_loss
from .smoothing import smoothing_loss
