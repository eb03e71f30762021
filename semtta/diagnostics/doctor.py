"""What an installation has and lacks."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from dataclasses import dataclass

import torch

from .. import assets
from ..body import load as load_body
from ..datasets import Dataset
from ..errors import SemttaError
from ..types import EvaluationProtocol
from ..version import __version__

#: Optional modules: what they are for, and the extra that installs them.
OPTIONAL = {
    "ai_edge_litert": ("the detector 'blazepose'", "blazepose"),
    "transformers": ("labels outside the dictionary, HMR2.0 detectors", "text"),
    "open_clip": ("verification of labels, MotionCLIP's text", "clip"),
    "litellm": ("labels from GPT-4o and other models", "vlm"),
    "ray": ("studies on a cluster", "ray"),
    "viser": ("'semtta view --live'", "viser"),
    "smplx": ("bodies from SMPL-H and SMPL-X files", "smpl"),
    "h5py": ("the dataset 3dhp", "datasets"),
    "bpy": ("exports to fbx", "fbx"),
    "pxr": ("exports to usd", "usd"),
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


def dataset_checks(dataset: Dataset) -> list[Check]:
    """One row for each part of a dataset, and for each body that its protocol compares with."""
    found = []
    for row in dataset.check():
        of = "" if row.expected is None else f" of {row.expected}"
        found.append(Check(row.what, f"{row.found}{of}", row.good, "" if row.good else row.advice))
    return found + [
        Check(f"body '{name}'", "here" if error is None else "not here", error is None, str(error or ""))
        for name, error in ((name, _body_error(name, dataset.protocol)) for name in dataset.protocol.bodies)
    ]


def _body_error(name: str, protocol: EvaluationProtocol) -> SemttaError | None:
    try:
        load_body(name).regressor(protocol.joint_set)
    except SemttaError as error:
        return error
    return None
