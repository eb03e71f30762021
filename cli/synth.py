"""semtta synth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional, cast

import typer

from .common import MOST, MOST_SEED, finite, progress_bars, say

app = typer.Typer(
    help="Render labelled synthetic images and videos of the free body; make procedural motions.", no_args_is_help=True
)


@app.command()
def images(
    out: Annotated[Path, typer.Option(help="Folder for the shards.")],
    mocap: Annotated[Path, typer.Option(help="Folder of packed motions.")],
    count: Annotated[int, typer.Option(help="Number of images.", min=1, max=MOST)] = 100_000,
    domain: Annotated[str, typer.Option(help="studio or wild.")] = "studio",
    size: Annotated[int, typer.Option(help="Side of the images in pixels.", min=16, max=4096)] = 112,
    split: Annotated[str, typer.Option(help="train, val or test motions.")] = "train",
    seed: Annotated[int, typer.Option(help="Random seed.", min=0, max=MOST_SEED)] = 0,
    workers: Annotated[int, typer.Option(help="Processes; each renders whole shards.", min=1, max=1024)] = 1,
    shard: Annotated[int, typer.Option(help="Images per file; the images depend on it.", min=1, max=MOST)] = 2048,
    varied: Annotated[bool, typer.Option(help="Poses mixed and perturbed (for training), or as recorded (for evaluation).")] = True,
) -> None:  # fmt: skip
    """Render training images of random people in random scenes. Resumes an interrupted run."""
    from semtta.synthesis.images import generate

    with progress_bars() as report:
        generate(
            out, count, domain, mocap, size=size, seed=seed, workers=workers, shard=shard, split=split, varied=varied,
            progress=report,
        )  # fmt: skip
    say(f"Images in {out}")


@app.command()
def clip(
    out: Annotated[Path, typer.Option(help="Folder for video, keypoints and ground truth.")],
    mocap: Annotated[Path, typer.Option(help="Folder of packed motions.")],
    label: Annotated[str, typer.Option(help="What the person does; one of the motions' labels.")] = "walking",
    situation: Annotated[str, typer.Option(help="clear, occluded or truncated.")] = "occluded",
    frames: Annotated[int, typer.Option(help="Length, at 30 frames per second.", min=1, max=MOST)] = 120,
    split: Annotated[str, typer.Option(help="train, val or test motions.")] = "val",
    seed: Annotated[int, typer.Option(help="Random seed.", min=0, max=MOST_SEED)] = 0,
) -> None:  # fmt: skip
    """Render a video of a person, with ground truth and keypoints like a detector's."""
    from semtta.synthesis.clips import sample_clip, save_clip

    rendered = sample_clip(mocap, label, cast(Any, situation), frames, split, seed)
    save_clip(rendered, out)
    video = out / f"{rendered.name}.mp4"
    say(f'Wrote {video}; adapt it with:\nsemtta adapt {video} --keypoints {out / "keypoints.npz"} --label "{label}"')


@app.command()
def motions(
    out: Annotated[Path, typer.Option(help="Folder for procedural_train.npz, _val and _test.")],
    label: Annotated[Optional[list[str]], typer.Option(help="What the person does; may be repeated. Default: all.")] = None,
    count: Annotated[int, typer.Option(help="Training motions of each label; val and test get a tenth each.", min=1, max=100_000)] = 60,
    seconds: Annotated[float, typer.Option(help="Mean length; motions that happen once are shorter.", min=2, max=120, callback=finite)] = 6.0,
    seed: Annotated[int, typer.Option(help="Random seed.", min=0, max=MOST_SEED)] = 0,
) -> None:  # fmt: skip
    """Make labelled procedural motions, in the format of packed motions (--mocap). They are free of rights (CC0)."""
    from semtta.motions.procedural import write

    with progress_bars() as report:
        numbers = write(out, label, count, seed, seconds, report)
    say(f"Motions in {out}: " + ", ".join(f"{number} {split}" for split, number in numbers.items()))


@app.command()
def synthwild(
    out: Annotated[Path, typer.Option(help="Folder for the clips.")],
    split: Annotated[Optional[str], typer.Option(help="val or test. Default: both.")] = None,
    workers: Annotated[int, typer.Option(help="Processes.", min=1, max=1024)] = 2,
) -> None:  # fmt: skip
    """Render the included benchmark from its motions. Resumes an interrupted run."""
    from semtta.synthesis.synthwild import build

    with progress_bars() as report:
        build(out, split, workers, report)
    say(f"Clips in {out}; use them with: semtta compare --dataset synthwild --root {out}")


@app.command()
def source(
    dataset: Annotated[str, typer.Option(help="A dataset with SMPL parameters and 2D joints: h36m.")],
    out: Annotated[Path, typer.Option(help="Folder for the shards.")],
    root: Annotated[Path | None, typer.Option(help="Folder of the dataset.")] = None,
    split: Annotated[str, typer.Option(help="Split of the dataset.")] = "train",
    body: Annotated[str, typer.Option(help="Body that the parameters belong to.")] = "smpl",
    size: Annotated[int, typer.Option(help="Side of the images in pixels.", min=16, max=4096)] = 224,
) -> None:  # fmt: skip
    """Write training images of a labelled dataset, for 'semtta train estimator' and as source data of BOA and DynaBOA."""
    from semtta.body import load
    from semtta.datasets import open_dataset
    from semtta.training.source import write_source

    opened = open_dataset(dataset, root, split)
    with progress_bars() as report:
        skipped = write_source(opened, out, load(body), size, report)
    for track, reason in skipped.items():
        say(f"Skipped {track}: {reason}", "yellow")
    say(f"Images in {out}")
