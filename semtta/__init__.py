"""semtta: semantics-aware test-time adaptation for 3D human pose estimation (Lin et al., ICML 2025).

Everything is loaded when it is first asked for, so that ``import semtta`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from . import (
        body,
        datasets,
        denoisers,
        detectors,
        estimators,
        export,
        generators,
        geometry,
        labelers,
        losses,
        methods,
        metrics,
        priors,
        results,
        settings,
        testing,
        updaters,
    )
    from .api import adapt, adapt_people
    from .data import load_people, load_video
    from .errors import SemttaError
    from .metrics import evaluate
    from .results import AdaptResult
    from .settings import AdaptConfig
    from .types import BodyParams, Keypoints2D, Motion, Segment, SegmentLabel, Video

_NAMES = {
    "adapt": "api", "adapt_people": "api", "load_people": "data", "load_video": "data", "SemttaError": "errors",
    "evaluate": "metrics", "AdaptResult": "results", "AdaptConfig": "settings", "BodyParams": "types",
    "Keypoints2D": "types", "Motion": "types", "Segment": "types", "SegmentLabel": "types", "Video": "types",
}  # fmt: skip
_MODULES = (
    "body", "datasets", "denoisers", "detectors", "estimators", "export", "generators", "geometry", "labelers", "losses",
    "methods", "metrics", "priors", "results", "settings", "testing", "updaters",
)  # fmt: skip

__all__ = [*_NAMES, *_MODULES, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(import_module(f".{_NAMES[name]}", __name__), name)
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module 'semtta' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
