"""semtta adapt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from semtta.errors import SemttaError

from .common import Report, console, print_evaluation, progress_bars


def adapt(
    videos: Annotated[list[Path] | None, typer.Argument(help="Video files.", metavar="VIDEO...", show_default=False)] = None,
    keypoints: Annotated[Path | None, typer.Option(help="2D keypoints: an OpenPose folder or zip, .npz, COCO or AlphaPose JSON. Default: the detector finds them.")] = None,
    label: Annotated[str | None, typer.Option(help="What the person does, for the whole video: \"walking\".")] = None,
    person: Annotated[int, typer.Option(help="Which person, if there are several; 0 is the largest.")] = 0,
    estimator: Annotated[str | None, typer.Option(help="Pose network.")] = None,
    body: Annotated[str | None, typer.Option(help="Body model.")] = None,
    prior: Annotated[str | None, typer.Option(help="Motion prior.")] = None,
    labeler: Annotated[str | None, typer.Option(help="Who says what the person does. Default: fixed with --label, else retrieval.")] = None,
    labels: Annotated[Path | None, typer.Option(help="Labels of a file instead of a labeler: a corrected review.csv, a labels.json.")] = None,
    api_base: Annotated[str | None, typer.Option(help="Address of your own model server, for --labeler vlm:MODEL.")] = None,
    budget: Annotated[float | None, typer.Option(help="US dollars that labels may cost; no request is sent that might pass it.")] = None,
    updater: Annotated[list[str] | None, typer.Option(help="Update of the 2D keypoints; give it once for each.")] = None,
    denoiser: Annotated[str | None, typer.Option(help="Motion denoiser.")] = None,
    detector: Annotated[str | None, typer.Option(help="2D detector for videos without --keypoints.")] = None,
    method: Annotated[str | None, typer.Option(help="How to adapt.")] = None,
    preset: Annotated[str, typer.Option(help="Settings to start from: paper, cycleadapt, best, fast.")] = "paper",
    set_: Annotated[list[str] | None, typer.Option("--set", help="Any setting, as key=value.", metavar="KEY=VALUE")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file of settings, such as a run's config.yaml.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Adapt to the tracks of a dataset instead of video files.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of the dataset.")] = None,
    split: Annotated[str, typer.Option(help="Split of the dataset.")] = "test",
    protocol: Annotated[str | None, typer.Option(help="Evaluation protocol, such as 3dpw/spin. Default: the dataset's usual one.")] = None,
    track: Annotated[list[str] | None, typer.Option(help="Only this track of the dataset; give it once for each.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results, one folder in it for each video.")] = Path("out"),
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an earlier run stopped; finished videos are kept.")] = False,
) -> None:  # fmt: skip
    """Adapt the pose network to each video and write the person's 3D motion.

    Example: semtta adapt walk.mp4 --keypoints walk_openpose/ --label "walking"
    A dataset: semtta adapt --dataset 3dpw --root ~/3DPW --estimator hmr --body smpl --prior motionclip
    """
    from semtta.datasets import open_dataset
    from semtta.runs.adapt import adapt_dataset, adapt_file, shared_labeler
    from semtta.settings.config import merge, parse_assignments, read

    if bool(videos) == bool(dataset):
        raise SemttaError("Give what to adapt to: either video files, or --dataset NAME --root FOLDER.")
    if dataset and (keypoints or label or person):
        raise SemttaError("--keypoints, --label and --person are for video files: a dataset brings its own.")

    if labels and (labeler or label):
        raise SemttaError("Give one of --labels, --labeler and --label.")
    labeler = f"file:{labels}" if labels else labeler
    asked = {"api_base": api_base, "budget": budget}
    chosen: dict[str, Any] = {
        "estimator": estimator, "body": body, "prior": prior, "denoiser": denoiser, "detector": detector, "method": method,
        "device": device, "seed": seed, "labeler": labeler, "updaters": tuple(updater) if updater else None,
        "vlm": {key: value for key, value in asked.items() if value is not None} or None,
    }  # fmt: skip
    settings = merge(read(config) if config else {}, {key: value for key, value in chosen.items() if value is not None})
    settings = merge(settings, parse_assignments(set_ or []))
    if dataset:
        opened = open_dataset(dataset, root, split, protocol)
        with progress_bars() as report:

            def tracks(name: str, done: int, count: int) -> Report:
                report("tracks", done, count)
                return report

            evaluation = adapt_dataset(opened, out, track or (), preset, settings, resume, tracks)
        print_evaluation(evaluation)
        console.print(f"Results in {out}; the numbers in {out / 'evaluation.json'}")
        return
    parts = shared_labeler(settings)
    for video in videos or ():
        with progress_bars() as report:
            folder, result = adapt_file(
                video, out, keypoints=keypoints, label=label, person=person, preset=preset, settings=settings, resume=resume,
                progress=report, **parts,
            )  # fmt: skip
        for message in result.messages:
            console.print(f"[yellow]{message}[/yellow]")
        last = result.history[-1] if result.history else {}
        if last.get("reprojection_px") is not None:
            console.print(f"{result.name}: visible joints are {last['reprojection_px']:.1f} px of the 224 crop off (median).")
        console.print(f"Results in {folder}; open {folder / 'report.html'}")
