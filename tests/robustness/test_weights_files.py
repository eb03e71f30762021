"""Weights, checkpoints and licensed files of wrong structure, values or length: refused in one line, without taking memory."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import answered, refusal
from safetensors.torch import save_file
from short_clips import tiny_hmr, write_tiny_hmr

from semtta.assets import store_folder
from semtta.assets.conversion import REGRESSORS, import_asset
from semtta.body import load as load_body
from semtta.build import build_roles, resolve
from semtta.constants import SMPL_PARENTS
from semtta.denoisers import MDNet
from semtta.estimators import HMR, HMR2
from semtta.io.checkpoints import Checkpointed, tensor_table
from semtta.io.weights import load_checkpoint, load_weights, save_weights
from semtta.methods.online.pose_prior import PosePrior
from semtta.priors import TMR, InfillConfig, InfillPrior, MotionCLIP, MotionDictionary, MotionDiscriminator, OpenPrior

READERS: tuple[type[Checkpointed], ...] = (HMR, HMR2, MDNet, MotionCLIP, OpenPrior, InfillPrior, TMR, MotionDiscriminator)
INFILL = InfillConfig(width=8, layers=1, heads=2, feedforward=8, text_dim=4)
SMALL = tiny_hmr()


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A small whole weights file; not to be changed."""
    return write_tiny_hmr(tmp_path_factory.mktemp("weights") / "whole.safetensors")


# -- our own files ----------------------------------------------------------------------------------------------------


def header(content: object, length: int | None = None) -> bytes:
    """A safetensors file of this header and no data."""
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text


