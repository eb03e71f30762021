"""semtta adapt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from semtta.errors import SemttaError

from .common import (
    MOST,
    ConfigFile,
    Device,
    Offline,
    Preset,
    Report,
    Seed,
    Set,
    Threads,
    finite,
    go_offline,
    layers,
    print_evaluation,
    progress_bars,
    say,
    thread_count,
)


def adapt(
    videos: Annotated[list[Path] | None, typer.Argument(help="Video files.", metavar="VIDEO...", show_default=False)] = None,
    keypoints: Annotated[Path | None, typer.Option(help="2D keypoints: an OpenPose folder or zip, .npz, or JSON of COCO, AlphaPose, MMPose, Ultralytics or MediaPipe; for several videos, a folder with one for each, named like the video. Default: run the detector.")] = None,
    label: Annotated[str | None, typer.Option(help="What everybody does, for the whole video: \"walking\".")] = None,
    person: Annotated[str | None, typer.Option("--person", "--people", help="Whom: all, a number (0 is the largest person; 'semtta people VIDEO' shows them), or x,y or x,y@seconds, a place in the picture in pixels. Default: all who are seen for a second, at most 10.", metavar="N|all|X,Y[@S]", show_default=False)] = None,
    start: Annotated[float | None, typer.Option(help="Seconds into the video from which on it is looked at.", min=0, max=MOST, callback=finite)] = None,
    end: Annotated[float | None, typer.Option(help="Seconds into the video until which it is looked at.", min=0, max=MOST, callback=finite)] = None,
    focal: Annotated[float | None, typer.Option(help="Focal length of the camera in pixels of the video.", min=1, max=MOST, callback=finite)] = None,
    fov: Annotated[float | None, typer.Option(help="Instead: its horizontal field of view in degrees, across the width of the picture as shown.", min=0.05, max=175, callback=finite)] = None,
    camera: Annotated[Path | None, typer.Option(help="Instead: a file of the camera and, if it moves, of its path: JSON or npz, COLMAP's text model (a folder), TUM's format, or a calibration by Pose2Sim or Qualisys. Default: what the file says of its lens, else the estimator's assumption.")] = None,
    estimator: Annotated[str | None, typer.Option(help="Pose estimator.")] = None,
    body: Annotated[str | None, typer.Option(help="Body model, or its file.")] = None,
    prior: Annotated[str | None, typer.Option(help="Motion prior.")] = None,
    labeler: Annotated[str | None, typer.Option(help="Source of labels for what the person does. Default: auto, that is --label, else retrieval.")] = None,
    labels: Annotated[Path | None, typer.Option(help="File of labels instead of a labeler: a corrected review.csv, or a labels.json.")] = None,
    api_base: Annotated[str | None, typer.Option(help="Address of your own model server, for --labeler vlm:MODEL.")] = None,
    budget: Annotated[float | None, typer.Option(help="Largest cost of the labels in US dollars; requests that might exceed it are not sent.", min=0, max=MOST, callback=finite)] = None,
    updater: Annotated[list[str] | None, typer.Option(help="Update of the 2D evidence; repeat for several.")] = None,
    denoiser: Annotated[str | None, typer.Option(help="Motion denoiser.")] = None,
    detector: Annotated[str | None, typer.Option(help="2D detector for videos without --keypoints.")] = None,
    method: Annotated[str | None, typer.Option(help="Adaptation method.")] = None,
    preset: Preset = None,
    set_: Set = None,
    config: ConfigFile = None,
    dataset: Annotated[str | None, typer.Option(help="Adapt to the tracks of a dataset instead of video files.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of the dataset.")] = None,
    split: Annotated[str, typer.Option(help="Split of the dataset.")] = "test",
    protocol: Annotated[str | None, typer.Option(help="Evaluation protocol, such as 3dpw/spin. Default: the dataset's.")] = None,
    track: Annotated[list[str] | None, typer.Option(help="Only this track of the dataset; repeat for several.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results, with a subfolder for each video.")] = Path("out"),
    device: Device = None,
    threads: Threads = None,
    seed: Seed = None,
    offline: Offline = False,
    resume: Annotated[bool, typer.Option("--resume", help="Resume an interrupted run with the same input and settings; finished videos are kept.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace earlier results.")] = False,
) -> None:  # fmt: skip
    """Adapt the pose estimator to each video and write the 3D motion of everybody in it.

    Example: semtta adapt walk.mp4 --keypoints walk_openpose/ --label "walking"
    A dataset: semtta adapt --dataset 3dpw --root ~/3DPW --preset paper --estimator hmr --body smpl --prior motionclip
    """
    go_offline(offline)
    if bool(videos) == bool(dataset):
        raise SemttaError("Nothing to adapt to: give either video files, or --dataset NAME --root FOLDER.")
    if dataset and not (keypoints is label is person is start is end is None):
        raise SemttaError("--keypoints, --label, --person, --start and --end are for video files: a dataset brings its own.")
    if dataset and (focal is not None or fov is not None or camera):
        raise SemttaError("--focal, --fov and --camera are for video files: a dataset brings its own camera, or none.")
    if focal is not None and fov is not None:
        raise SemttaError("--focal and --fov say the same: give one of them.")
    if labels and (labeler or label):
        raise SemttaError("Give one of --labels, --labeler and --label.")
    if resume and overwrite:
        raise SemttaError("--resume keeps earlier results, --overwrite replaces them: give one of them.")
    chosen: dict[str, Any] = {
        "estimator": estimator, "body": body, "prior": prior, "denoiser": denoiser, "detector": detector, "method": method,
        "device": device, "seed": seed, "threads": thread_count(threads), "labeler": f"file:{labels}" if labels else labeler,
        "updaters": updater or None, "labeler.api_base": api_base, "labeler.budget": budget,
    }  # fmt: skip
    settings = layers(config, chosen, set_)
    if dataset:
        _dataset(dataset, root, split, protocol, track, out, preset, settings, resume, overwrite)
        return
    from semtta.runs.adapt import adapt_files

    with progress_bars() as report:
        adapt_files(
            videos or [], out, keypoints, label, "all" if person is None else person, preset, settings, resume, overwrite, report,
            _print_results, start, end, {"focal_px": focal, "fov_deg": fov, "camera": camera},
        )  # fmt: skip


def _print_results(clip: Path, found: Sequence[tuple[Path, Any]]) -> None:
    """What is said of a video when it is done: what is said of everybody is said once, the rest with who it is about."""
    shared = set.intersection(*(set(result.messages) for _, result in found))
    said = [("" if message in shared else f"{folder.name}: ", message) for folder, result in found for message in result.messages]
    for who, message in dict.fromkeys(said):
        say(f"{who}{message}", "yellow")
    for folder, result in found:
        last = result.history[-1] if result.history else {}
        if last.get("reprojection_px") is not None:
            name = result.name if len(found) == 1 else f"{result.name}, {folder.name}"
            say(f"{name}: the reprojection error is {last['reprojection_px']:.1f} px of the 224 crop (median).")
    place = clip if len(found) > 1 else found[0][0]
    people = f" of {len(found)} people" if len(found) > 1 else ""
    say(f"Results{people} in {place}; open {place / 'report.html'}")


def _dataset(
    name: str, root: Path | None, split: str, protocol: str | None, tracks: list[str] | None, out: Path, preset: str | None,
    settings: list[tuple[str, dict[str, Any]]], resume: bool, overwrite: bool,
) -> None:  # fmt: skip
    from semtta.datasets import open_dataset
    from semtta.runs.adapt import adapt_dataset

    opened = open_dataset(name, root, split, protocol)
    with progress_bars() as report:

        def follow(track: str, done: int, count: int) -> Report:
            report("tracks", done, count)
            return report

        evaluation = adapt_dataset(opened, out, tracks or (), preset, settings, resume, overwrite, follow)
    print_evaluation(evaluation)
    say(f"Results in {out}, numbers in {out / 'evaluation.json'}")
