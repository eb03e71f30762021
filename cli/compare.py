"""semtta compare."""

from __future__ import annotations

from typing import Annotated

import typer

from .studies import Cpus, DatasetName, Device, Gpus, Out, Protocol, Quick, Ray, Root, Seeds, Set, Split, Workers, run


def compare(
    dataset: DatasetName = None,
    methods: Annotated[str | None, typer.Option(help="Rows of the study, or registered methods, priors or labelers: boa,cycleadapt,semantic. Default: all rows.", metavar="A,B,C")] = None,
    study: Annotated[str, typer.Option(help="YAML file that describes the comparison, or the name of an included one.")] = "compare",
    split: Split = None,
    root: Root = None,
    protocol: Protocol = None,
    seeds: Seeds = None,
    quick: Quick = False,
    workers: Workers = 1,
    ray: Ray = None,
    gpus: Gpus = None,
    cpus: Cpus = 1,
    out: Out = None,
    device: Device = None,
    set_: Set = None,
) -> None:  # fmt: skip
    """Run methods on every clip of a dataset: the paper's Tables 1, 2 (--study compare-hmr2) and 5.

    Run it again to resume: only missing runs are made.
    """
    from semtta.experiments.study import read_study, with_rows

    described = read_study(study)
    if methods is not None:
        described = with_rows(described, [name.strip() for name in methods.split(",") if name.strip()])
    run(
        described, dataset=dataset, split=split, root=root, protocol=protocol, seeds=seeds, quick=quick, workers=workers, ray=ray, gpus=gpus, cpus=cpus,
        out=out, device=device, assignments=set_,
    )  # fmt: skip
