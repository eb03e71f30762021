"""semtta label."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from .common import MOST, Device, Preset, Set, console, finite, layers, made_table, progress_bars, say
from .signals import terminate_as_interrupt

KEPT = "Interrupted. The answers so far are kept: the same command asks only for the others."


def label(
    videos: Annotated[list[Path], typer.Argument(help="Video files.", metavar="VIDEO...", show_default=False)],
    labeler: Annotated[list[str] | None, typer.Option(help="Source of labels: gpt4o, vlm:MODEL, local:MODEL, retrieval ... Repeat to compare several. Default: retrieval.")] = None,
    labels: Annotated[Path | None, typer.Option(help="File of labels (a corrected review.csv, or a labels.json) instead of a labeler.")] = None,
    keypoints: Annotated[list[Path] | None, typer.Option(help="2D keypoints, as for 'semtta adapt'; once for each video, in the same order.")] = None,
    person: Annotated[str | None, typer.Option("--person", "--people", help="Whom, as for 'semtta adapt'. Default: everybody, each with labels of their own.", metavar="N|all|X,Y[@S]", show_default=False)] = None,
    start: Annotated[float | None, typer.Option(help="Seconds into the video from which on it is looked at.", min=0, max=MOST, callback=finite)] = None,
    end: Annotated[float | None, typer.Option(help="Seconds into the video until which it is looked at.", min=0, max=MOST, callback=finite)] = None,
    text: Annotated[str | None, typer.Option("--label", help="The label of the labeler 'fixed'.")] = None,
    prior: Annotated[str | None, typer.Option(help="Motion prior whose dictionary gives the labels.")] = None,
    detector: Annotated[str | None, typer.Option(help="2D detector for videos without --keypoints.")] = None,
    api_base: Annotated[str | None, typer.Option(help="Address of your own model server: http://localhost:8000/v1")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the number of requests, tokens and the estimated cost.")] = False,
    budget: Annotated[float | None, typer.Option(help="Largest cost in US dollars; requests that might exceed it are not sent.", min=0, max=MOST, callback=finite)] = None,
    review: Annotated[bool, typer.Option("--review", help="Write review.html and review.csv, to correct labels by hand.")] = False,
    evaluate: Annotated[Path | None, typer.Option(help="True labels (CSV or JSON) to compare with.")] = None,
    preset: Preset = None,
    set_: Set = None,
    out: Annotated[Path, typer.Option(help="Folder for the labels, with a subfolder for each video.")] = Path("labels"),
    device: Device = None,
) -> None:  # fmt: skip
    """Label what people do in each segment of a video, without adapting.

    Example: semtta label walk.mp4 --labeler gpt4o --dry-run
    """
    from semtta.errors import SemttaError
    from semtta.io.labels import labels_of, read_labels
    from semtta.io.run_folder import clip_folder
    from semtta.runs.label import config_for, estimate_labels, evaluate_runs, label_videos, people_to_label, write_label_run
    from semtta.runs.people import check_seconds, read_who

    if keypoints and len(keypoints) != len(videos):
        raise SemttaError(f"{len(videos)} videos with {len(keypoints)} --keypoints: give it once for each video.")
    if labels and labeler:
        raise SemttaError("Give either --labeler or --labels.")
    who = read_who(person or "all")
    check_seconds(start, end)
    names = [f"file:{labels}"] if labels else labeler or ["fixed" if text else "retrieval"]
    chosen: dict[str, Any] = {
        "prior": prior, "detector": detector, "device": device, "labeler.api_base": api_base, "labeler.budget": budget,
    }  # fmt: skip
    settings: dict[str, Any] = {}
    for _, values in layers(None, chosen, set_):
        settings |= values
    points_of: list[Path | None] = [*keypoints] if keypoints else [None] * len(videos)
    reader = config_for(names[0], preset, settings)
    files = [
        one
        for video, points in zip(videos, points_of, strict=True)
        for one in people_to_label(video, reader, who, points, text, start, end)
    ]
    if evaluate:
        known = read_labels(evaluate)  # before anything is paid for
        for file in files:
            labels_of(known, file, evaluate)
    if dry_run:
        for name in names:
            with progress_bars() as report:
                estimate = estimate_labels(files, name, preset, settings, report)
            cost = "cost not known" if estimate.cost is None else f"estimated ${estimate.cost:.4f}"
            say(
                f"{name}: {estimate.segments} segments, {estimate.requests} requests to send and {estimate.cached} answers from the cache, "
                f"about {estimate.input_tokens} tokens in and {estimate.output_tokens} out at most, {cost} (doubtful labels take a second request)."
            )
        return
    with progress_bars(KEPT) as report, terminate_as_interrupt():
        runs = label_videos(files, names, preset, settings, report)
        judged = evaluate_runs(runs, files, evaluate, preset, settings) if evaluate else [None] * len(runs)
        folders = [out] if len(runs) == 1 else [clip_folder(out, run.labeler) for run in runs]
        written = [
            write_label_run(run, files, folder, review, score, settings)
            for run, folder, score in zip(runs, folders, judged, strict=True)
        ]
    for run, paths, score in zip(runs, written, judged, strict=True):
        for video, items in run.labels.items():
            for item in items:
                scores = {"CLIP": item.score, "prior": item.similarity}
                fit = "".join(f" ({name} {score:.2f})" for name, score in scores.items() if score is not None)
                say(f"{video} {item.start}-{item.stop}: {item.label}{fit} {item.description} {item.reason}")
        say(f"{run.labeler}: {run.usage.summary()}")
        if score is not None:
            print_evaluation(score)
        say(f"Written: {', '.join(map(str, paths))}")
    if evaluate and len(runs) > 1:
        console().print(comparison(judged))


def comparison(scores: list[Any]) -> Table:
    """A table that compares labelers."""
    rows = []
    for score in scores:
        record = score.record()
        values = [record[key] for key in ("accuracy", "answered", "clip_mean", "seconds_per_segment", "cost_per_segment")]
        forms = ("{:.1f}", "{:.1f}", "{:.2f}", "{:.2f}", "{:.5f}")
        cells = ["-" if value is None else form.format(value) for form, value in zip(forms, values, strict=True)]
        rows.append((score.labeler, *cells))
    heads = ("labeler", "right (%)", "answered (%)", "mean CLIP", "s / segment", "$ / segment")
    return made_table(heads, rows, "Against the true labels", numbers=True)


def print_evaluation(score: Any) -> None:
    """Print the accuracy, confusion and CLIP scores of a labeler."""
    accuracy = "-" if score.accuracy is None else f"{score.accuracy:.1f} % right, {score.answered:.1f} % answered"
    cost = "cost not known" if score.cost_per_segment is None else f"${score.cost_per_segment:.5f}"
    say(f"  {score.segments} segments judged: {accuracy}; {score.seconds_per_segment:.2f} s and {cost} per segment")
    for (true, predicted), count in sorted(score.confusion.items(), key=lambda pair: -pair[1]):
        say(f"  {count:4d} x {true} -> {predicted}", "green" if true == predicted else "red")
    for edge, right, wrong in score.histogram():
        console().print(Text.assemble(f"  CLIP {edge:5.2f} ", ("█" * right, "green"), ("█" * wrong, "red")), soft_wrap=True)
