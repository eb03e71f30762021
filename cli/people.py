"""semtta people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import MOST, Set, console, finite, layers, made_table, progress_bars, say


def people(
    video: Annotated[Path, typer.Argument(help="Video file.")],
    keypoints: Annotated[Path | None, typer.Option(help="2D keypoints of everybody, as for 'semtta adapt'. Default: run the detector.")] = None,
    detector: Annotated[str | None, typer.Option(help="2D detector, if there are no --keypoints.")] = None,
    start: Annotated[float | None, typer.Option(help="Look from this second on.", min=0, max=MOST, callback=finite)] = None,
    end: Annotated[float | None, typer.Option(help="Look up to this second.", min=0, max=MOST, callback=finite)] = None,
    set_: Set = None,
    out: Annotated[Path, typer.Option(help="Picture of everybody with their numbers (.jpg or .png).")] = Path("people.jpg"),
) -> None:  # fmt: skip
    """Show who is seen when in a video, before anything is adapted.

    Example: semtta people party.mp4    then: semtta adapt party.mp4 --person 1
    """
    from semtta.build import resolve
    from semtta.data import load_people, people_table
    from semtta.detectors import detectors
    from semtta.visualization.people import require_picture, write_people

    require_picture(out)
    chosen = resolve(settings=layers(None, {"detector": detector}, set_)).config.detector
    with progress_bars() as report:
        built = detectors.create(chosen.name, chosen.settings)
        found = load_people(video, keypoints, detector=built, start=start, end=end, progress=report)
        write_people(found, out)
    rows = [
        (
            row.person,
            f"{row.start_s:.2f}",
            f"{row.end_s:.2f}",
            f"{row.seen} of {row.frames}",
            f"{row.height:.0%}",
            ", ".join(f"{a:.2f}-{b:.2f}" for a, b in row.gaps[:4]) + (" ..." if len(row.gaps) > 4 else ""),
        )
        for row in people_table(found)
    ]
    heads = ("person", "from (s)", "to (s)", "frames seen", "height", "hidden (s)")
    console().print(made_table(heads, rows, video.name, numbers=True))
    for message in dict.fromkeys(message for one in found for message in one.messages):
        say(message, "yellow")
    say(f"Wrote {out}")
