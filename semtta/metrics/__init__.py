"""Errors in millimetres, and the quality of a motion without ground truth."""

from .errors import acceleration, acceleration_error, mpjpe, mpvpe, pa_mpjpe, pck, procrustes_align, root_align
from .evaluation import compare, evaluate, quality, total
