"""semtta label."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .common import console, progress_bars


def label(
    videos: Annotated[list[Path], typer.Argument(help="Video files.", metavar="VIDEO...", show_default=False)],
    labeler: Annotated[str, typer.Option(help="Who says what the person does.")] = "retrieval",
    keypoints: Annotated[Path | None, typer.Option(help="2D keypoints, as for 'semtta adapt'.")] = None,
    text: Annotated[str | None, typer.Option("--label", help="The label of the labeler 'fixed'.")] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file to write; default: only print.")] = None,
) -> None:  # fmt: skip
    """Say what the person does in each segment of a video, without adapting."""
    from semtta import adapt, load_video
    from semtta.results import write_text

    for path in videos:
        video = load_video(path, keypoints=keypoints, label=text)
        with progress_bars() as report:
            result = adapt(video, labeler=labeler, method="none", progress=report)
        records = [vars(item) for item in result.labels]
        for item in result.labels:
            console.print(f"{video.name} {item.start}-{item.stop}: [bold]{item.label}[/bold] {item.description} {item.reason}")
        if out is not None:
            write_text(out, json.dumps(records, indent=1) + "\n")
