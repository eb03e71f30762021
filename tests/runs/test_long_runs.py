"""A clip of several windows, stopped while people are looked for, while it is adapted to and while it is written."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from semtta.detectors import detectors, from_arrays
from semtta.registry import Entry
from semtta.runs.adapt import adapt_files

#: Windows of frames 0 to 4 and 3 to 7 of eight.
WINDOWS = {"segment_frames": 4, "segment_stride": 1, "window_frames": 5, "window_overlap": 2, "epochs": 2}


class Stopped(Exception):
    pass


@pytest.fixture
def run(place, tiny, monkeypatch):
    """``run(out, stop=(what, done), **options)``: the run's arrays, of a video without keypoints; Stopped at that moment."""
    with np.load(place / "keypoints.npz") as data:
        points = data["keypoints"]

    class Still:
        def detect(self, frames, size):
            return from_arrays(points[: sum(1 for _ in frames)], len(points), size, False).people

    monkeypatch.setitem(detectors._entries, "still", Entry("still", Still))

    def adapt(out, stop=None, **options):
        said = []

        def progress(what, done, total):
            said.append((what, done, total))
            if stop == (what, done):
                raise Stopped

        settings = {**tiny, **WINDOWS, "detector": "still"}
        adapt_files([place / "walk.mp4"], out, None, "walking", 0, None, settings, progress=progress, **options)
        with np.load(out / "walk" / "motion.npz") as data:
            return {name: data[name] for name in data.files}, said

    return adapt


def test_stopped_at_three_moments_and_resumed_it_is_what_it_would_have_been(run, tmp_path):
    whole, said = run(tmp_path / "whole")
    assert said.count(("adapting", 4, 4)) == 1  # two epochs of two windows: all of them can be told from the first on
    assert ("finding keypoints", 8, 8) in said
    for moment in (("finding keypoints", 5), ("adapting", 3), ("drawing", 4)):
        out = tmp_path / moment[0]
        with pytest.raises(Stopped):
            run(out, moment)
        assert not (out / "walk" / "motion.npz").exists()
        again, said = run(out, resume=True)
        assert again.keys() == whole.keys()
        assert all(np.array_equal(again[name], whole[name]) for name in whole)
        epochs = [done for what, done, _ in said if what == "adapting" and done]
        assert epochs == {"finding keypoints": [1, 2, 3, 4], "adapting": [3, 4], "drawing": []}[moment[0]]


def test_windows_are_of_use_to_whoever_looks_at_a_run(run, tmp_path):
    run(tmp_path)
    history = (tmp_path / "walk" / "history.jsonl").read_text().splitlines()
    assert len(history) == 2  # a record an epoch, whatever the windows
    assert torch.tensor([record.count("loss_2d") for record in history]).tolist() == [1, 1]
