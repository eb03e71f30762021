"""Agreement with TMR's public code: its encoders (small) and HumanML3D's features (how the numbers were made: README.md)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import formula
import pytest
import torch
from torch import Tensor

from semtta.errors import SemttaError
from semtta.priors import TMR, TMRConfig, priors
from semtta.priors.humanml3d import features
from semtta.types import Motion

EXACT = {"rtol": 0, "atol": 2e-5}
SMALL = TMRConfig(width=32, layers=2, feedforward=48, text_width=24)


@pytest.fixture(scope="module")
def expected() -> dict[str, Tensor]:
    return {key: torch.from_numpy(value).float() for key, value in formula.stored("tmr").items()}


@pytest.mark.parametrize("turned", [False, True])
def test_features(turned: bool, expected: dict[str, Tensor]):
    """Walking ahead, and turning by more than half a circle."""
    found = features(formula.walk(turned))
    assert found.shape == (1, 40, 263)
    torch.testing.assert_close(found[0, ::5], expected[f"features_{turned}"], **EXACT)


def test_features_take_a_batch():
    both = torch.cat([formula.walk(False), formula.walk(True)])
    torch.testing.assert_close(features(both)[1:], features(both[1:]), **EXACT)


def state() -> dict[str, Tensor]:
    names = {name: tuple(value.shape) for name, value in TMR(SMALL).state_dict().items()}
    return {k: v for k, v in formula.weights(names).items() if "encoder" in k}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's folder as TMR distributes it: one file a module, and the statistics of the repository."""
    (tmp_path / "last_weights").mkdir()
    for module in ("motion_encoder", "text_encoder"):
        part = {k.removeprefix(f"{module}."): v for k, v in state().items() if k.startswith(module)}
        torch.save(part, tmp_path / f"last_weights/{module}.pt")
    torch.save(torch.zeros(263), tmp_path / "mean.pt")
    torch.save(torch.ones(263), tmp_path / "std.pt")
    return tmp_path


@torch.no_grad()
def test_encoders(folder: Path, expected: dict[str, Tensor]):
    model = TMR.from_checkpoint(folder)
    assert model.config == SMALL
    mask = torch.arange(40) < torch.tensor([[40], [23]])
    for name, inputs in (("motion_encoder", 263), ("text_encoder", 24)):
        encoder = getattr(model, name)
        assert len(encoder.state_dict()) == expected[f"{name}_tensors"]
        torch.testing.assert_close(encoder(formula.tensor(name, 2, 40, inputs), mask), expected[name], **EXACT)
    again = TMR.from_checkpoint(model.save(folder / "tmr.safetensors"))
    for name, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)


def test_a_lightning_checkpoint(folder: Path):
    decoder = {"motion_decoder.final_layer.bias": torch.zeros(3)}
    torch.save({"state_dict": {**state(), **decoder}}, folder / "last.ckpt")
    assert TMR.from_checkpoint(folder / "last.ckpt").config == SMALL
    (folder / "std.pt").unlink()
    (folder / "mean.pt").unlink()
    with pytest.raises(SemttaError, match=r"mean\.pt and std\.pt are missing"):
        TMR.from_checkpoint(folder / "last.ckpt")


def test_tmr_plus_plus_has_statistics_of_its_own(folder: Path, tmp_path_factory):
    """The same network in the same layout; its configuration names the mixture of datasets whose statistics it takes."""
    root = tmp_path_factory.mktemp("TMRPlusPlus")
    model = root / "models" / "tmr_humanml3d_kitml_guoh3dfeats"
    shutil.copytree(folder, model)
    for place, mean in (("humanml3d", 1.0), ("humanml3d_kitml", 2.0)):
        (root / "stats" / place / "guoh3dfeats").mkdir(parents=True)
        torch.save(torch.full((263,), mean), root / "stats" / place / "guoh3dfeats" / "mean.pt")
        torch.save(torch.ones(263), root / "stats" / place / "guoh3dfeats" / "std.pt")
    (model / "mean.pt").unlink()
    assert TMR.from_checkpoint(model).mean[0] == 1
    normalizer = {"base_dir": "stats/humanml3d_kitml/guoh3dfeats", "eps": 1e-12}
    (model / "config.json").write_text(json.dumps({"data": {"motion_loader": {"normalizer": normalizer, "nfeats": 263}}}))
    assert TMR.from_checkpoint(model).mean[0] == 2


@pytest.mark.parametrize("features_taken", [135, 369])
def test_other_features_are_refused_in_one_line(folder: Path, features_taken: int):
    path = folder / "last_weights" / "motion_encoder.pt"
    torch.save({**torch.load(path), "projection.weight": torch.zeros(32, features_taken)}, path)
    message = f"takes {features_taken} features a frame: HumanML3D's 263 features are read .TMR, TMR\\+\\+., other definitions"
    with pytest.raises(SemttaError, match=message):
        TMR.from_checkpoint(folder)
    other = folder / "TMR-SOMA-RP-v1"
    other.mkdir()
    (other / "config.yaml").write_text("_target_: kimodo.model.TMR\n")
    with pytest.raises(SemttaError, match=r"of another layout than TMR's: .* not .TMR-SOMA's 30 joints"):
        TMR.from_checkpoint(other)


def test_missing_tensors_are_listed(folder: Path):
    (folder / "last_weights/text_encoder.pt").unlink()
    with pytest.raises(SemttaError, match="No checkpoint"):
        TMR.from_checkpoint(folder)
    torch.save({"tokens": torch.zeros(2, 32)}, folder / "last_weights/text_encoder.pt")
    with pytest.raises(SemttaError, match="missing 26"):
        TMR.from_checkpoint(folder)


def test_gradient_reaches_the_rotations():
    """And it is finite, also where a segment is shorter than the window."""
    torch.manual_seed(0)
    model = TMR(SMALL, text=lambda labels: (torch.ones(len(labels), 3, 24), torch.ones(len(labels), 3, dtype=torch.bool)))
    rotations = formula.rotations("tmr motion", 2, 60, 24, scale=0.3).requires_grad_()
    loss = model.loss(Motion(rotations, fps=30.0), ["walking", "jumping"])
    assert loss.shape == (2,)
    loss.sum().backward()
    assert rotations.grad is not None
    assert rotations.grad.isfinite().all()
    moved = rotations.grad.abs().amax((0, 1, 3, 4))
    assert (moved[[1, 2, 4, 5, 16, 17, 18, 19]] > 0).all()


def test_registered():
    assert "tmr" in priors.names()
