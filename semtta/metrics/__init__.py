"""Errors in millimetres, and quality measures that need no ground truth."""

from .errors import acceleration, acceleration_error, mpjpe, mpvpe, pa_mpjpe, pck, procrustes_align, root_align
from .evaluation import compare, evaluate, quality, total
