"""semtta bench."""

from __future__ import annotations

from typing import Annotated

import typer

from .common import console


def bench(
    estimator: Annotated[str, typer.Option(help="Pose network.")] = "open",
    frames: Annotated[int, typer.Option(help="Frames of the clip.")] = 120,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Time an adaptation against the network's own forward and backward passes on the same frames."""
    from semtta.diagnostics.bench import loop_overhead

    report = loop_overhead(estimator, frames, device)
    for name, value in report.items():
        console.print(f"{name}: {value:.3g}" if isinstance(value, float) else f"{name}: {value}")
