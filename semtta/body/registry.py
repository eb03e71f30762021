"""Body models by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..assets import store_folder
from ..errors import SemttaError
from ..io.arrays import read_npz
from ..registry import Registry
from ..types import Result
from .base import Body
from .open import OpenBody
from .smpl import SMPL, WITH_HANDS, read_model
from .smplx_files import SMPLHX

bodies: Registry[Body] = Registry("body", dict.fromkeys(("open", "smpl", "smpl-male", "smpl-female"), __name__))
register = bodies.register

bodies.register("open")(OpenBody)

#: Prefixes, in lower case, of the file names under which SMPL is distributed or imported.
FILE_NAMES = {
    "neutral": ("smpl_neutral", "basicmodel_neutral"),
    "male": ("smpl_male", "basicmodel_m_"),
    "female": ("smpl_female", "basicmodel_f_"),
}


def _smpl(gender: str, folder: str | Path | None = None, **options: Any) -> SMPL:
    folder = Path(folder) if folder is not None else store_folder()
    candidates = sorted(folder.rglob("*.npz")) + sorted(folder.rglob("*.pkl"))
    for path in candidates:
        if path.name.lower().startswith(FILE_NAMES[gender]):
            return SMPL.from_file(path, **options)
    raise SemttaError(
        f"No SMPL_{gender.upper()}.pkl in {folder}: SMPL is licensed and not included. Get it at "
        "https://smpl.is.tue.mpg.de (neutral: https://smplify.is.tue.mpg.de), then 'semtta assets import smpl FILE'; "
        "or use the free body 'open'."
    )


@register("smpl")
def smpl(folder: str | Path | None = None, **options: Any) -> SMPL:
    """The neutral SMPL body, from the user's files."""
    return _smpl("neutral", folder, **options)


@register("smpl-male")
def smpl_male(folder: str | Path | None = None, **options: Any) -> SMPL:
    """The male SMPL body, from the user's files."""
    return _smpl("male", folder, **options)


@register("smpl-female")
def smpl_female(folder: str | Path | None = None, **options: Any) -> SMPL:
    """The female SMPL body, from the user's files."""
    return _smpl("female", folder, **options)


def body_of(result: Result, body: Body | None = None) -> Body:
    """``body``, or if None the body of a result, from its model file or by name.

    Raises SemttaError if it is not installed on this machine.
    """
    return load(result.setting("body.name") or result.body) if body is None else body


def load(name_or_path: str | Path = "open", **options: Any) -> Body:
    """A body by name ("open", "smpl", "smpl-male", "smpl-female", a plug-in's) or from a model file (.pkl, .npz).

    A file of SMPL-H or SMPL-X gives its body with hands and face at rest (``SMPLHX``; needs the extra ``smpl``).

    Options go to the body: ``dtype``; for SMPL also ``regressors`` and, by name, ``folder`` of the licensed files (by
    default the asset store).
    Raises SemttaError for an unknown name, and for a file that is missing or not a body.
    """
    name = str(name_or_path)
    if name in bodies:
        return bodies.create(name, **options)
    path = Path(name_or_path)
    if path.suffix.lower() not in (".npz", ".pkl"):
        bodies.entry(name)  # raises, with the nearest known name
    if path.suffix.lower() == ".npz" and read_npz(path, only=("regressor_names",)):
        return OpenBody(path, **options)
    arrays = read_model(path)
    with_hands = np.shape(arrays.get("kintree_table", ()))[-1:] in [(joints,) for joints in WITH_HANDS]
    return (SMPLHX if with_hands else SMPL).from_arrays(arrays, path, **options)
