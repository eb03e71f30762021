"""Keypoints in arrays: an npz file, or arrays that the caller has."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...constants import JOINT_SETS
from ...errors import SemttaError
from ...io.arrays import read_npz
from ...io.forms import shown
from ..base import Detections, formats
from .poses import BY_COUNT

KEYS = ("keypoints", "xy", "confidence", "joint_set", "width", "height")


@formats.register("npz")
class NpzReader:
    """``keypoints`` [T, J, 3] or [T, P, J, 3] (x, y, confidence; J = 25, 18 or 17), or ``xy`` [T, J, 2], ``confidence``
    [T, J] and ``joint_set``; optionally ``width`` and ``height``."""

    def read(self, path: Path) -> Detections | None:
        if not path.is_file() or path.suffix.lower() != ".npz":
            return None
        arrays, where = read_npz(path, only=KEYS), shown(path)
        if "keypoints" in arrays:
            values = arrays["keypoints"]
        elif "xy" in arrays and "confidence" in arrays:
            xy, confidence = (_numbers(arrays[key], f"{where}: {key}") for key in ("xy", "confidence"))
            if xy.shape[:-1] != confidence.shape or xy.shape[-1:] != (2,):
                raise SemttaError(
                    f"{where}: xy is {list(xy.shape)}, confidence {list(confidence.shape)}: expected [T, J, 2] and [T, J]."
                )
            values = np.concatenate([xy, confidence[..., None]], -1)
        else:
            raise SemttaError(f"{where} has no array 'keypoints' [T, J, 3], nor 'xy' [T, J, 2] with 'confidence' [T, J].")
        joint_set = _text(arrays["joint_set"], f"{where}: joint_set") if "joint_set" in arrays else ""
        size = None
        if {"width", "height"} <= arrays.keys():
            size = (_whole(arrays["width"], f"{where}: width"), _whole(arrays["height"], f"{where}: height"))
        return from_array(values, where, joint_set, size)


def from_array(values: np.ndarray, where: str, joint_set: str = "", size: tuple[int, int] | None = None) -> Detections:
    """Detections of an array [T, J, 3] or [T, P, J, 3]; ``joint_set`` is found from J if it is not given.

    Raises SemttaError for other shapes, for values that are no real numbers and for an unknown joint set.
    """
    values = _numbers(values, f"{where}: keypoints")
    values = values[:, None] if values.ndim == 3 else values
    if values.ndim != 4 or values.shape[-1] != 3:
        raise SemttaError(
            f"{where}: keypoints are {list(values.shape)}: expected numbers [T, J, 3], or [T, P, J, 3] of P people."
        )
    joint_set = joint_set or BY_COUNT.get(values.shape[2], "")
    if len(JOINT_SETS.get(joint_set, ())) != values.shape[2] or not values.shape[2]:
        named = f" and joint set '{shown(joint_set, 30)}'" if joint_set else ""
        raise SemttaError(
            f"{where}: {values.shape[2]} joints{named}: give 25 (BODY_25), 18 or 17 (COCO), or name the set in "
            f"'joint_set' ({', '.join(sorted(JOINT_SETS))})."
        )
    return Detections(joint_set, dict(enumerate(values)), len(values), size=size)


def _numbers(values: np.ndarray, where: str) -> np.ndarray:
    if values.dtype.kind not in "fiu":
        raise SemttaError(f"{where} are {shown(values.dtype, 40)} {list(values.shape)}: expected numbers.")
    with np.errstate(over="ignore"):  # what float64 cannot hold is infinite: not found
        return values.astype(np.float64)


def _text(value: np.ndarray, where: str) -> str:
    if value.dtype.kind != "U" or value.size != 1:
        raise SemttaError(f"{where}: {shown(value.dtype, 40)} {list(value.shape)}: expected one name.")
    return str(value.item())


def _whole(value: np.ndarray, where: str) -> int:
    if value.dtype.kind not in "fiu" or value.size != 1 or not np.isfinite(value).all() or (value != value.round()).any():
        raise SemttaError(f"{where}: {shown(value.dtype, 40)} {list(value.shape)}: expected one whole number of pixels.")
    return int(value.item())
