"""What the forks of ``killing`` have loaded before they are born: the packages, compiled functions, the body, the prior."""

import sys
import tempfile
from pathlib import Path

import torch
from short_clips import write_clip, write_tiny_hmr

if sys.argv[0] != "":  # not in the process of the tests, which only names this module
    raise ImportError("only for the process that forks")

torch.set_num_threads(1)

with tempfile.TemporaryDirectory() as folder:
    from semtta.runs.adapt import adapt_files

    place = Path(folder)
    video, weights = write_clip(place, 6), write_tiny_hmr(place / "hmr.safetensors")
    settings = {"estimator": "hmr", "estimator.weights": str(weights), "denoiser": "none", "device": "cpu", "epochs": 1}
    adapt_files([video], place / "out", place / "keypoints.npz", "walking", settings=settings)
