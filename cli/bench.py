"""semtta bench."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from .common import MOST, Preset, Set, console, layers, made_table, progress_bars, say, thread_count


def bench(
    estimator: Annotated[list[str] | None, typer.Option(help="Pose network: open, hmr, hmr2 (may be given again). Default: open and hmr; on a GPU hmr2 too. The stages are timed with the first.", show_default=False)] = None,
    frames: Annotated[int | None, typer.Option(help="Frames of the included clip. Default: all; on a CPU few for hmr and hmr2.", show_default=False, min=1, max=MOST)] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    preset: Preset = None,
    assignments: Set = None,
    rounds: Annotated[int, typer.Option(help="Runs of everything, of which the median counts.", min=1, max=MOST)] = 5,
    threads: Annotated[str | None, typer.Option(help="Threads on the CPU: a number. Default: PyTorch's own.", show_default=False)] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all numbers to a file instead of printing tables.", metavar="FILE", show_default=False)] = None,
    profile: Annotated[bool, typer.Option("--profile", help="Print the operations of one epoch instead (torch.profiler).")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Few frames, small networks, one round: to see that it works.")] = False,
) -> None:  # fmt: skip
    """Time every stage of a run, and the loop against its network's own forward and backward passes on the same frames.

    Networks whose licensed weights are not here get random ones: they take as long. ViT-H (hmr2) needs 16 GB of memory and minutes on a CPU.
    """
    import torch

    from semtta.devices import choose_device
    from semtta.diagnostics.bench import profile_epoch, run_bench

    if (count := thread_count(threads)) is not None:
        torch.set_num_threads(count)
    settings = {key: value for _, layer in layers(None, {}, assignments) for key, value in layer.items()}
    large = ["hmr2"] if quick or choose_device(device).type == "cuda" else []
    names = estimator or ["open", "open-image", "hmr", *large]
    if profile:
        say(profile_epoch(names[0], frames, device, preset, settings, quick))
        return
    with progress_bars("Interrupted: nothing was written.") as report:
        found = run_bench(names, frames, device, preset, settings, rounds, quick, report)
    if json_file is None:
        _print(found)
    else:
        import json

        from semtta.io.files import plain, write_text

        write_text(json_file, json.dumps(plain(found), indent=1) + "\n")
        say(f"Wrote {json_file}")


def _print(found: Mapping[str, Any]) -> None:
    from semtta.diagnostics.bench import run_seconds

    parts = run_seconds(found)
    total, frames = sum(parts.values()), found["frames"]
    rows: list[tuple[str, ...]] = []
    for stage, row in found["stages"].items():
        ms, share = 1000 * row["seconds"], f"{parts[stage] / total:.1%}" if stage in parts else ""
        numbers = (f"{ms:.1f}", f"{ms / frames:.2f}", f"{1000 * row['cpu_seconds']:.1f}", share)
        rows.append((stage, *numbers, f"{row['peak_mb']:.0f}", f"{row['added_mb']:.0f}"))
    heads = ("stage", "ms", "ms a frame", "CPU ms", "share", "peak MB", "added MB")
    console().print(made_table(heads, rows, f"Stages: {frames} frames, preset {found['preset']}", numbers=True))
    say(
        f"A whole run of {found['epochs']} epochs: {total:.1f} s, of which each stage has its share; loading the parts is not counted."
    )
    for stage, reason in found["skipped"].items():
        say(f"Not timed: {stage}. {reason}", "yellow")
    loops = [
        (
            name, row["weights"], f"{row['parameters'] / 1e6:.1f} M", str(row["frames"]),
            f"{row['network_ms_per_frame_and_epoch']:.2f}", f"{row['loop_ms_per_frame_and_epoch']:.2f}",
            f"{row['loop_over_network']:.2f}", f"{row['loop_over_network_cpu']:.2f}", f"{row['loop']['peak_mb']:.0f}",
        )
        for name, row in found["loops"].items()
    ]  # fmt: skip
    columns = ("network", "weights", "size", "frames", "network ms", "loop ms", "ratio", "of CPU time", "peak MB")
    title = "The loop against its network's own passes (ms a frame and epoch)"
    console().print(made_table(columns, loops, title, numbers=True))
    hardware = found["hardware"]
    say(f"{hardware['machine']}; load {hardware['load']} to {hardware['load_at_end']}; PyTorch {hardware['versions']['torch']}")
