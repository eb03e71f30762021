"""Licensed files into the store: each kind from a file as distributed, and what is refused."""

from __future__ import annotations

import json
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from semtta import assets
from semtta import body as bodies
from semtta.assets.conversion import KINDS, REGRESSORS, import_asset
from semtta.denoisers import MDNet, denoisers
from semtta.errors import SemttaError
from semtta.estimators import HMR, HMR2, HMR2Config, estimators
from semtta.priors import TMR, MotionCLIP, MotionCLIPConfig, MotionDiscriminator, TMRConfig, priors
from semtta.priors.motionclip import MotionCLIPSettings
from semtta_cli.main import app

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import formula

SMALL = HMR2Config(width=80, depth=1, backbone_heads=1, crop_px=64, head_width=16, head_depth=1, heads=8, feedforward=16)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEMTTA_HOME", str(tmp_path / "store"))
    return tmp_path / "store"


def distributed(kind: str, folder: Path) -> Path:
    """A file of this kind, small, in its project's own format or ours."""
    file = folder / {"smpl": "basicModel_neutral_lbs_10_207_0_v1.0.0.pkl"}.get(kind, f"{kind}.pt")
    torch.manual_seed(0)
    if kind == "smpl":
        file.write_bytes(pickle.dumps(formula.smpl_arrays()))
    elif kind.startswith("regressor"):
        file = folder / "regressor.npy"
        np.save(file, formula.h36m_regressor()[: 9 if kind == "regressor-extra" else 17])
    elif kind == "hmr":
        torch.save({"model": {f"module.{k}": v for k, v in HMR().state_dict().items()}}, file)
    elif kind == "hmr2":
        (folder / "model_config.yaml").write_text("{MODEL: {IMAGE_SIZE: 64}}")
        torch.save({"state_dict": HMR2(SMALL).state_dict()}, file)
    else:
        model = {
            "mdnet": MDNet, "motionclip": lambda: MotionCLIP(MotionCLIPConfig(width=16, layers=1, feedforward=16)),
            "motion-discriminator": lambda: MotionDiscriminator(16), "tmr": lambda: TMR(TMRConfig(width=16, layers=1)),
        }[kind]()  # fmt: skip
        file = model.save(folder / f"{kind}.safetensors")
    return file


NAMED = {
    "hmr": lambda: estimators.create("hmr"), "hmr2": lambda: estimators.create("hmr2"), "smpl": lambda: bodies.load("smpl"),
    "mdnet": lambda: denoisers.create("mdnet"),
    "motionclip": lambda: priors.create("motionclip", MotionCLIPSettings(global_rotation="predicted")),
    "tmr": lambda: priors.create("tmr"),
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_import(kind: str, home: Path, tmp_path: Path):
    """The name finds the file, the row says what it is, a second import replaces the first."""
    source = distributed(kind, tmp_path)
    row = import_asset(kind, source)
    assert row.path.is_file()
    assert row.kind == "imported"
    assert row.licence
    row = import_asset(kind, source)
    assert [saved["name"] for saved in json.loads((home / "manifest.json").read_text())] == [kind]
    assert assets.verify(kind) == row.path
    if kind in NAMED:
        assert NAMED[kind]() is not None
    row.path.write_bytes(row.path.read_bytes() + b"x")
    with pytest.raises(SemttaError, match="corrupted"):
        assets.verify(kind)


def test_regressors_and_genders_are_found_beside_the_body(home: Path, tmp_path: Path):
    import_asset("smpl", distributed("smpl", tmp_path))
    import_asset("regressor-h36m", distributed("regressor-h36m", tmp_path))
    female = tmp_path / "basicModel_f_lbs_10_207_0_v1.0.0.pkl"
    female.write_bytes(pickle.dumps({**formula.smpl_arrays(), "v_template": 2 * formula.smpl_arrays()["v_template"]}))
    assert import_asset("smpl", female).name == "smpl-female"
    rest = torch.eye(3).expand(1, 24, 3, 3), torch.zeros(1, 10)
    neutral, other = bodies.load("smpl"), bodies.load("smpl-female")
    assert other.name == "smpl-female"
    expected = torch.from_numpy(formula.h36m_regressor() @ formula.smpl_arrays()["v_template"]).float()
    torch.testing.assert_close(neutral.keypoints(*rest, "h36m17")[0], expected, rtol=0, atol=2e-5)
    torch.testing.assert_close(other.keypoints(*rest, "h36m17")[0], 2 * expected, rtol=0, atol=2e-5)
    with pytest.raises(SemttaError, match=r"SMPL_MALE.*licensed"):
        bodies.load("smpl-male")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_foreign_file_leaves_nothing_behind(kind: str, home: Path, tmp_path: Path):
    file = tmp_path / ("x.npy" if kind.startswith("regressor") else "x.pkl")
    file.write_bytes(b"not what it seems")
    with pytest.raises(SemttaError) as caught:
        import_asset(kind, file)
    assert "\n" not in str(caught.value)
    assert not home.exists() or not list(home.rglob("*.*"))


class Attack:
    def __reduce__(self):
        return os.mkdir, ("owned",)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(REGRESSORS)))
