"""Files of weights: nothing in a pickle is executed, trainers' extras do not stand in the way."""

from __future__ import annotations

import argparse
import os
import pickle
import sys
from collections import Counter, OrderedDict, defaultdict
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from semtta.denoisers import MDNet
from semtta.errors import SemttaError
from semtta.estimators import HMR, HMR2
from semtta.io.checkpoints import Checkpointed, tensor_table
from semtta.io.unpickling import StandIn
from semtta.io.weights import load_checkpoint
from semtta.priors import TMR, MotionCLIP, MotionDiscriminator


class Model(Enum):
    """Stands for a class of a trainer that is not on this machine when the file is read."""

    BIG = 1


def settings_of(package: str) -> Any:
    """Settings as trainers write them, of the real packages."""
    plain = {"MODEL": {"IMAGE_SIZE": 256, "layers": [1, 2.5, None, True]}, "size": 3}
    if package == "omegaconf":
        from omegaconf import OmegaConf

        return OmegaConf.create({**plain, "model": Model.BIG, "path": Path("x"), "again": "${MODEL.IMAGE_SIZE}", "gone": "???"})
    if package == "yacs":
        from yacs.config import CfgNode

        made = CfgNode(plain)
        made.freeze()
        return made
    if package == "easydict":
        from easydict import EasyDict

        return EasyDict(plain)
    return argparse.Namespace(**plain, model=Model.BIG)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.filterwarnings("ignore:Detected pickle protocol 4")
@pytest.mark.parametrize("package", ["omegaconf", "yacs", "easydict", "argparse"])
def test_a_trainers_checkpoint(package: str, protocol: int, zipped: bool, tmp_path: Path):
    """As Lightning lays it out: tensors and plain values are whole, settings stand for themselves, no module is loaded."""
    callbacks = {"ModelCheckpoint{'monitor': None}": {"best": Path("x.ckpt"), "score": np.float32(2.5), "at": Model.BIG}}
    content = {
        "epoch": np.int64(3), "state_dict": OrderedDict(w=torch.arange(3.0), b=torch.zeros(1, dtype=torch.float16)),
        "hyper_parameters": {"cfg": settings_of(package), "init_renderer": True}, "score": np.float64(1.5),
        "array": np.arange(4), "callbacks": callbacks, "when": datetime(2026, 1, 2), "counts": Counter("aab"),
        "loops": {"fit": {"state": defaultdict(list, a=[1])}}, "optimizer_states": [{"state": {0: {"step": torch.tensor(2.0)}}}],
    }  # fmt: skip
    path = tmp_path / "x.ckpt"
    torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == package != "argparse"}
    try:
        found = load_checkpoint(path)
        assert not any(name.split(".")[0] == package for name in sys.modules if package != "argparse")
    finally:
        sys.modules.update(hidden)
    assert found["state_dict"]["w"].tolist() == [0, 1, 2]
    assert found["state_dict"]["b"].dtype == torch.float16
    assert (found["epoch"], found["score"], found["array"].tolist()) == (3, 1.5, [0, 1, 2, 3])
    assert found["loops"]["fit"]["state"] == {"a": [1]}
    assert found["optimizer_states"][0]["state"][0]["step"] == 2
    settings = found["hyper_parameters"]["cfg"]
    assert isinstance(settings, StandIn)
    assert settings.kind.split(".")[0] == package
    assert "256" in _everything_in(settings)
    assert tensor_table(found, "state_dict", otherwise="none").keys() == {"w", "b"}


def _everything_in(value: Any, seen: set[int] | None = None) -> set[str]:
    """The text of every plain value in what was read; fails on anything that is neither plain nor a stand-in."""
    seen = set() if seen is None else seen
    if id(value) in seen:  # settings know their parents
        return set()
    if isinstance(value, StandIn):
        seen.add(id(value))
        value = [value.arguments, value.state, value.entries, value.members]
    elif isinstance(value, dict):
        value = list(value.items())
    if isinstance(value, list | tuple | set):
        return set().union(*(_everything_in(inner, seen) for inner in value))
    assert value is None or type(value) in (int, float, bool, str, type)
    return {str(value)}


class Attack:
    def __init__(self, function, *arguments) -> None:
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("function", [os.mkdir, eval, getattr, torch.load, exec])
@pytest.mark.parametrize("place", ["beside", "model", "w"])
def test_a_malicious_pickle_executes_nothing(place: str, zipped: bool, function, tmp_path: Path):
    """Beside the tensors it is an idle stand-in; in their place the error says what it would have called."""
    target = tmp_path / "owned"
    code = f"__import__('os').mkdir({str(target)!r})"
    arguments = {os.mkdir: (str(target),), getattr: (1, "real"), torch.load: (str(target),)}.get(function, (code,))
    attack, tensor = Attack(function, *arguments), torch.ones(2)
    content = {"beside": {"model": {"w": tensor}, "x": attack}, "model": {"model": attack}, "w": {"model": {"w": attack}}}[place]
    torch.save(content, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    found = load_checkpoint(tmp_path / "x.pt")
    assert not target.exists()
    if place == "beside":
        assert tensor_table(found, "model", otherwise="none")["w"].tolist() == [1, 1]
        assert isinstance(found["x"], StandIn)
        return
    with pytest.raises(
        SemttaError, match=rf"^none In place of '{place}' it has [\w.]+\.{function.__name__}\(.*: nothing"
    ) as caught:
        tensor_table(found, "model", otherwise="none")
    assert "\n" not in str(caught.value)


TABLES: dict[type[Checkpointed], str] = {
    HMR: "model", HMR2: "state_dict", MDNet: "model", MotionCLIP: "", MotionDiscriminator: "disc_motion_state_dict",
    TMR: "state_dict",
}  # fmt: skip


@pytest.mark.parametrize("reader", TABLES)
def test_every_network_says_what_would_have_been_called(reader: type[Checkpointed], tmp_path: Path):
    """In place of all tensors, of one, and of the whole file."""
    attack, key = Attack(os.mkdir, str(tmp_path / "owned")), TABLES[reader]
    for content in (attack, {key: attack}, {key: {"w": attack}} if key else {"w": attack}):
        torch.save(content, tmp_path / "x.pt")
        with pytest.raises(SemttaError, match=rf"{os.mkdir.__module__}\.mkdir\('.*owned'\): nothing of that was executed"):
            reader.from_checkpoint(tmp_path / "x.pt")
        assert not (tmp_path / "owned").exists()


def test_a_plain_malicious_pickle_is_refused(tmp_path: Path):
    (tmp_path / "x.pt").write_bytes(pickle.dumps(Attack(os.mkdir, str(tmp_path / "owned"))))
    with pytest.raises(SemttaError):
        load_checkpoint(tmp_path / "x.pt")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.95])
def test_a_truncated_checkpoint(keep: float, tmp_path: Path):
    torch.save({"w": torch.zeros(500)}, tmp_path / "x.pt")
    content = (tmp_path / "x.pt").read_bytes()
    (tmp_path / "x.pt").write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(SemttaError) as caught:
        load_checkpoint(tmp_path / "x.pt")
    assert "\n" not in str(caught.value)


def test_no_checkpoint(tmp_path: Path):
    with pytest.raises(SemttaError, match="No checkpoint"):
        load_checkpoint(tmp_path / "x.pt")
