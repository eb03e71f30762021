"""Errors against ground truth, before and after adaptation.

The dataset ``folder`` reads your own videos: beside ``NAME.mp4`` it looks for ``NAME_keypoints.*``, ``NAME_ground_truth.npz`` and
``NAME_labels.*``; where a folder holds one video, ``keypoints.npz`` and so on will do. The included clip is such a folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import semtta
from semtta.datasets import open_dataset
from semtta.runs.demo import CLIP

METRICS = ("mpjpe", "pa_mpjpe", "mpvpe")


def main(folder: Path = CLIP, settings: Mapping[str, Any] | None = None) -> dict[str, dict[str, dict[str, float]]]:
    """Errors in millimetres: track -> "before" or "after" -> metric."""
    dataset = open_dataset("folder", folder)
    errors = {}
    for track in dataset.tracks():
        video = dataset.load(track)
        if video.ground_truth is None:
            print(f"{track}: no ground truth")
            continue
        result = semtta.adapt(video, prior="infill", settings=settings)
        errors[track] = {
            "before": semtta.evaluate(result, video.ground_truth, unadapted=True),
            "after": semtta.evaluate(result, video.ground_truth),
        }
        for when, row in errors[track].items():
            print(f"{track}, {when}: " + ", ".join(f"{name} {row[name]:.1f} mm" for name in METRICS if name in row))
    print(dataset.protocol.line)  # other joints, roots or frames give other numbers
    return errors


if __name__ == "__main__":
    main()
