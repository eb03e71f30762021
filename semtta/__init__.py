"""semtta: semantics-aware test-time adaptation for 3D human pose estimation (Lin et al., ICML 2025)."""

from .api import adapt
from .data import load_video
from .errors import SemttaError
from .metrics import evaluate
from .settings.config import AdaptConfig
from .types import AdaptResult, BodyParams, Keypoints2D, Motion, Segment, SegmentLabel, Video
from .version import __version__

__all__ = [
    "AdaptConfig", "AdaptResult", "BodyParams", "Keypoints2D", "Motion", "Segment", "SegmentLabel", "SemttaError", "Video",
    "adapt", "evaluate", "load_video",
]  # fmt: skip