SAFETENSORS = {
    "empty": b"", "short": b"\0\0", "text": b"not weights at all", "zeros": bytes(100), "huge header": header(b"{}", 2**60),
    "negative header": b"\xff" * 8 + b"{}", "no JSON": header(b"{not json"), "a list": header([1]), "deep": header(b"[" * 5000),
    "no tensors": header({}), "offsets": header({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}),
    "backwards": header({"w": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}),
    "huge shape": header({"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 0]}}),
    "no such type": header({"w": {"dtype": "X9", "shape": [], "data_offsets": [0, 0]}}),
    "metadata number": header({"__metadata__": 3}), "metadata no JSON": header({"__metadata__": {"kind": "hmr"}}),
    "other kind": header({"__metadata__": {"kind": '"other"'}}), "kind a list": header({"__metadata__": {"kind": "[]"}}),
    "latin-1": header(b'{"\xe9": 1}'), "pickle": pickle.dumps([1, 2]), "zip": b"PK\x03\x04" + bytes(40),
}  # fmt: skip


@pytest.mark.parametrize("kind", SAFETENSORS)
def test_files_that_are_no_weights(kind, tmp_path):
    (tmp_path / "x.safetensors").write_bytes(SAFETENSORS[kind])
    refusal(load_weights, tmp_path / "x.safetensors", "hmr", names="x.safetensors")
    refusal(HMR.from_checkpoint, tmp_path / "x.safetensors", names="x.safetensors")


@pytest.mark.parametrize("keep", [0.001, 0.1, 0.5, 0.99, 0.9999])
def test_truncated_files(whole, tmp_path, keep):
    content = whole.read_bytes()
    (tmp_path / "x.safetensors").write_bytes(content[: int(keep * len(content))])
    refusal(HMR.from_checkpoint, tmp_path / "x.safetensors", names="damaged")


def changed(**tensors: Any) -> dict[str, torch.Tensor]:
    return {**SMALL.state_dict(), **tensors}


BIAS = SMALL.state_dict()["fc1.bias"]
TENSORS: dict[str, tuple[dict[str, torch.Tensor], str]] = {
    "NaN": (changed(**{"fc1.bias": BIAS * float("nan")}), "'fc1.bias' has NaN"),
    "infinity": (changed(**{"fc1.bias": BIAS + float("inf")}), "'fc1.bias' has NaN or infinite"),
    "one NaN in half": (changed(**{"fc1.bias": (BIAS * float("nan")).half()}), "'fc1.bias'"),
    "shape": (changed(**{"fc1.bias": BIAS[:-1].clone()}), "fc1.bias is"),
    "scalar": (changed(**{"fc1.bias": BIAS[0].clone()}), "fc1.bias is ()"),
    "empty": (changed(**{"fc1.bias": BIAS[:0].clone()}), "fc1.bias is (0,)"),
    "integers": (changed(**{"fc1.bias": BIAS.long()}), "torch.int64"),
    "truth values": (changed(**{"fc1.bias": BIAS.bool()}), "torch.bool"),
    "complex": (changed(**{"fc1.bias": BIAS.to(torch.complex64)}), "complex64"),
    "unexpected": (changed(more=BIAS.clone()), "unexpected 1 (more)"),
    "missing": ({k: v for k, v in changed().items() if k != "fc1.bias"}, "missing 1 (fc1.bias)"),
    "none": ({}, "missing"),
    "others": ({f"layer.{i}.weight": BIAS.clone() for i in range(400)}, "unexpected 400"),
}


@pytest.mark.parametrize("kind", TENSORS)
def test_tensors_that_do_not_fit(kind, tmp_path):
    tensors, names = TENSORS[kind]
    save_weights(tmp_path / "x.safetensors", "hmr", tensors, config=asdict(SMALL.config))
    refusal(HMR.from_checkpoint, tmp_path / "x.safetensors", names=names)


SIZES = {
    "none": None, "text": "large", "list": [1, 2], "empty": {}, "unknown": {"colour": 1}, "text size": {"stem": "eight"},
    "negative": {"stem": -8}, "zero": {"stem": 0}, "huge": {"stem": 10**12}, "larger than any tensor": {"hidden": 10**6},
    "many layers": {"depths": [10**9, 1]}, "nan": {"dropout": float("nan")}, "null": {"stem": None}, "true": {"hidden": True},
    "other block": {"block": "[/red]"}, "nested": {"widths": [[8], [16]]}, "iterations": {"iterations": 10**9},
}  # fmt: skip


@pytest.mark.parametrize("kind", SIZES)
def test_sizes_that_the_tensors_do_not_have(kind, tmp_path):
    """A network of 10^12 channels is not built to find out that its weights are not there."""
    sizes = SIZES[kind]
    config = {**asdict(SMALL.config), **sizes} if isinstance(sizes, dict) and sizes else sizes
    save_weights(tmp_path / "x.safetensors", "hmr", SMALL.state_dict(), config=config)
    refusal(HMR.from_checkpoint, tmp_path / "x.safetensors", names="x.safetensors")


PRIORS: dict[str, dict[str, Any]] = {
    "threshold text": {"settings": {"threshold": "high"}},
    "threshold NaN": {"settings": {"threshold": float("nan")}},
    "threshold 9": {"settings": {"threshold": 9}},
    "settings list": {"settings": [1]},
    "unknown setting": {"settings": {"colour": 1}},
    "name list": {"name": ["a"]},
    "labels missing": {"labels": []},
    "labels numbers": {"labels": [1]},
    "labels text": {"labels": "walk"},
    "labels null": {"labels": None},
    "global rotation": {"settings": {"global_rotation": "up"}},
}


@pytest.mark.parametrize("kind", PRIORS)
def test_priors_whose_files_say_what_cannot_be(kind, tmp_path):
    prior = InfillPrior(INFILL, MotionDictionary(("walk",), torch.ones(1, 4)))
    described = {**prior.described(), **PRIORS[kind]}
    save_weights(tmp_path / "x.safetensors", prior.kind, prior.packed(), **described)
    refusal(InfillPrior.from_checkpoint, tmp_path / "x.safetensors", names="x.safetensors")


@pytest.mark.parametrize(
    ("tensors", "metadata"),
    [
        ({}, {"labels": ["walk"]}),
        ({"dictionary.text_features": torch.ones(1, 4)}, {}),
        ({"dictionary.text_features": torch.ones(1, 4)}, {"labels": ["walk", "run"]}),
        ({"dictionary.text_features": torch.ones(1, 4)}, {"labels": [1]}),
        ({"dictionary.text_features": torch.ones(1, 4)}, {"labels": 3}),
        ({"dictionary.text_features": torch.ones(1)}, {"labels": ["walk"]}),
        ({"dictionary.text_features": torch.full((1, 4), torch.nan)}, {"labels": ["walk"]}),
        ({"dictionary.text_features": torch.ones(1, 4), "dictionary.exemplars": torch.zeros(1, 3)}, {"labels": ["walk"]}),
        ({"dictionary.text_features": torch.ones(1, 4), "dictionary.exemplars": torch.zeros(1, 0, 24, 3)}, {"labels": ["walk"]}),
        ({"dictionary.text_features": torch.ones(1, 4), "dictionary.exemplars": torch.zeros(1, 9, 23, 3)}, {"labels": ["walk"]}),
        ({"dictionary.text_features": torch.ones(0, 4)}, {"labels": []}),
        ({"dictionary.text_features": torch.ones(1, 4), "dictionary.motions": torch.tensor([-1])}, {"labels": ["walk"]}),
        ({"dictionary.text_features": torch.ones(1, 4), "dictionary.motions": torch.tensor([2.5])}, {"labels": ["walk"]}),
        ({"dictionary.text_features": torch.ones(1, 4), "dictionary.motions": torch.tensor([[2]])}, {"labels": ["walk"]}),
        ({"dictionary.text_features": torch.ones(1, 4), "dictionary.motions": torch.tensor([2, 2])}, {"labels": ["walk"]}),
        ({"dictionary.text_features": torch.ones(1, 4), "dictionary.motions": torch.tensor(2)}, {"labels": ["walk"]}),
    ],
)
def test_dictionaries_that_are_not_whole(tensors, metadata, tmp_path):
    save_weights(tmp_path / "x.safetensors", "dictionary", tensors, **metadata)
    refusal(MotionDictionary.load, tmp_path / "x.safetensors", names="x.safetensors")


# -- checkpoints of other projects ------------------------------------------------------------------------------------


class Odd:
    """An object of a class that is not known where it is read."""


CHECKPOINTS: dict[str, Any] = {
    "None": None,
    "number": 3,
    "text": "weights",
    "list": [torch.zeros(1)],
    "empty": {},
    "numbers": {"model": {"w": 3}},
    "nested": {"model": {"model": {"w": torch.zeros(1)}}},
    "number keys": {0: torch.zeros(1)},
    "object": Odd(),
    "objects": {"model": Odd()},
    "null table": {"model": None, "state_dict": None},
    "list table": {"model": [1], "state_dict": [1]},
    "array": np.zeros(3),
    "other tensors": {"model": {"w": torch.zeros(1)}, "state_dict": {"w": torch.zeros(1)}},
    "set": {1, 2},
    "bytes": b"abc",
    "sparse": {"model": {"w": torch.zeros(2, 2).to_sparse()}, "state_dict": {"w": torch.zeros(2, 2).to_sparse()}},
    "of few values": {key: {"w": torch.zeros(1).expand(10**12)} for key in ("model", "state_dict")},
    "quantised": {"model": {"w": torch.quantize_per_tensor(torch.zeros(2), 1.0, 0, torch.qint8)}},
}


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_checkpoints_of_another_structure(kind, tmp_path):
    torch.save(CHECKPOINTS[kind], tmp_path / "x.pt")
    for reader in READERS:
        refusal(reader.from_checkpoint, tmp_path / "x.pt", names="x.pt")


MEMO = b"\x80\x02K\x01r\xff\xff\xff\x7f0N."  # the unpickler of C would make a table of 2^32 entries
BYTES = {
    "empty": b"",
    "text": b"<html>not found</html>",
    "zeros": bytes(1000),
    "zip": b"PK\x03\x04" + bytes(60),
    "end": b"PK\x05\x06" + bytes(18),
    "pickle of text": pickle.dumps("x"),
    "cut pickle": pickle.dumps({"a": [1] * 100})[:-5],
    "memo": MEMO,
    "stack": b"\x80\x02((((",
    "huge text": b"\x80\x04\x8d" + b"\xff" * 7 + b"\x7fx",
    "opcode": b"\x80\x02\xfe.",
    "protocol": b"\x80\x63.",
    "global": b"cos\nsystem\n.",
    "call": b"cos\nsystem\n(S'touch owned'\ntR.",
    "no memo": b"\x80\x02h\x05.",
    "int": b"I" + b"9" * 6000 + b"\n.",
}


@pytest.mark.parametrize("kind", BYTES)
def test_files_that_are_no_checkpoints(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.pt").write_bytes(BYTES[kind])
    refusal(HMR.from_checkpoint, tmp_path / "x.pt", names="x.pt")
    assert not (tmp_path / "owned").exists()


def test_an_archive_of_zeros_is_not_unpacked(tmp_path):
    torch.save({"model": {"w": torch.zeros(1)}}, tmp_path / "good.pt")
    with zipfile.ZipFile(tmp_path / "good.pt") as good, zipfile.ZipFile(tmp_path / "x.pt", "w", zipfile.ZIP_DEFLATED) as bomb:
        for name in good.namelist():
            bomb.writestr(name, good.read(name))
        bomb.writestr("good/data/1", bytes(1 << 26))
    refusal(load_checkpoint, tmp_path / "x.pt", names="unpack to 64 MB")


@pytest.mark.parametrize("member", ["data.pkl", "data/0", "version", "byteorder"])
@pytest.mark.parametrize("content", [None, b"", b"\x80\x02N.", b"\xff" * 30])
def test_archives_with_other_members(tmp_path, member, content):
    torch.save({"model": {"w": torch.zeros(8)}}, tmp_path / "good.pt")
    with zipfile.ZipFile(tmp_path / "good.pt") as good, zipfile.ZipFile(tmp_path / "x.pt", "w") as made:
        for name in good.namelist():
            if not name.endswith(f"/{member}"):
                made.writestr(name, good.read(name))
            elif content is not None:
                made.writestr(name, content)
    refusal(HMR.from_checkpoint, tmp_path / "x.pt", names="x.pt")


def test_places_that_are_no_files(tmp_path):
    for reader in READERS:
        for place in (tmp_path, tmp_path / "none.pt", tmp_path / "none.safetensors", tmp_path / ("n" * 300), "a\0b.pt"):
            refusal(reader.from_checkpoint, place)


# -- licensed files and settings --------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("SEMTTA_HOME", str(tmp_path / "store"))
    return store_folder()


def arrays(folder: Path) -> dict[str, Path]:
    """Files that are no regressors of 17 joints on 6890 vertices."""
    good = np.zeros((17, 6890), np.float32)
    made: dict[str, Any] = {
        "shape": good[:, :-1],
        "vector": good[0],
        "scalar": np.float32(1),
        "text": np.full((17, 6890), "a"),
        "truth": good.astype(bool),
        "complex": good.astype(complex),
        "nan": good * np.nan,
        "objects": np.array([{}], object),
        "dates": good.astype("M8[s]"),
    }
    for name, array in made.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=True)
    np.savez(folder / "archive.npz", a=good)
    np.savez(folder / "named", a=good)
    (folder / "named.npz").rename(folder / "archive.npy")
    torch.save({"w": torch.zeros(2)}, folder / "tensor.pt")
    (folder / "cut.npy").write_bytes((folder / "shape.npy").read_bytes()[:200])
    (folder / "claims.npy").write_bytes(
        b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,), }".ljust(117) + b"\n"
    )
    (folder / "empty.npy").touch()
    (folder / "words.npy").write_text("J_regressor")
    (folder / "folder.npy").mkdir()
    return {path.name: path for path in folder.iterdir()}


