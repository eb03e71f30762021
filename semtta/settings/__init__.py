"""The tree of settings, the presets, and layers of them."""

from ..registry import NoSettings, Settings
from .layers import flatten, nested, parse_assignments, read_settings, shown, unknown_setting
from .presets import PRESETS, Preset
from .tree import (
    LISTED_ROLES,
    SINGLE_ROLES,
    AdaptConfig,
    CropSettings,
    EvidenceSettings,
    LabelSettings,
    LoopSettings,
    Part,
)
