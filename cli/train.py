"""semtta train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from .common import console, progress_bars

app = typer.Typer(help="Train the included weights, or your own, with the same commands.", no_args_is_help=True)


@app.command()
def estimator(
    images: Annotated[list[Path], typer.Argument(help="Folders of images made by 'semtta synth images'.")],
    out: Annotated[Path, typer.Option(help="Folder for weights, learning curve and checkpoint.")],
    validation: Annotated[Optional[list[str]], typer.Option(help="Held-out images, as name=folder.")] = None,
    steps: Annotated[int, typer.Option(help="Steps on images.")] = 6000,
    batch: Annotated[int, typer.Option(help="Images a step.")] = 96,
    minutes: Annotated[Optional[float], typer.Option(help="End after this time instead of after --steps.")] = None,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:  # fmt: skip
    """Train the small pose network on synthetic images. Goes on from its checkpoint when run again."""
    from semtta.api import choose_device
    from semtta.body import load
    from semtta.training.estimator import EstimatorTraining, train_estimator

    held_out = dict(item.split("=", 1) for item in validation or [])
    options = EstimatorTraining(steps=steps, batch=batch, seed=seed)
    with progress_bars() as report:
        train_estimator(
            images, out, load("open"), options, validation=held_out, deadline_s=minutes and minutes * 60,
            report=lambda values: report("training", int(values["step"]), options.head_steps + options.steps),
            device=choose_device(device),
        )  # fmt: skip
    console.print(f"Wrote {out / 'estimator.safetensors'}")