def test_files_that_are_no_regressors(tmp_path, store):
    (tmp_path / "in").mkdir()
    for name, path in {**arrays(tmp_path / "in"), "none": tmp_path / "none.npy"}.items():
        for kind in REGRESSORS[:1]:
            refusal(import_asset, kind, path, names=path.name)
        assert not list(store.rglob("*")), name


KINDS = ("hmr", "hmr2", "mdnet", "motionclip", "motion-discriminator", "tmr", "smpl")


@pytest.mark.parametrize("kind", KINDS)
def test_files_that_are_no_asset_of_that_kind(kind, tmp_path, store, whole):
    (tmp_path / "in").mkdir()
    with open(tmp_path / "in" / "a.pkl", "wb") as file:
        pickle.dump({"v_template": np.zeros((5, 3)), "f": "x", "kintree_table": np.zeros((2, 24))}, file)
    files = [*arrays(tmp_path / "in").values(), *([] if kind == "hmr" else [whole])]
    for path in files:
        refusal(import_asset, kind, path, names=path.name)
    assert not list(store.rglob("*"))


def test_smpl_files_of_wrong_values(tmp_path):
    base = {
        "v_template": np.zeros((6890, 3)), "shapedirs": np.zeros((6890, 3, 10)), "posedirs": np.zeros((6890, 3, 207), np.float16),
        "f": np.zeros((4, 3), np.int64), "weights": np.zeros((6890, 24)), "J_regressor": np.zeros((24, 6890)),
    }  # fmt: skip
    base["kintree_table"] = np.array([SMPL_PARENTS, range(24)])
    np.savez(tmp_path / "good.npz", **base)
    assert answered(load_body, tmp_path / "good.npz")
    wrong: dict[str, Any] = {
        "v_template": np.full((6890, 3), np.nan),
        "f": np.full((4, 3), 6890),
        "shapedirs": np.zeros((6890, 3)),
        "posedirs": np.zeros(3),
        "weights": np.full((6890, 24), "a"),
        "J_regressor": np.zeros((24, 6889)),
        "kintree_table": np.zeros((2, 24)),
    }
    for key, value in wrong.items():
        np.savez(tmp_path / "wrong.npz", **{**base, key: value})
        refusal(load_body, tmp_path / "wrong.npz", names="wrong.npz")
    refusal(import_asset, "smpl", tmp_path / "wrong.npz", names="wrong.npz")


