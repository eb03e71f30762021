"""Files of weights: nothing in a pickle is executed, trainers' extras do not stand in the way."""

from __future__ import annotations

import os
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from semtta.errors import SemttaError
from semtta.io.weights import load_checkpoint


class Settings(dict):
    """Stands for the settings of a trainer's package: a dictionary with attributes."""


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An instance of ``yacs.config.Settings``."""
    module = types.ModuleType("yacs.config")
    monkeypatch.setitem(sys.modules, "yacs", types.ModuleType("yacs"))
    monkeypatch.setitem(sys.modules, "yacs.config", module)
    monkeypatch.setattr(Settings, "__module__", "yacs.config")
    module.Settings = Settings  # type: ignore[attr-defined]
    made = Settings(size=256)
    made.frozen = True  # type: ignore[attr-defined]
    return made


@pytest.mark.parametrize("zipped", [True, False])
def test_a_trainers_extras_become_records(zipped: bool, settings: Settings, tmp_path: Path):
    content = {
        "state_dict": {"w": torch.arange(3.0)}, "hyper_parameters": {"cfg": settings}, "score": np.float64(1.5),
        "path": Path("x"), "array": np.arange(4),
    }  # fmt: skip
    torch.save(content, tmp_path / "x.ckpt", _use_new_zipfile_serialization=zipped)
    found = load_checkpoint(tmp_path / "x.ckpt")
    assert found["state_dict"]["w"].tolist() == [0, 1, 2]
    assert found["score"] == 1.5
    assert found["array"].tolist() == [0, 1, 2, 3]
    assert found["hyper_parameters"]["cfg"] == {"size": 256, "frozen": True}
    assert type(found["hyper_parameters"]["cfg"]) is not Settings


class Attack:
    def __init__(self, function, *arguments) -> None:
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("function", [os.mkdir, eval, getattr])
def test_a_malicious_pickle_is_refused(zipped: bool, function, tmp_path: Path):
    target = tmp_path / "owned"
    arguments = {os.mkdir: (str(target),), eval: (f"__import__('os').mkdir({str(target)!r})",), getattr: (1, "real")}[function]
    torch.save({"model": {"w": torch.zeros(2)}, "x": Attack(function, *arguments)}, tmp_path / "x.pt",
               _use_new_zipfile_serialization=zipped)  # fmt: skip
    with pytest.raises(SemttaError, match="refused, nothing was executed") as caught:
        load_checkpoint(tmp_path / "x.pt")
    assert "\n" not in str(caught.value)
    assert not target.exists()


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
