"""semtta ablate."""

from __future__ import annotations

from typing import Annotated

import typer

from .studies import Cpus, DatasetName, Device, Gpus, Out, Protocol, Quick, Ray, Root, Seeds, Set, Split, Workers, run

TABLES = ("components", "strategies", "threshold", "alpha", "labels")


def ablate(
    dataset: DatasetName = None,
    table: Annotated[list[str] | None, typer.Option(help=f"{', '.join(TABLES)}; repeat for several. Default: all.")] = None,
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
) -> None:
    """Ablate the method: the paper's Tables 3, 4, 6, 7 and 8 and Figures 3 and 4.

    Run it again to resume: only missing runs are made.
    """
    from semtta.errors import unknown_name
    from semtta.experiments.study import merged, read_study

    names = tuple(dict.fromkeys(table or TABLES))
    for name in names:
        if name not in TABLES:
            raise unknown_name("table", name, TABLES)
    run(
        merged([read_study(name) for name in names], "ablate", "Ablations"), dataset=dataset, split=split, root=root, protocol=protocol,
        seeds=seeds, quick=quick, workers=workers, ray=ray, gpus=gpus, cpus=cpus, out=out, device=device, assignments=set_,
    )  # fmt: skip
