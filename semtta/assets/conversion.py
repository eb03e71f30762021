"""Bringing the user's licensed files into the store: read strictly, written in this project's formats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from .. import assets
from ..body.smpl import NUM_VERTICES, REGRESSOR_FILES, convert, gender
from ..denoisers import MDNet
from ..errors import SemttaError, unknown_name
from ..estimators import HMR, HMR2
from ..io.arrays import read_npy
from ..io.files import write_atomically
from ..priors import TMR, MotionCLIP, MotionDiscriminator

#: Kind -> what reads a distributed file and writes it to a path of the store.
CONVERTERS: dict[str, Callable[[Path, Path], object]] = {
    "hmr": lambda source, target: HMR.from_checkpoint(source).save(target),
    "hmr2": lambda source, target: HMR2.from_checkpoint(source).save(target),
    "mdnet": lambda source, target: MDNet.from_checkpoint(source).save(target),
    "motionclip": lambda source, target: MotionCLIP.from_checkpoint(source).save(target),
    "motion-discriminator": lambda source, target: MotionDiscriminator.from_checkpoint(source).save(target),
    "tmr": lambda source, target: TMR.from_checkpoint(source).save(target),
    "smpl": convert,
    "regressor-h36m": lambda source, target: _regressor(source, target, "h36m17"),
    "regressor-coco": lambda source, target: _regressor(source, target, "coco17"),
}


def import_asset(kind: str, source: str | Path) -> assets.Asset:
    """Convert a distributed file and put it where its name finds it; returns its row in the store's manifest.

    Pickles are read without executing anything. A file that is not what ``kind`` says raises SemttaError, and nothing is
    written. SMPL's gender is told by the file's name.
    """
    if kind not in CONVERTERS:
        raise unknown_name("kind of asset", kind, CONVERTERS)
    source = Path(source).expanduser()
    if not source.exists():
        raise SemttaError(f"No file {source}.")
    name = kind
    if kind == "smpl":
        name = {"neutral": "smpl", "male": "smpl-male", "female": "smpl-female"}[gender(source)]
    row = next(row for row in assets.licensed() if row.name == name)
    target = assets.store_folder() / row.file
    CONVERTERS[kind](source, target)
    return assets.add_imported(name, target, source.name, f"semtta assets import {kind} {source.name}")


def _regressor(source: Path, target: Path, joint_set: str) -> None:
    rows = read_npy(source)
    if rows.shape != (17, NUM_VERTICES):
        raise SemttaError(f"{source} is {rows.shape}; {REGRESSOR_FILES[joint_set]} is (17, {NUM_VERTICES}), on SMPL's vertices.")
    write_atomically(target, lambda part: np.save(part, rows))
