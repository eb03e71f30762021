"""semtta train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import MOST, MOST_SEED, finite, progress_bars, say

app = typer.Typer(help="Train the included weights, or your own.", no_args_is_help=True)


@app.command()
def estimator(
    images: Annotated[list[Path], typer.Argument(help="Folders of images made by 'semtta synth images'.")],
    out: Annotated[Path, typer.Option(help="Folder for weights, learning curve and checkpoint.")],
    validation: Annotated[list[str] | None, typer.Option(help="Held-out images, as name=folder.")] = None,
    steps: Annotated[int, typer.Option(help="Steps on images.", min=1, max=MOST)] = 6000,
    batch: Annotated[int, typer.Option(help="Images per step.", min=1, max=MOST)] = 96,
    minutes: Annotated[float | None, typer.Option(help="Time budget, instead of --steps.", min=0, max=MOST, callback=finite)] = None,
    start: Annotated[Path | None, typer.Option(help="Weights to start from; trains at 88 and 112 pixels only.")] = None,
    rate: Annotated[float, typer.Option(help="Learning rate.", min=0, max=1, callback=finite)] = 6e-4,
    seed: Annotated[int, typer.Option(help="Random seed.", min=0, max=MOST_SEED)] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:  # fmt: skip
    """Train the estimator on pictures (open-image) on synthetic images. Resumes from its checkpoint."""
    from semtta.body import load
    from semtta.devices import choose_device
    from semtta.training.estimator import EstimatorTraining, train_estimator

    held_out = {}
    for item in validation or []:
        name, separator, folder = item.partition("=")
        if not (name and separator and folder):
            raise typer.BadParameter(f"'{item}' is not name=folder", param_hint="--validation")
        held_out[name] = folder
    sizes = EstimatorTraining.smaller if start is None else ((0.6, 88),)
    options = EstimatorTraining(steps=steps, batch=batch, learning_rate=rate, smaller=sizes, seed=seed)
    with progress_bars() as report:
        train_estimator(
            images, out, load("open"), options, validation=held_out, deadline_s=minutes and minutes * 60, start=start,
            report=lambda values: report("training", int(values["step"]), options.head_steps + options.steps),
            device=choose_device(device),
        )  # fmt: skip
    say(f"Wrote {out / 'estimator.safetensors'}")


@app.command()
def lifter(
    mocap: Annotated[list[Path], typer.Argument(help="Folders of packed motions: recorded, or made by 'semtta synth motions'.")],
    out: Annotated[Path, typer.Option(help="Weights file to write (.safetensors); learning curve and checkpoint beside it.")],
    start: Annotated[Path | None, typer.Option(help="Weights to start from.")] = None,
    steps: Annotated[int, typer.Option(help="Optimiser steps.", min=1, max=MOST)] = 6000,
    batch: Annotated[int, typer.Option(help="Windows per step.", min=1, max=MOST)] = 40,
    frames: Annotated[int, typer.Option(help="Frames of a window.", min=3, max=1000)] = 40,
    rate: Annotated[float, typer.Option(help="Learning rate.", min=0, max=1, callback=finite)] = 6e-4,
    minutes: Annotated[float | None, typer.Option(help="Time budget, which shortens the schedule.", min=0, max=MOST, callback=finite)] = None,
    width: Annotated[int, typer.Option(help="Width of the network.", min=8, max=4096)] = 256,
    layers: Annotated[int, typer.Option(help="Its layers.", min=1, max=100)] = 4,
    reach: Annotated[int, typer.Option(help="Frames to either side that a layer sees; 0: each frame alone.", min=0, max=1000)] = 16,
    seed: Annotated[int, typer.Option(help="Random seed.", min=0, max=MOST_SEED)] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:  # fmt: skip
    """Train the estimator on keypoints, on motions seen by simulated cameras and detectors. Resumes from its checkpoint."""
    from semtta.body import load
    from semtta.devices import choose_device
    from semtta.estimators import LifterConfig
    from semtta.training.lifter import LifterTraining, read_motions, train_lifter

    options = LifterTraining(steps, batch, frames, rate, minutes, seed)
    config = LifterConfig(width=width, layers=layers, heads=max(1, width // 64), feedforward=2 * width, reach=reach)
    clips, held_out = read_motions(mocap)
    train_lifter(clips, out, load("open"), options, config, start, held_out, choose_device(device))
    say(f"Wrote {out}; use it with --set estimator.weights={out}")


@app.command()
def prior(
    mocap: Annotated[Path, typer.Argument(help="Folder of packed motions.")],
    out: Annotated[Path, typer.Argument(help="Weights file to write (.safetensors); learning curve and checkpoint beside it.")],
    variant: Annotated[str, typer.Option(help="open, open-cosine (as MotionCLIP was trained) or infill.")] = "open",
    completion: Annotated[Path | None, typer.Option(help="For variant open: a weights file of variant infill.")] = None,
    start: Annotated[Path | None, typer.Option(help="A weights file of the same variant to start from.")] = None,
    steps: Annotated[int, typer.Option(help="Optimiser steps.", min=1, max=MOST)] = 3000,
    batch: Annotated[int, typer.Option(help="Windows per step.", min=1, max=MOST)] = 32,
    rate: Annotated[float, typer.Option(help="Learning rate.", min=0, max=1, callback=finite)] = 6e-4,
    minutes: Annotated[float | None, typer.Option(help="Time budget, which shortens the schedule.", min=0, max=MOST, callback=finite)] = None,
    seed: Annotated[int, typer.Option(help="Random seed.", min=0, max=MOST_SEED)] = 0,
    evaluate: Annotated[bool, typer.Option("--evaluate", help="Only evaluate an existing weights file.")] = False,
    judge: Annotated[Path | None, typer.Option(help="A weights file of variant open, to judge decoded motions.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:  # fmt: skip
    """Train a motion prior on labelled motions and evaluate it. Resumes from its checkpoint."""
    from semtta.devices import choose_device
    from semtta.training.prior import PriorTraining, train_prior
    from semtta.training.prior_report import report

    if not evaluate:
        options = PriorTraining(variant, steps, batch, rate, seed=seed, minutes=minutes, completion=completion, start=start)
        train_prior(mocap, out, options, choose_device(device))
    report(out, variant, mocap, judge)


@app.command()
def denoiser(
    mocap: Annotated[Path, typer.Argument(help="Folder of packed motions.")],
    out: Annotated[Path, typer.Argument(help="Weights file to write (.safetensors); learning curve and checkpoint beside it.")],
    steps: Annotated[int, typer.Option(help="Optimiser steps.", min=1, max=MOST)] = 4000,
    batch: Annotated[int, typer.Option(help="Windows per step.", min=1, max=MOST)] = 256,
    minutes: Annotated[float | None, typer.Option(help="Time budget, which shortens the schedule.", min=0, max=MOST, callback=finite)] = None,
    seed: Annotated[int, typer.Option(help="Random seed.", min=0, max=MOST_SEED)] = 0,
    evaluate: Annotated[bool, typer.Option("--evaluate", help="Only evaluate an existing weights file.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:  # fmt: skip
    """Train the motion denoiser (MDNet) on motions and evaluate it. Resumes from its checkpoint."""
    from semtta.denoisers import MDNet
    from semtta.devices import choose_device
    from semtta.training import denoiser as training

    if not evaluate:
        options = training.DenoiserTraining(steps=steps, batch=batch, seed=seed, minutes=minutes)
        training.train_denoiser(mocap, out, options, choose_device(device))
    for name, value in training.evaluate(MDNet.from_checkpoint(out), mocap).items():
        say(f"{name}: {value:.2f}")


@app.command("pose-prior")
def pose_prior(
    mocap: Annotated[Path, typer.Argument(help="Folder of packed motions.")],
    out: Annotated[Path, typer.Argument(help="File to write (.npz).")],
    components: Annotated[int, typer.Option(help="Number of Gaussians.", min=1, max=1000)] = 8,
    count: Annotated[int, typer.Option(help="Number of poses drawn from the motions.", min=100, max=MOST)] = 60_000,
    seed: Annotated[int, typer.Option(help="Random seed.", min=0, max=MOST_SEED)] = 0,
) -> None:  # fmt: skip
    """Fit the pose prior of BOA and DynaBOA, a Gaussian mixture, to motions."""
    from semtta.training.pose_prior import fit_pose_prior

    for name, value in fit_pose_prior(mocap, out, components, count, seed).items():
        say(f"{name}: {value:.2f}")
    say(f"Wrote {out}; use it with --set method.pose_prior_file={out}")
