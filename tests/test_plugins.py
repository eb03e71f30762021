"""A prior from outside is found by name, used by the command, and tested by check_prior."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from semtta import assets
from semtta.diagnostics.plugins import registries
from semtta.errors import SemttaError
from semtta.priors import MotionTextPrior
from semtta.registry import Registry
from semtta.runs.demo import CLIP
from semtta.testing import check_prior

ROOT = Path(__file__).parents[1]
SOURCE = re.search(r"```python\n(# my_prior.py\n.*?)```", (ROOT / "docs" / "plugins.md").read_text(), re.S)[1]


@pytest.fixture
def outside(tmp_path):
    """A package with the prior of docs/plugins.md and its entry point, as an installer would leave it."""
    (tmp_path / "my_prior.py").write_text(SOURCE)
    info = tmp_path / "my_prior-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-prior\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[semtta.priors]\nmy-model = my_prior:MyPrior\n")
    return tmp_path


def run(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_entry_point_is_found_and_conforms(outside):
    assert len([line for line in SOURCE.splitlines() if line.strip()]) <= 20
    code = "from semtta.priors import priors; from semtta.testing import check_prior; p = priors.create('my-model')"
    assert run(f"{code}; check_prior(p); print(p.name, 'my-model' in priors.names())", outside).split() == ["my-model", "True"]


def test_check_prior_says_what_is_wrong():
    class Wrong(MotionTextPrior):
        name = "wrong"

        def encode_motion(self, motion):
            return motion.rotations.detach().flatten(2).mean(1)

        def encode_text(self, labels):
            return torch.ones(len(labels), 24 * 9)

    with pytest.raises(AssertionError, match="no gradient"):
        check_prior(Wrong())


def test_a_plug_in_that_cannot_be_loaded_is_named(outside, monkeypatch):
    (outside / "my_prior.py").write_text("import nothing_of_that_name")
    monkeypatch.syspath_prepend(str(outside))
    with pytest.raises(SemttaError, match=r"my-model.*nothing_of_that_name"):
        Registry("prior").entry("my-model")


@pytest.mark.parametrize("role", sorted(registries()))
def test_unknown_names_list_the_known_ones(role):
    registry = registries()[role]
    assert registry.names()
    name = registry.names()[0]
    with pytest.raises(SemttaError, match="Unknown") as error:
        registry.entry(name + "x")
    assert name in str(error.value)


def test_two_factories_cannot_share_a_name():
    registry = Registry("thing")
    registry.register("a")(lambda: 1)
    with pytest.raises(SemttaError, match="taken"):

        @registry.register("a")
        def other():
            return 2


@pytest.mark.skipif(
    not Path(assets.__file__).with_name("estimator_open.safetensors").exists(), reason="the included weights are not here"
)
def test_adapt_uses_the_prior_from_outside(outside):
    arguments = [
        "semtta", "adapt", str(CLIP / "walk.mp4"), "--keypoints", str(CLIP / "keypoints.npz"), "--label", "walking",
        "--prior", "my-model", "--set", "epochs=1", "--set", "min_steps=1", "--set", "segment_stride=60", "--device", "cpu",
        "--out", str(outside / "out"),
    ]  # fmt: skip
    run(f"import sys; sys.argv = {arguments!r}; from semtta_cli.main import main; main()", outside)
    folder = outside / "out" / "walk"
    assert yaml.safe_load((folder / "config.yaml").read_text())["settings"]["prior"] == {"name": "my-model"}
    assert json.loads((folder / "history.jsonl").read_text())["loss_align"] > 0
