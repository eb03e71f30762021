"""Bodies: SMPL-format parameters -> joints, keypoints, vertices."""

from __future__ import annotations

from .base import NUM_BETAS, NUM_JOINTS, Body
from .open import OpenBody
from .registry import bodies, body_of, load, register
from .smpl import SMPL
from .smplx_files import SMPLHX
from .surface import Surface

__all__ = ["NUM_BETAS", "NUM_JOINTS", "SMPL", "SMPLHX", "Body", "OpenBody", "Surface", "bodies", "body_of", "load", "register"]
