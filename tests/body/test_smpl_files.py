"""Reading the licensed files: every form they come in, and nothing else."""

from __future__ import annotations

import copy
import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from body_models import random_betas, random_rotations
from scipy.sparse import csc_matrix

from semtta.body import SMPL, OpenBody, bodies, load
from semtta.body.smpl import VERTICES, convert, right_leg_first
from semtta.errors import SemttaError

Arrays = dict[str, np.ndarray]


@pytest.fixture
def chumpy() -> Iterator[Any]:
    """A stand-in with chumpy's names and state; gone again when files are read."""
    ch, reordering = ModuleType("chumpy.ch"), ModuleType("chumpy.reordering")
    names = {"chumpy": ModuleType("chumpy"), "chumpy.ch": ch, "chumpy.reordering": reordering}
    ch.Ch = type("Ch", (), {"__module__": "chumpy.ch"})
    reordering.Select = type("Select", (ch.Ch,), {"__module__": "chumpy.reordering"})
    sys.modules.update(names)

    def wrap(array: np.ndarray) -> Any:
        node = ch.Ch()
        node.__dict__.update(x=array, _dirty_vars=set(), _itr=None)
        return node

    def select(array: np.ndarray) -> Any:
        node = reordering.Select()
        node.__dict__.update(a=wrap(array), idxs=np.arange(array[..., :10].size), preferred_shape=array[..., :10].shape)
        return node

    yield wrap, select
    for name in names:
        del sys.modules[name]


def write(path: Path, content: Any, protocol: int = 2) -> Path:
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def assert_same(body: SMPL, arrays: Arrays) -> None:
    reference = SMPL(arrays)
    for name in ("v_template", "shapedirs", "posedirs", "lbs_weights", "J_regressor", "faces"):
        torch.testing.assert_close(getattr(body, name), getattr(reference, name))


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_pickle_with_chumpy_and_scipy(tmp_path: Path, smpl_arrays: Arrays, chumpy: Any, protocol: int) -> None:
    wrap, select = chumpy
    content = {
        **smpl_arrays,
        "v_template": wrap(smpl_arrays["v_template"]),
        "shapedirs": select(smpl_arrays["shapedirs"]),
        "J_regressor": csc_matrix(smpl_arrays["J_regressor"]),
        "bs_style": "lbs",
    }
    if protocol == 0:  # text: slow, and the large array adds nothing
        content["posedirs"] = csc_matrix(np.zeros((2, 2)))
        smpl_arrays = {**smpl_arrays, "posedirs": np.zeros((6890, 3, 207))}
        with pytest.raises(SemttaError, match="posedirs is \\(2, 2\\)"):
            SMPL.from_file(write(tmp_path / "SMPL_NEUTRAL.pkl", content, protocol))
        return
    path = write(tmp_path / "basicModel_neutral_lbs_10_207_0_v1.0.0.pkl", content, protocol)
    body = SMPL.from_file(path)
    assert body.name == "smpl"
    assert_same(body, smpl_arrays)


def test_python_2_strings(tmp_path: Path) -> None:
    """Python 2 wrote byte strings, numpy's old module path and its arrays' bytes as such."""
    raw = (
        b"\x80\x02}q\x00U\x01fq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85U\x01b\x87Rq\x04"
        b"(K\x01K\x02\x85cnumpy\ndtype\nq\x05U\x02u1K\x00K\x01\x87Rq\x06(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x02\xe9\x07tbs."
    )
    path = tmp_path / "old.pkl"
    path.write_bytes(raw)
    from semtta.io.arrays import read_array_pickle

    assert read_array_pickle(path)["f"].tolist() == [0xE9, 7]


class Payload:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_malicious_pickle_is_refused_unexecuted(tmp_path: Path, protocol: int) -> None:
    target = tmp_path / "executed"
    path = write(tmp_path / "SMPL_NEUTRAL.pkl", {"v_template": Payload(target)}, protocol)
    with pytest.raises(SemttaError, match=r"mkdir\): refused, nothing of it was executed"):
        SMPL.from_file(path)
    assert not target.exists()


