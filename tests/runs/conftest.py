"""Inputs of runs that take a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from short_clips import write_clip, write_tiny_hmr

from semtta.runs.adapt import adapt_files


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A clip, the same backwards, its keypoints of eight frames, those of two people, others, and weights of a tiny network."""
    folder = tmp_path_factory.mktemp("inputs")
    write_clip(folder, 8)
    write_clip(folder / "backwards", 8, backwards=True)
    with np.load(folder / "keypoints.npz") as data:
        arrays = {key: data[key] for key in data.files}
    points = arrays["keypoints"]
    np.savez(folder / "shifted.npz", **{**arrays, "keypoints": points + np.array((4, 0, 0))})
    smaller = points * [0.5, 0.5, 1.0]
    np.savez(folder / "two.npz", **{**arrays, "keypoints": np.stack((points, smaller), 1)})
    write_tiny_hmr(folder / "hmr.safetensors")
    write_tiny_hmr(folder / "other.safetensors", seed=1)
    return folder


@pytest.fixture
def tiny(place) -> dict[str, object]:
    """Settings of a run that takes a second."""
    return {
        "estimator": "hmr", "estimator.weights": str(place / "hmr.safetensors"), "denoiser": "none", "prior": "open",
        "device": "cpu", "epochs": 3, "learning_rate": 1e-3,
    }  # fmt: skip


@pytest.fixture
def adapt(place, tiny):
    """``adapt(out, path=, keypoints=, label=, person=, progress=, resume=, overwrite=, start=, end=, **settings)``.

    Returns folder and result, or with person "all" those of each person.
    """

    def run(out, path="walk.mp4", keypoints="keypoints.npz", label="walking", person=0, progress=None, resume=False,
            overwrite=False, start=None, end=None, **settings):  # fmt: skip
        found = adapt_files(
            [place / path], out, place / keypoints, label, person, None, {**tiny, **settings}, resume, overwrite, progress,
            start=start, end=end,
        )  # fmt: skip
        return found if person == "all" else found[0]

    return run
