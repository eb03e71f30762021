"""What an installation has and lacks."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from dataclasses import dataclass

import torch

from . import assets
from .version import __version__

#: Optional modules: what they are for, and the extra that installs them.
OPTIONAL = {
    "ai_edge_litert": ("the detector 'blazepose'", "blazepose"),
    "transformers": ("labels outside the dictionary, HMR2.0 detectors", "text"),
    "open_clip": ("verification of labels, MotionCLIP's text", "clip"),
    "litellm": ("labels from GPT-4o and other models", "vlm"),
    "smplx": ("comparison with the SMPL package", "smpl"),
}


@dataclass(frozen=True)
class Check:
    what: str
    found: str
    fine: bool
    advice: str = ""


def checks() -> list[Check]:
    """One row for each thing that a run may need."""
    found = [
        Check("semtta", __version__, True),
        Check("Python", platform.python_version(), True),
        Check("PyTorch", torch.__version__, True),
        Check("CUDA", torch.cuda.get_device_name() if torch.cuda.is_available() else "none", True, "runs on the CPU as well"),
    ]
    for module, (use, extra) in OPTIONAL.items():
        here = importlib.util.find_spec(module) is not None
        advice = "" if here else f"for {use}: pip install 'semtta[{extra}]'"
        found.append(Check(module, "installed" if here else "not installed", here, advice))
    for row in assets.rows():
        here = row.path.exists()
        advice = "" if here else row.made
        found.append(Check(row.name, "here" if here else "not here", here, advice))
    return found
