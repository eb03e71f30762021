"""What compare and ablate share: their options, and running a study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .common import console, finite, progress_bars, say

if TYPE_CHECKING:
    from semtta.experiments.study import Study

DatasetName = Annotated[
    str | None, typer.Option("--dataset", help="synthwild (included), 3dpw, 3dhp, egobody, multiview, folder ...")
]
Split = Annotated[str | None, typer.Option(help="Split of the dataset. Default: the study's, test.")]
Root = Annotated[Path | None, typer.Option(help="Folder of the dataset's files; not needed for an included one.")]
Protocol = Annotated[str | None, typer.Option(help="Evaluation protocol, such as 3dpw/spin. Default: the dataset's.")]
Seeds = Annotated[int | None, typer.Option(min=1, max=1000, help="Number of seeds; several give a mean and deviation.")]
Quick = Annotated[
    bool, typer.Option("--quick", help="Smoke version: two clips of val, a few frames and epochs; the numbers mean nothing.")
]
Workers = Annotated[int, typer.Option(min=1, max=1024, help="Processes on this machine; each takes a GPU in turn.")]
Ray = Annotated[
    str | None, typer.Option(help="Ray cluster: HOST:PORT, ray://HOST:PORT, auto, or local (start one here).", metavar="ADDRESS")
]
Gpus = Annotated[
    float | None,
    typer.Option(min=0, max=1024, callback=finite, help="With --ray: GPUs per run, such as 0.5. Default: 1 if there are any."),
]
Cpus = Annotated[float, typer.Option(min=0, max=1024, callback=finite, help="With --ray: CPUs per run.")]
Out = Annotated[Path | None, typer.Option(help="Folder for runs, tables, figures and report. Default: out/STUDY-DATASET-SPLIT.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="Any setting for all rows, as key=value.", metavar="KEY=VALUE")]


def run(
    study: Study, dataset: str | None, split: str | None, root: Path | None, protocol: str | None, seeds: int | None, quick: bool, workers: int,
    ray: str | None, gpus: float | None, cpus: float, out: Path | None, device: str | None, assignments: list[str] | None,
) -> None:  # fmt: skip
    """Make the missing runs of a study, write its tables and report, and print the tables; exit code 1 if a run failed."""
    from semtta.errors import SemttaError
    from semtta.experiments import run_study
    from semtta.experiments.render import to_rich
    from semtta.experiments.study import made_quick
    from semtta.settings import flatten, parse_assignments

    if ray is not None and workers > 1:
        raise SemttaError("--workers and --ray exclude each other: give one of them.")
    study = made_quick(study) if quick else study
    chosen = parse_assignments(assignments or [])
    settings = {**flatten(study.settings), **chosen}
    settings_for = {name: {**flatten(values), **chosen} for name, values in study.settings_for.items()}
    given = {
        "dataset": dataset,
        "split": split,
        "root": None if root is None else str(root),
        "protocol": protocol,
        "seeds": seeds,
    }
    study = study.model_copy(
        update={"settings": settings, "settings_for": settings_for, **{k: v for k, v in given.items() if v is not None}}
    )
    folder = out or Path("out") / "-".join([study.name, str(study.dataset), study.split, *(["quick"] if quick else [])])

    with progress_bars("Interrupted. Finished runs are kept: run the same command to resume.") as report:
        written = run_study(study, folder, workers, ray, gpus, cpus, device, report)
    for table in written.tables:
        console().print(to_rich(table))
    say(f"Tables, figures and runs in {folder}; open {written.page}")
    if written.failures:
        for line in written.failures:
            say(f"Failed: {line}", "red")
        raise typer.Exit(1)