@pytest.mark.parametrize(
    "raw",
    [
        b"c__builtin__\neval\n(S'1/0'\ntR.",
        b"cbuiltins\ngetattr\n(cbuiltins\nobject\nS'__subclasses__'\ntR.",
        b"ccopy_reg\n_reconstructor\n(cnumpy\nndarray\ncbuiltins\nobject\nNtR.",
        b"c_codecs\nencode\n(S'a'\nS'rot13'\ntR.",
        b"\x80\x02]q\x00.",
        b"not a pickle",
        b"",
    ],
)
def test_foreign_and_damaged_pickles(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "SMPL_NEUTRAL.pkl"
    path.write_bytes(raw)
    with pytest.raises(SemttaError, match=r"SMPL_NEUTRAL\.pkl"):
        SMPL.from_file(path)


def test_unknown_chumpy_expression(tmp_path: Path, smpl_arrays: Arrays, chumpy: Any) -> None:
    sum_of_squares = type("SumOfSquares", (), {"__module__": "chumpy.ch"})
    sys.modules["chumpy.ch"].SumOfSquares = sum_of_squares
    path = write(tmp_path / "SMPL_NEUTRAL.pkl", {"v_template": sum_of_squares()})
    with pytest.raises(SemttaError, match=r"chumpy\.ch\.SumOfSquares"):
        SMPL.from_file(path)


def test_npz_and_conversion(tmp_path: Path, smpl_arrays: Arrays) -> None:
    source = write(tmp_path / "basicmodel_m_lbs_10_207_0_v1.1.0.pkl", smpl_arrays)
    convert(source, tmp_path / "SMPL_MALE.npz")
    body = SMPL.from_file(tmp_path / "SMPL_MALE.npz")
    assert body.name == "smpl-male"
    assert SMPL.from_file(source).name == "smpl-male"
    assert_same(body, smpl_arrays)
    assert isinstance(load(tmp_path / "SMPL_MALE.npz"), SMPL)


def test_wrong_models_are_named(tmp_path: Path, smpl_arrays: Arrays) -> None:
    with pytest.raises(SemttaError, match="6006 vertices and 24 joints"):
        SMPL({**smpl_arrays, "v_template": np.zeros((6006, 3))})
    with pytest.raises(SemttaError, match=r"52 joints.*SMPL-H"):
        SMPL({**smpl_arrays, "kintree_table": np.zeros((2, 52), dtype=np.uint32)})
    with pytest.raises(SemttaError, match="lacks posedirs"):
        SMPL({key: value for key, value in smpl_arrays.items() if key != "posedirs"})
    other = smpl_arrays["kintree_table"].copy()
    other[0, 5] = 1
    with pytest.raises(SemttaError, match="other parents"):
        SMPL({**smpl_arrays, "kintree_table": other})
    with pytest.raises(SemttaError, match="No file"):
        SMPL.from_file(tmp_path / "absent.pkl")
    np.savez(tmp_path / "objects.npz", v_template=np.array([{}], dtype=object))
    with pytest.raises(SemttaError, match="plain arrays"):
        SMPL.from_file(tmp_path / "objects.npz")


def test_keypoints_of_smpl(tmp_path: Path, smpl_arrays: Arrays) -> None:
    table = np.random.default_rng(5).dirichlet(np.ones(6890), 17)
    np.savez(tmp_path / "SMPL_NEUTRAL.npz", **smpl_arrays)
    path = tmp_path / "SMPL_NEUTRAL.npz"
    for joint_set, said in (
        (
            "h36m17",
            r"J_regressor_h36m\.npy or J_regressor_h36m_smpl\.npy beside.*nkolot/SPIN.*CycleAdapt_RELEASE.*SMPL licence",
        ),
        ("spin9", r"put J_regressor_extra\.npy beside.*nkolot/SPIN.*SMPL licence"),
    ):
        with pytest.raises(SemttaError, match=said) as caught:
            SMPL.from_file(path).keypoints(random_rotations(), random_betas(), joint_set)
        assert "\n" not in str(caught.value)
    np.save(tmp_path / "J_regressor_h36m.npy", table)
    body = SMPL.from_file(path, dtype=torch.float64)
    rotations, betas = random_rotations(2), random_betas(2)
    vertices = body.vertices(rotations, betas)
    torch.testing.assert_close(body.keypoints(rotations, betas, "h36m17"), torch.as_tensor(table) @ vertices)
    points = body.keypoints(rotations, betas, "smpl29")
    torch.testing.assert_close(points[:, :24], body.J_regressor @ vertices)
    torch.testing.assert_close(points[:, 24:], vertices[:, [331, 2802, 6262, 3489, 3990]])
    torch.testing.assert_close(body.keypoints(rotations, betas, "body25")[:, 19], vertices[:, VERTICES["L_BigToe"]])
    np.save(tmp_path / "small.npy", table[:, :6006])
    with pytest.raises(SemttaError, match="another mesh"):
        SMPL.from_file(path, regressors={"h36m17": tmp_path / "small.npy"})


@pytest.mark.parametrize("above", [False, True])
@pytest.mark.parametrize(
    ("name", "joint_set"),
    [("J_regressor_h36m.npy", "h36m17"), ("J_regressor_h36m_smpl.npy", "h36m17"), ("J_regressor_coco.npy", "coco17"),
     ("J_regressor_extra.npy", "spin9")],
)  # fmt: skip
def test_regressors_by_every_name(name: str, joint_set: str, above: bool, tmp_path: Path, smpl_arrays: Arrays) -> None:
    """Beside the model, or above its folder as in the data folders of SPIN and CycleAdapt."""
    (tmp_path / "smpl").mkdir()
    np.savez(tmp_path / "smpl/SMPL_NEUTRAL.npz", **smpl_arrays)
    table = np.random.default_rng(5).dirichlet(np.ones(6890), 9 if joint_set == "spin9" else 17)
    np.save((tmp_path if above else tmp_path / "smpl") / name, table)
    body = SMPL.from_file(tmp_path / "smpl/SMPL_NEUTRAL.npz", dtype=torch.float64)
    rotations, betas = random_rotations(2), random_betas(2)
    expected = torch.as_tensor(table) @ body.vertices(rotations, betas)
    if joint_set == "h36m17":
        expected = right_leg_first(torch.as_tensor(table), body.v_template) @ body.vertices(rotations, betas)
    torch.testing.assert_close(body.keypoints(rotations, betas, joint_set), expected)


def test_load_by_name(tmp_path: Path, smpl_arrays: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMTTA_HOME", str(tmp_path))
    with pytest.raises(SemttaError, match=r"No SMPL_NEUTRAL.pkl in .*smpl.is.tue.mpg.de.*semtta assets import"):
        load("smpl")
    (tmp_path / "smpl").mkdir()
    np.savez(tmp_path / "smpl" / "SMPL_NEUTRAL.npz", **smpl_arrays)
    assert load("smpl").name == "smpl"
    np.savez(tmp_path / "smpl" / "SMPL_FEMALE.npz", **smpl_arrays)
    assert load("smpl-female", folder=tmp_path / "smpl").name == "smpl-female"
    with pytest.raises(SemttaError, match="Did you mean 'open'"):
        load("opn")
    assert {"open", "smpl", "smpl-male", "smpl-female"} <= set(bodies.names())


def test_open_format_from_a_path(tmp_path: Path) -> None:
    from importlib.resources import files

    path = tmp_path / "copy.npz"
    path.write_bytes((files("semtta") / "assets" / "open_body.npz").read_bytes())
    assert isinstance(load(path), OpenBody)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(SemttaError):
        load(path)


@pytest.mark.parametrize("spin", [True, False])
def test_the_legs_of_an_h36m_regressor_are_told_apart(spin: bool) -> None:
    """SPIN's file has the left leg in rows 1 to 3, CycleAdapt's the right one; the names say the right one."""
    from semtta.body.smpl import right_leg_first

    template = torch.zeros(6890, 3)
    template[:17, 0] = torch.tensor([0.0, -0.1, -0.1, -0.1, 0.1, 0.1, 0.1, 0, 0, 0, 0, 0.2, 0.5, 0.7, -0.2, -0.5, -0.7])
    named = torch.eye(17, 6890, dtype=torch.float64)
    file = named[[0, 4, 5, 6, 1, 2, 3, *range(7, 17)]] if spin else named
    torch.testing.assert_close(right_leg_first(file, template), named)


@pytest.mark.parametrize(("vertices", "name"), [(10475, "SMPL-X"), (778, "MANO"), (5023, "FLAME")])
def test_other_models_are_named_although_they_lack_something(vertices, name):
    with pytest.raises(SemttaError, match=f"lacks .* Its vertices are {name}'s"):
        SMPL({"v_template": np.zeros((vertices, 3)), "f": np.zeros((1, 3), int)})
    with pytest.raises(SemttaError, match=r"lacks v_template[^.]*\.$"):
        SMPL({"f": np.zeros((1, 3), int)})


@pytest.mark.parametrize(
    ("name", "gender"), [("smpl-male", "male"), ("smplx-female", "female"), ("smpl", "neutral"), ("x", "neutral")]
)
def test_a_body_has_the_gender_of_its_name(open_body, name, gender):
    body = copy.copy(open_body)
    body.name = name
    assert body.gender == gender