@pytest.mark.parametrize(
    "change",
    [{"means": np.zeros(3)}, {"covars": np.zeros((2, 69, 69))}, {"weights": np.array(["a", "b"])}, {"weights": np.zeros((2, 2))},
     {"means": np.full((2, 69), np.nan)}, {"weights": np.array([-1.0, 2.0])}],
)  # fmt: skip
def test_pose_priors_of_wrong_values(change, tmp_path):
    whole = {"means": np.zeros((2, 69)), "covars": np.stack([np.eye(69)] * 2), "weights": np.full(2, 0.5)}
    np.savez(tmp_path / "good.npz", **whole)
    assert answered(PosePrior.load, tmp_path / "good.npz")
    np.savez(tmp_path / "x.npz", **{**whole, **change})
    refusal(PosePrior.load, tmp_path / "x.npz", names="x.npz")


@pytest.mark.parametrize(
    "setting",
    ["estimator.weights", "prior.weights", "denoiser.weights"],
)
def test_settings_that_name_no_weights(setting, tmp_path, whole):
    (tmp_path / "words.safetensors").write_text("weights")
    for place in (
        tmp_path / "words.safetensors",
        tmp_path / "none.safetensors",
        tmp_path,
        "a\0b",
        "",
        *([] if "est" in setting else [whole]),
    ):
        refusal(lambda place=place: build_roles(resolve(None, {setting: str(place)}).config))


