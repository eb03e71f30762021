"""Inputs of the commands that are killed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from killing import load_once
from short_clips import write_clip, write_tiny_hmr

collect_ignore = ["preloaded.py"]

if sys.platform == "win32":
    collect_ignore_glob = ["test_*.py"]  # no fork, no SIGKILL


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """``walk.mp4`` of eight frames, ``keypoints.npz``, ``two.npz`` of two people, and weights of a tiny network."""
    load_once()
    folder = tmp_path_factory.mktemp("inputs")
    write_clip(folder, 8)
    with np.load(folder / "keypoints.npz") as data:
        arrays = {key: data[key] for key in data.files}
    points = arrays["keypoints"]
    np.savez(folder / "two.npz", **{**arrays, "keypoints": np.stack((points, points * [0.5, 0.5, 1.0]), 1)})
    write_tiny_hmr(folder / "hmr.safetensors")
    return folder
