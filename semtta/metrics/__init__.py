"""Errors in millimetres, and quality measures that need no ground truth."""

from .errors import (
    acceleration,
    acceleration_error,
    jitter,
    limb_direction_error,
    mpjpe,
    mpvpe,
    pa_mpjpe,
    pa_mpjpe_without_offsets,
    pck,
    procrustes_align,
    root_align,
    torso_axes,
)
from .evaluation import compare, evaluate, evaluate_joints, quality, total
from .paths import root_path_errors
