"""How long every stage of a run takes, and how far the loop is from its limit: the network's own passes on the same frames."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ..devices import choose_device
from ..errors import SemttaError
from ..types import Progress
from .meter import Measurement, hardware, measure
from .stages import Case, Epoch, stage_works

#: Frames where none are given: all on a GPU and for the included network; on a CPU few for the large ones.
_FRAMES_ON_CPU = {"hmr": 20, "hmr2": 4}
_QUICK_FRAMES = 16
#: What a run does once, and so what its length is made of beside the epochs.
ONCE = ("decode", "crop", "predict", "label: retrieval", "write: results", "write: overlay", "write: report")


def run_bench(
    names: Sequence[str] = ("open", "hmr"),
    frames: int | None = None,
    device: str = "auto",
    preset: str | None = None,
    settings: Mapping[str, Any] | None = None,
    rounds: int = 5,
    quick: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure the included clip: all stages with the first estimator, the loop against its network with each.

    Everything is run in turn, ``rounds`` times after one that does not count. ``stages`` and ``loops`` hold medians,
    ``ratios`` what is compared between runs: medians of the rounds' ratios, on a CPU of processor time, which other
    programs disturb least, otherwise of elapsed time.

    Args:
        names: of estimators; ``hmr`` and ``hmr2`` get random weights where their own are not here.
        frames: of the clip; None: all, on a CPU 20 for ``hmr`` and 4 for ``hmr2``.
        preset, settings: see ``semtta.build.resolve``.
        quick: few frames, small networks, one round: to see that it works.

    Returns:
        What ``semtta bench --json`` writes: hardware, stages (seconds and megabytes), loops, ratios.

    Raises:
        SemttaError: no or unknown estimators, a wrong number of frames, or a setting that cannot be.
    """
    where = choose_device(device)
    if not names:
        raise SemttaError("Nothing to measure: give --estimator open, hmr or hmr2.")
    rounds = 1 if quick else rounds
    report: dict[str, Any] = {
        "hardware": hardware(where),
        "rounds": rounds,
        "stages": {},
        "skipped": {},
        "loops": {},
        "ratios": {},
    }
    for place, name in enumerate(dict.fromkeys(names)):
        count = frames or (_QUICK_FRAMES if quick else _FRAMES_ON_CPU.get(name) if where.type == "cpu" else None)
        case = Case.make(name, count, device, preset, settings, quick)
        epoch = Epoch(case)
        with tempfile.TemporaryDirectory() as folder:
            works, skipped = stage_works(case, Path(folder)) if place == 0 else ({}, {})
            found = measure({**works, **epoch.works()}, rounds, where, progress, f"measuring {name}")
        report["loops"][name] = _loop_record(case, epoch, found)
        clip = f"{name}{', small' if quick else ''}, {case.video.num_frames} frames"
        report["ratios"] |= {f"loop / network ({clip})": found["loop"].over(found["network"], where.type == "cpu")}
        if place == 0:
            config = case.resolved.config
            report |= {
                "preset": case.resolved.preset, "epochs": config.loop.epochs, "frames": case.video.num_frames, "skipped": skipped,
                "stages": {stage: found[stage].record() for stage in works} | {"adapt (an epoch)": found["loop"].record()},
            }  # fmt: skip
            report["ratios"] |= {
                f"{stage} / predict ({clip})": found[stage].over(found["predict"], where.type == "cpu")
                for stage in works
                if stage not in ("predict", "label: fixed")  # which takes no time worth watching
            }
        del case, epoch, found, works  # the next network needs the memory
    report["hardware"]["load_at_end"] = hardware(where)["load"]
    return report


def _loop_record(case: Case, epoch: Epoch, found: Mapping[str, Measurement]) -> dict[str, Any]:
    network, loop = found["network"], found["loop"]
    per_frame = 1000 / case.video.num_frames
    return {
        "weights": case.weights,
        "parameters": sum(value.numel() for value in case.roles.estimator.parameters()),
        "crop_px": case.roles.estimator.crop_px,
        "frames": case.video.num_frames,
        "frames_in_batches": sum(len(frames) for frames in epoch.batches),
        "micro_batch": case.resolved.config.loop.micro_batch,
        "network": network.record(),
        "loop": loop.record(),
        "network_ms_per_frame_and_epoch": per_frame * network.median_s,
        "loop_ms_per_frame_and_epoch": per_frame * loop.median_s,
        "loop_over_network": loop.over(network),
        "loop_over_network_cpu": loop.over(network, cpu=True),
    }


def profile_epoch(
    name: str = "open", frames: int | None = None, device: str = "auto", preset: str | None = None,
    settings: Mapping[str, Any] | None = None, quick: bool = False, rows: int = 30,
) -> str:  # fmt: skip
    """A table of torch.profiler of one epoch of the loop: the operations that take longest by themselves."""
    where = choose_device(device)
    case = Case.make(name, frames or (_QUICK_FRAMES if quick else None), device, preset, settings, quick)
    epoch = Epoch(case)
    activities = [torch.profiler.ProfilerActivity.CPU]
    if where.type == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as profiler:
        epoch.loop()
    order = "self_cuda_time_total" if where.type == "cuda" else "self_cpu_time_total"
    return profiler.key_averages().table(sort_by=order, row_limit=rows, max_name_column_width=60)


def run_seconds(report: Mapping[str, Any]) -> dict[str, float]:
    """What each stage adds to a whole run with the preset's number of epochs, in seconds."""
    stages = report["stages"]
    parts = {stage: stages[stage]["seconds"] for stage in ONCE if stage in stages}
    return {**parts, "adapt (an epoch)": report["epochs"] * stages["adapt (an epoch)"]["seconds"]}
