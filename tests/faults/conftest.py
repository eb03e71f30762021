"""Inputs of the commands that are killed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from killing import load_once
from short_clips import write_clip, write_tiny_hmr

collect_ignore = ["preloaded.py"]

if sys.platform == "win32":
    collect_ignore_glob = ["test_*.py"]  # no fork, no SIGKILL


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """``walk.mp4`` of eight frames, ``keypoints.npz``, and weights of a tiny network."""
    load_once()
    folder = tmp_path_factory.mktemp("inputs")
    write_clip(folder, 8)
    write_tiny_hmr(folder / "hmr.safetensors")
    return folder
