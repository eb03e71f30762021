"""The included clip, adapted three ways and compared with its ground truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import assets
from ..api import adapt
from ..data import load_video
from ..data.truth import load_truth
from ..metrics import evaluate
from ..types import Progress, Result, Video

CLIP = Path(assets.__file__).parent / "demo"
#: Rows of the demo's table: name -> preset and settings.
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "cycleadapt": ("best", {"method": "cycleadapt", "prior": "none", "labeler": "none"}), "semantic": ("best", {}),
}  # fmt: skip
#: The clip is rendered: BlazePose's landmarks are poor there, and its files may be missing.
CHOSEN: dict[str, Any] = {"evidence.landmarks": "never"}
METRICS = ("mpjpe", "pa_mpjpe", "mpvpe", "pa_mpjpe_occluded")


@dataclass(frozen=True)
class Demo:
    """What the demo found: errors in millimetres by row, and where the files are."""

    numbers: Mapping[str, Mapping[str, float]]
    folder: Path
    result: Result


def demo_video() -> Video:
    """The included clip with its detector-like keypoints, label and ground truth."""
    video = load_video(CLIP / "walk.mp4", keypoints=CLIP / "keypoints.npz", label="walking")
    return replace(video, ground_truth=load_truth(CLIP / "ground_truth.npz"))


def run_demo(
    out: Path, device: str = "auto", seed: int = 0, progress: Progress | None = None, settings: Mapping[str, Any] | None = None
) -> Demo:
    """Adapt the clip with CycleAdapt and with the paper's method; every number comes from these two runs."""
    video = demo_video()
    assert video.ground_truth is not None
    numbers: dict[str, Mapping[str, float]] = {}
    result = None
    for name, (preset, own) in ROWS.items():

        def report(what: str, done: int, total: int, name: str = name) -> None:
            if progress is not None:
                progress(f"{name}: {what}", done, total)

        chosen = {**CHOSEN, **own, "device": device, "seed": seed, **(settings or {})}
        result = adapt(video, preset=preset, settings=chosen, progress=report)
        if not numbers:
            numbers["unadapted"] = evaluate(result, video.ground_truth, unadapted=True)
        numbers[name] = evaluate(result, video.ground_truth)
    assert result is not None
    folder = result.save(out, video=video)
    return Demo(numbers, folder, result)
