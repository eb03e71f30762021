"""SMPL, from the user's licensed file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..assets import licensed
from ..constants import SMPL24, SMPL_PARENTS
from ..constants import joint_set as names_of
from ..errors import SemttaError, first_line
from ..io.arrays import read_array_pickle, read_npy, read_npz
from ..io.files import write_atomically
from .base import NUM_BETAS, NUM_JOINTS, Body

if TYPE_CHECKING:
    from typing import Self

NUM_VERTICES = 6890
#: Number of joints, and of vertices where only one has it -> model of the SMPL family; of the bodies with hands: number of
#: joints -> number of vertices.
MODELS = {5: "FLAME", 16: "MANO", 24: "SMPL", 52: "SMPL-H", 55: "SMPL-X"}
VERTEX_COUNTS = {5023: "FLAME", 778: "MANO", 10475: "SMPL-X"}
WITH_HANDS = {52: NUM_VERTICES, 55: 10475}
#: Vertices of the face as in CycleAdapt, and of the feet as in smplx.
VERTICES = {
    "Nose": 331, "L_Eye": 2802, "R_Eye": 6262, "L_Ear": 3489, "R_Ear": 3990,
    "L_BigToe": 3216, "L_SmallToe": 3226, "L_Heel": 3387, "R_BigToe": 6617, "R_SmallToe": 6624, "R_Heel": 6787,
}  # fmt: skip
#: Regressors that other projects distribute, by the joint set that they give, under every name: the first that lies beside the
#: model or in the folder above it (as SPIN and CycleAdapt lay them out) is taken.
REGRESSOR_FILES = {
    "h36m17": ("J_regressor_h36m.npy", "J_regressor_h36m_smpl.npy"), "coco17": ("J_regressor_coco.npy",),
    "spin9": ("J_regressor_extra.npy",),
}  # fmt: skip
#: Their names in the assets' store.
REGRESSOR_ASSETS = {"h36m17": "regressor-h36m", "coco17": "regressor-coco", "spin9": "regressor-extra"}
KEYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "f", "kintree_table")


class SMPL(Body):
    """SMPL (Loper et al. 2015), 6890 vertices.

    ``joints`` are the kinematic ones. ``keypoints`` follows CycleAdapt: ``smpl24`` applies J_regressor to the posed
    mesh, ``smpl29`` adds five vertices of the face; ``coco17``, ``coco18`` and ``body25`` pair names with those, and
    take feet from vertices; ``h36m17`` and ``spin9`` need the user's regressors (REGRESSOR_FILES).
    """

    #: Name -> vertex, for the points that are not joints.
    landmarks: Mapping[str, int] = VERTICES

    def __init__(self, arrays: Mapping[str, Any], name: str = "smpl", **options: Any) -> None:
        """Build from the arrays of a model file, under the file's own names (see KEYS)."""
        data = smpl_arrays(arrays)
        vertices, joints = model_sizes(data)
        if joints in WITH_HANDS:
            raise SemttaError(
                f"Not SMPL: {vertices} vertices and {joints} joints are {MODELS[joints]}'s. Give the file itself as the body "
                "(--body FILE, semtta.body.load(FILE)); its hands are then ignored."
            )
        if vertices != NUM_VERTICES or joints != NUM_JOINTS:
            name = model_name(vertices, joints)
            named = f", as {name} has" if name not in ("", "SMPL") else ""
            raise SemttaError(
                f"Not SMPL's topology: {vertices} vertices and {joints} joints{named}, not {NUM_VERTICES} and {NUM_JOINTS}."
            )
        if data["kintree_table"][0].astype(np.int32).tolist()[1:] != list(SMPL_PARENTS[1:]):
            raise SemttaError("Not SMPL's kinematic tree: the joints have other parents.")
        super().__init__(
            name,
            v_template=data["v_template"].astype(np.float64),
            shapedirs=data["shapedirs"].astype(np.float64)[..., :NUM_BETAS],
            faces=data["f"].astype(np.int64),
            lbs_weights=data["weights"].astype(np.float64),
            J_regressor=data["J_regressor"].astype(np.float64),
            posedirs=data["posedirs"].astype(np.float64),
            **options,
        )

    @classmethod
    def from_file(
        cls, path: str | Path, regressors: Mapping[str, str | Path] | None = None, dtype: torch.dtype = torch.float32
    ) -> Self:
        """Read a model as distributed (``SMPL_NEUTRAL.pkl``, ``basicModel_*_lbs_10_207_0_v1.0.0.pkl``), or an npz.

        Args:
            path: pickles are read without chumpy and without executing anything in them.
            regressors: joint set -> .npy file [J,6890], e.g. ``{"h36m17": "J_regressor_h36m.npy"}``. Those of
                REGRESSOR_FILES are found without being named where they lie beside the model or above it.

        The body is called "smpl", "smpl-male" or "smpl-female" after the file's name. Raises SemttaError for a file
        that is not SMPL or holds more than arrays.
        """
        return cls.from_arrays(read_model(path), path, regressors, dtype)

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, Any], path: str | Path, regressors: Mapping[str, str | Path] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Self:  # fmt: skip
        """As ``from_file``, from the arrays of a file that ``read_model`` has read."""
        path = Path(path)
        with _of_file(path):
            vertices = model_sizes(smpl_arrays(arrays))[0]
            files = {**(find_regressors(path) if vertices == NUM_VERTICES else {}), **(regressors or {})}
            tables = {key: torch.as_tensor(read_npy(Path(file)).astype(np.float64)) for key, file in files.items()}
            if "h36m17" in tables:
                tables["h36m17"] = right_leg_first(tables["h36m17"], torch.as_tensor(np.asarray(arrays["v_template"])))
            return cls(arrays, name=cls.name_of(path, arrays), regressors=tables, dtype=dtype)

    @classmethod
    def name_of(cls, path: Path, arrays: Mapping[str, Any]) -> str:
        """The name of a body from this file."""
        return {"neutral": "smpl"}.get(gender(path), f"smpl-{gender(path)}")

    def regressor(self, joint_set: str) -> Tensor:
        if joint_set in self._regressors:
            return self._regressors[joint_set]
        names = names_of(joint_set)
        if not all(name in SMPL24 or name in self.landmarks for name in names):
            raise _missing_regressor(joint_set)
        rows = torch.zeros(len(names), NUM_JOINTS + self.num_vertices, dtype=torch.float64)
        on_joints = self.J_regressor.detach().cpu().double()
        for row, name in zip(rows, names, strict=True):
            if name in SMPL24:
                row[NUM_JOINTS:] = on_joints[SMPL24.index(name)]
            else:
                row[NUM_JOINTS + self.landmarks[name]] = 1
        return rows


