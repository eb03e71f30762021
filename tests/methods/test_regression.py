"""The methods' numbers on two included clips with few epochs: their order, and no worse or better than they were.

Both people's legs are hidden for a while by something before them, which is what labels help with.
"""

from __future__ import annotations

import pytest

import semtta
from semtta.datasets import open_dataset
from semtta.experiments.runner import first_frames
from semtta.metrics import evaluate

FRAMES = 40
EPOCHS = {"none": 0, "cycleadapt": 8, "semantic": 4}  # about as many optimiser steps: 32 and 40
#: PA-MPJPE in millimetres, mean and standard deviation over the seeds 0, 1 and 2, of 27 November 2026 on one CPU thread with
#: the preset ``tables`` and the included parts:
#:   running: none 168.06; cycleadapt 105.45, 105.87, 104.47; semantic 82.66, 87.78, 84.07
#:   walking: none 71.24; cycleadapt 58.50, 56.12, 60.53; semantic 58.46, 53.15, 54.56
MEASURED = {
    "val-running-occluded": {"none": (168.06, 0.0), "cycleadapt": (105.26, 0.72), "semantic": (84.84, 2.65)},
    "val-walking-occluded": {"none": (71.24, 0.0), "cycleadapt": (58.38, 2.21), "semantic": (55.39, 2.75)},
}


def errors(track: str) -> dict[str, float]:
    """PA-MPJPE of each method, millimetres."""
    video = first_frames(open_dataset("synthwild", split="val").load(track), FRAMES)
    found = {}
    for method, epochs in EPOCHS.items():
        settings = {"method": method, "loop.epochs": epochs, "labeler": "oracle", "device": "cpu", "seed": 0}
        found[method] = evaluate(semtta.adapt(video, preset="tables", settings=settings), video.ground_truth)["pa_mpjpe"]
    return found


def tolerance(deviation: float) -> float:
    """Three standard deviations, and a millimetre for another machine's rounding."""
    return max(1.0, 3 * deviation)


@pytest.mark.parametrize("track", MEASURED)
def test_numbers_are_within_the_spread_between_seeds(track):
    found = errors(track)
    for method, (mean, deviation) in MEASURED[track].items():
        assert found[method] == pytest.approx(mean, abs=tolerance(deviation)), (method, found)
    assert max(found["semantic"], found["cycleadapt"]) < found["none"], found
    if track == "val-running-occluded":  # on the other clip the two are nearer to each other than the seeds are, with 4 epochs
        assert found["semantic"] < found["cycleadapt"] - 5, found