def test_the_command_refuses_them(refused, clip, tmp_path):
    save_file({"w": torch.full((3,), torch.nan)}, tmp_path / "[red].safetensors")
    out = ["--out", tmp_path / "out"]
    refused("adapt", clip / "walk.mp4", "--set", f"estimator.weights='{tmp_path / '[red].safetensors'}'", *out, names="[red]")
    refused("adapt", clip / "walk.mp4", "--set", f"prior.weights={tmp_path}", *out, names=str(tmp_path)[:20])
    refused("assets", "import", "hmr", tmp_path / "[red].safetensors", names="[red]")
    assert not (tmp_path / "out").exists()


# -- chance -----------------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_checkpoints_by_chance(tmp_path_factory, data):
    """A few bytes of a whole file are others, or it ends early; of safetensors and of both forms of torch's files."""
    folder = tmp_path_factory.getbasetemp() / "chance"
    folder.mkdir(exist_ok=True)
    kind = data.draw(st.sampled_from(["x.safetensors", "x.pt", "x.pth"]))
    if not (folder / f"whole-{kind}").exists():
        if kind == "x.safetensors":
            save_weights(folder / f"whole-{kind}", "mdnet", {"w": torch.ones(3)}, layers=1)
        else:
            content = {"model": {"w": torch.ones(3)}, "epoch": 3, "who": Odd()}
            torch.save(content, folder / f"whole-{kind}", _use_new_zipfile_serialization=kind == "x.pt")
    content = bytearray((folder / f"whole-{kind}").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.none() | st.integers(0, len(content)))
    (folder / kind).write_bytes(content[:end])
    answered(MDNet.from_checkpoint, folder / kind)


TABLES = st.recursive(
    st.none() | st.integers() | st.text(max_size=4) | st.just(torch.zeros(2)),
    lambda x: st.lists(x, max_size=2) | st.dictionaries(st.text(max_size=4) | st.sampled_from(["model", ""]), x, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(TABLES)
def test_tables_by_chance(content):
    answered(lambda: tensor_table(content, "model", "", otherwise="There are no tensors here."))
