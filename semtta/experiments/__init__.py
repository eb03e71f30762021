"""Studies: methods x datasets x seeds, and the paper's tables and figures as views of the results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..types import Progress
from .records import Runs
from .report import Written, write_report
from .runner import Job, Record, make_plan, missing, opened
from .study import Study, included, make_study, merged, read_study
from .workers import execute

__all__ = ["Study", "Written", "included", "make_study", "merged", "read_study", "run_study"]


def run_study(
    study: Study,
    folder: str | Path,
    workers: int = 1,
    ray: str | None = None,
    gpus: float | None = None,
    cpus: float = 1,
    device: str | None = None,
    progress: Progress | None = None,
) -> Written:
    """Run what ``folder`` lacks of a study, then write the tables, figures and report there.

    Args:
        study: from ``read_study``, with a dataset.
        folder: of this study only; its existing results are reused.
        workers, ray, gpus, cpus: where the runs execute, see ``semtta.experiments.workers.execute``.
        device: auto, cpu, cuda or mps; None: as the rows set it.
        progress: follows the runs.

    Raises:
        SemttaError: for an invalid study or folder, before anything runs.
    """
    plan = make_plan(study, device)
    with opened(folder, study) as results:
        total, todo = len(plan.jobs()), missing(plan, results)
        done = total - len(todo)

        def on_record(job: Job, record: Record) -> None:
            nonlocal done
            results.write(job, record)
            done += 1
            if progress is not None:
                progress("runs", done, total)

        if progress is not None:
            progress("runs", done, total)
        execute(todo, on_record, workers, ray, gpus, cpus)
        return write_report(Runs.read(plan, results), results)