def find_regressors(model: Path) -> dict[str, Path]:
    """Joint set -> the regressor's file, of those that were distributed with or put beside a model file."""
    places = {key: [folder / name for folder in (model.parent, model.parent.parent) for name in names]
              for key, names in REGRESSOR_FILES.items()}  # fmt: skip
    return {key: file for key, files in places.items() for file in [next(filter(Path.is_file, files), None)] if file}


def _missing_regressor(joint_set: str) -> SemttaError:
    """The error for a joint set that needs a file: its names, who has it under which licence, and where to put it."""
    pass_it = f"pass regressors={{'{joint_set}': FILE}} to SMPL.from_file"
    if joint_set not in REGRESSOR_FILES:
        return SemttaError(f"SMPL's joints do not give the joint set '{joint_set}': {pass_it}.")
    asset = next(row for row in licensed() if row.name == REGRESSOR_ASSETS[joint_set])
    return SemttaError(
        f"SMPL's joints do not give the joint set '{joint_set}': put {' or '.join(REGRESSOR_FILES[joint_set])} beside the model "
        f"file, or '{asset.made}', or {pass_it}. It is in {asset.source} ({asset.licence})."
    )


def right_leg_first(regressor: Tensor, v_template: Tensor) -> Tensor:
    """A regressor [17, 6890] of H36M's joints with the right leg in rows 1 to 3, as ``skeletons.H36M17`` names them.

    Files with both orders exist: SPIN's and VIBE's has the left leg there (their ``H36M_TO_J17``), CycleAdapt's the right leg.
    The position of the legs in the rest pose tells which it is: SMPL's left is at +x. Other regressors are returned unchanged.
    """
    if regressor.shape != (len(names_of("h36m17")), len(v_template)):
        return regressor  # refused later, with a message
    first, second = (regressor[rows] @ v_template.to(regressor) for rows in ([1, 2, 3], [4, 5, 6]))
    return regressor[[0, 4, 5, 6, 1, 2, 3, *range(7, 17)]] if bool((first[:, 0] > second[:, 0]).all()) else regressor


def convert(source: str | Path, target: str | Path) -> None:
    """Write a distributed SMPL file as a plain npz with the same names, for the user only: its licence still applies."""
    arrays = read_model(source)
    with _of_file(source):
        SMPL(arrays)  # raises for anything but SMPL
    kept: dict[str, Any] = {key: np.asarray(arrays[key]) for key in KEYS}
    write_atomically(Path(target), lambda path: np.savez(path, **kept))


@contextmanager
def _of_file(path: str | Path) -> Iterator[None]:
    """Names the file in errors about its arrays, which can be of any shape and type."""
    try:
        yield
    except SemttaError as error:
        raise SemttaError(f"{path}: {error}") from error
    except Exception as error:
        raise SemttaError(f"{path}: not the arrays of an SMPL model ({first_line(error)}).") from error


def read_model(path: str | Path) -> dict[str, Any]:
    """The arrays of a model file of the SMPL family, without executing anything in it; SemttaError for any other file."""
    path = Path(path)
    return read_npz(path, only=KEYS) if path.suffix.lower() == ".npz" else read_array_pickle(path)


def smpl_arrays(arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The arrays named in KEYS; raises SemttaError that names the missing ones."""
    missing = [key for key in KEYS if key not in arrays]
    if missing:
        name = model_name(next(iter(np.shape(arrays.get("v_template", ()))), 0), 0)
        known = f" Its vertices are {name}'s." if name else ""
        raise SemttaError(f"Not an SMPL model: it lacks {', '.join(missing)}.{known}")
    return {key: np.asarray(arrays[key]) for key in KEYS}


def model_sizes(data: Mapping[str, np.ndarray]) -> tuple[int, int]:
    """Numbers of vertices and joints of a model (see MODELS)."""
    return len(data["v_template"]), data["kintree_table"].shape[-1]


def model_name(vertices: int, joints: int) -> str:
    """What a model of the SMPL family is called, by its joints unless they are SMPL's; "" for none of it."""
    by_joints = MODELS.get(joints, "")
    return by_joints if by_joints not in ("", "SMPL") else VERTEX_COUNTS.get(vertices, by_joints)


def gender(path: Path) -> str:
    """ "neutral", "male" or "female", according to the file's name."""
    match = re.search(r"(?:^|[^a-z])(male|female|m|f)(?:[^a-z]|$)", path.stem.lower())
    return {"m": "male", "f": "female"}[match[1][0]] if match else "neutral"
