"""Agreement of HMR2.0 with 4D-Humans' public code, at small sizes (how the numbers were made: README.md)."""

from __future__ import annotations

from pathlib import Path

import formula
import pytest
import torch
from torch import Tensor

from semtta.errors import SemttaError
from semtta.estimators import HMR2, HMR2Config
from semtta.geometry import project_to_crop
from semtta.testing import check_estimator
from semtta.types import FrameBatch

EXACT = {"rtol": 0, "atol": 2e-5}
SMALL = HMR2Config(
    width=160, depth=2, backbone_heads=2, crop_px=64, head_width=48, head_depth=2, heads=2, head_channels=8, feedforward=32
)
CONFIG = """
MODEL: {IMAGE_SIZE: 64, SMPL_HEAD: {TYPE: transformer_decoder, TRANSFORMER_DECODER: {depth: 2, heads: 2, dim_head: 8}}}
EXTRA: {FOCAL_LENGTH: 5000}
"""


def numbers() -> dict[str, Tensor]:
    """What its code gave."""
    return {key: torch.from_numpy(value) for key, value in formula.stored("hmr2").items() if key != "published"}


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return formula.hmr2_weights({name: tuple(value.shape) for name, value in HMR2(SMALL).state_dict().items()})


@pytest.fixture
def file(state: dict[str, Tensor], tmp_path: Path) -> Path:
    """A lightning checkpoint: SMPL's buffers and a discriminator are in it, the config lies above."""
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "model_config.yaml").write_text(CONFIG)
    others = {"smpl.betas": torch.zeros(1, 10), "discriminator.x": torch.zeros(2), "initialized": torch.tensor(True)}
    torch.save({"state_dict": {**state, **others}, "epoch": 35, "optimizer_states": []}, tmp_path / "checkpoints/last.ckpt")
    return tmp_path / "checkpoints/last.ckpt"


@torch.no_grad()
def test_hmr2(file: Path, tmp_path: Path):
    expected = numbers()
    model = HMR2.from_checkpoint(file)
    assert model.config == SMALL
    assert len(model.state_dict()) == expected["tensors"]
    batch = FrameBatch.of_crops(formula.crops("hmr2 crops", 2, 64))
    out = model(batch)
    torch.testing.assert_close(out.rotations, expected["rotations"], **EXACT)
    torch.testing.assert_close(out.betas, expected["betas"], **EXACT)
    torch.testing.assert_close(out.camera, expected["camera"], **EXACT)
    again = HMR2.from_checkpoint(model.save(tmp_path / "hmr2.safetensors"))
    torch.testing.assert_close(again(batch).rotations, out.rotations, rtol=0, atol=0)


def test_camera():
    """Its crop's camera has another focal length: the same projection, but for our 1e-4 of depth."""
    expected = numbers()
    focal = HMR2(SMALL).focal_px
    assert focal == 5000 * 224 / 64
    points = project_to_crop(formula.tensor("hmr2 joints", 2, 5, 3), expected["camera"], focal)
    torch.testing.assert_close(points, expected["points"], rtol=0, atol=1e-3)
    assert HMR2(HMR2Config(**{**vars(SMALL), "crop_px": 256})).focal_px == 4375


def test_a_wrong_file_is_refused(state: dict[str, Tensor], file: Path):
    torch.save({"state_dict": {k: v for k, v in state.items() if k != "backbone.last_norm.bias"}}, file)
    with pytest.raises(SemttaError, match=r"missing 1 \(backbone.last_norm.bias\)"):
        HMR2.from_checkpoint(file)
    torch.save({"model": {}}, file)
    with pytest.raises(SemttaError, match="holds no HMR2"):
        HMR2.from_checkpoint(file)


def test_conformance():
    torch.manual_seed(0)
    check_estimator(HMR2(SMALL))


def test_published_sizes():
    """Every tensor of ViT-H by name and shape as 4D-Humans' own code makes it: 503, told without making them."""
    with torch.device("meta"):
        model = HMR2()
    ours = {f"{name} {tuple(value.shape)}" for name, value in model.state_dict().items()}
    assert len(ours) == 503
    assert ours == set(formula.stored("hmr2")["published"].tolist())
