"""Importing the user's licensed files into the asset store, converted to this project's formats."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name

import numpy as np

from ..constants import joint_set as joint_names
from ..errors import CannotWrite, SemttaError, unknown_name
from ..io.arrays import read_npy
from ..io.files import remove_leftovers, write_atomically
from .store import Asset, add_imported, licensed, store_folder

#: Kind -> the class whose ``from_checkpoint`` reads the distributed file and whose ``save`` writes ours. By name, so that
#: nothing is imported before it is needed, and this package does not depend on those below it.
NETWORKS = {
    "hmr": "semtta.estimators:HMR", "hmr2": "semtta.estimators:HMR2", "mdnet": "semtta.denoisers:MDNet",
    "motionclip": "semtta.priors:MotionCLIP", "motion-discriminator": "semtta.priors:MotionDiscriminator",
    "tmr": "semtta.priors:TMR",
}  # fmt: skip
REGRESSORS = ("regressor-h36m", "regressor-coco", "regressor-extra")
KINDS = ("smpl", *NETWORKS, *REGRESSORS)


def import_asset(kind: str, source: str | Path) -> Asset:
    """Convert a distributed file into the asset store, where it is found by name; returns its row in the store's manifest.

    Pickles are read without executing anything. Raises SemttaError for a file of another kind; nothing is
    written then. SMPL's gender is taken from the file's name.
    """
    if kind not in KINDS:
        raise unknown_name("kind of asset", kind, KINDS)
    source = Path(source).expanduser()
    if not source.exists():
        raise SemttaError(f"No file {source}.")
    name = kind
    smpl = import_module("semtta.body.smpl")
    if kind == "smpl":
        name = {"neutral": "smpl", "male": "smpl-male", "female": "smpl-female"}[smpl.gender(source)]
    row = next(row for row in licensed() if row.name == name)
    target = store_folder() / row.file
    remove_leftovers(target.parent, of=target)
    try:
        if kind in NETWORKS:
            resolve_name(NETWORKS[kind]).from_checkpoint(source).save(target)
        elif kind == "smpl":
            smpl.convert(source, target)
        else:
            joint_set = next(key for key, asset in smpl.REGRESSOR_ASSETS.items() if asset == kind)
            shape = (len(joint_names(joint_set)), smpl.NUM_VERTICES)
            _convert_regressor(source, target, shape, " or ".join(smpl.REGRESSOR_FILES[joint_set]))
        return add_imported(name, target, source.name, f"semtta assets import {kind} {source.name}")
    except CannotWrite as error:
        raise error.advising("Make room there, or set SEMTTA_HOME to another folder.") from error


def _convert_regressor(source: Path, target: Path, shape: tuple[int, int], wanted: str) -> None:
    rows = read_npy(source)
    if rows.shape != shape or rows.dtype.kind not in "fiu":
        raise SemttaError(f"{source} is {rows.shape} of {rows.dtype}; {wanted} is {shape} numbers, on SMPL's vertices.")
    if not np.isfinite(rows).all():
        raise SemttaError(f"{source} has NaN or infinite values: it is damaged.")
    write_atomically(target, lambda part: np.save(part, rows))
