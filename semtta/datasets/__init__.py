"""Datasets: a name and a folder -> tracks with ground truth."""

from .base import Dataset, EvaluationProtocol, Finding, datasets, open_dataset, register
from .egobody import EgoBody
from .folder import Folder
from .h36m import H36M
from .mpi_inf_3dhp import MPIInf3DHP
from .multiview import MultiView
from .protocols import PROTOCOLS
from .synthwild import SynthWild
from .threedpw import ThreeDPW

__all__ = [
    "H36M",
    "PROTOCOLS",
    "Dataset",
    "EgoBody",
    "EvaluationProtocol",
    "Finding",
    "Folder",
    "MPIInf3DHP",
    "MultiView",
    "SynthWild",
    "ThreeDPW",
    "datasets",
    "open_dataset",
    "register",
]
