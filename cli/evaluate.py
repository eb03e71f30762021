"""semtta evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semtta.errors import SemttaError

from .common import MOST, console, numbers_table, print_evaluation


def evaluate(
    out: Annotated[Path, typer.Argument(help="Folder of results that 'semtta adapt' wrote.")],
    ground_truth: Annotated[Path | None, typer.Option(help="Ground truth of the clip (.npz of 'semtta synth clip').")] = None,
    dataset: Annotated[str | None, typer.Option(help="Dataset of the results; evaluated by its protocol.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of the dataset.")] = None,
    split: Annotated[str, typer.Option(help="Split of the dataset.")] = "test",
    protocol: Annotated[str | None, typer.Option(help="Evaluation protocol, such as 3dpw/spin. Default: the dataset's.")] = None,
    track: Annotated[list[str] | None, typer.Option(help="Only this track; repeat for several.")] = None,
    person: Annotated[int | None, typer.Option(help="Which person of the clip the ground truth is of.", min=0, max=MOST)] = None,
) -> None:  # fmt: skip
    """Compare results with ground truth, in millimetres. Of a clip of several people give the folder of one, or --person.

    Example: semtta evaluate out --dataset 3dpw --root ~/3DPW
    """
    from semtta.data.truth import load_truth
    from semtta.datasets import open_dataset
    from semtta.metrics import evaluate as measure
    from semtta.results import find_all, load
    from semtta.runs.evaluate import evaluate_dataset

    if (ground_truth is None) == (dataset is None):
        raise SemttaError("There is no ground truth: give either --dataset NAME --root FOLDER, or --ground-truth FILE.")
    if dataset is not None:
        print_evaluation(evaluate_dataset(open_dataset(dataset, root, split, protocol), out, track or ()))
        return
    assert ground_truth is not None
    if person is not None:
        known = {place.name: place for place in find_all(out)}
        if f"person-{person}" not in known and not (person == 0 and len(known) == 1):
            raise SemttaError(f"{out} has no results of person {person}. It has: {', '.join(known)}.")
        out = known.get(f"person-{person}") or next(iter(known.values()))
    result = load(out)
    numbers = measure(result, load_truth(ground_truth))
    rows = {result.name: {k: v for k, v in numbers.items() if isinstance(v, float)}}
    console().print(numbers_table("Adapted", rows, list(rows[result.name])))