def test_a_malicious_pickle_is_refused(kind: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Of a checkpoint the line says what the file would have called in place of tensors."""
    monkeypatch.chdir(tmp_path)
    place = {"hmr": "model", "mdnet": "model", "hmr2": "state_dict", "tmr": "state_dict",
             "motion-discriminator": "disc_motion_state_dict"}.get(kind, "weight")  # fmt: skip
    if kind == "smpl":
        (tmp_path / "x.pkl").write_bytes(pickle.dumps({**formula.smpl_arrays(), "f": Attack()}))
    else:
        torch.save({place: Attack()}, tmp_path / "x.pkl")
    said = "refused" if kind == "smpl" else rf"In place of '{place}' it has {os.mkdir.__module__}\.mkdir\('owned'\)"
    with pytest.raises(SemttaError, match=said):
        import_asset(kind, tmp_path / "x.pkl")
    assert not (tmp_path / "owned").exists()


def test_a_regressor_of_other_joints_is_refused(home: Path, tmp_path: Path):
    with pytest.raises(SemttaError, match=r"J_regressor_extra\.npy is \(9, 6890\)"):
        import_asset("regressor-extra", distributed("regressor-h36m", tmp_path))


def test_a_regressor_of_the_free_body_is_refused(home: Path, tmp_path: Path):
    np.save(tmp_path / "x.npy", np.zeros((17, 6003)))
    with pytest.raises(SemttaError, match="6890"):
        import_asset("regressor-h36m", tmp_path / "x.npy")


@pytest.mark.parametrize("name", ["hmr", "hmr2", "motionclip", "smpl"])
def test_a_missing_file_is_told_with_its_source(name: str, home: Path):
    """Which file, where to get it, under which licence, and where it goes: one line."""
    with pytest.raises(SemttaError, match=rf"licensed.*semtta assets import {name}") as caught:
        NAMED[name]()
    assert str(home) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_commands(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "800")
    run = CliRunner().invoke
    listed = run(app, ["assets", "list"]).output
    for row in assets.licensed():
        assert row.name in listed
        assert row.licence[:20] in listed
        assert row.source[:20] in listed
    result = run(app, ["assets", "import", "motion-discriminator", str(distributed("motion-discriminator", tmp_path))])
    assert result.exit_code == 0, result.output
    assert "VIBE" in result.output
    assert str(home / "motion_discriminator.safetensors") in run(app, ["assets", "list"]).output
    assert "motion-discriminator: intact" in run(app, ["assets", "verify", "motion-discriminator"]).output


def test_every_licensed_row_says_what_to_do():
    for row in assets.licensed():
        assert row.source
        assert row.licence
        assert row.note
        if row.kind == "licensed":
            assert row.made.startswith("semtta assets import")
            assert row.file
