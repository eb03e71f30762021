"""A prior with two settings from another package, installed as a distribution: by name, on the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from semtta import assets
from semtta.runs.demo import CLIP

SOURCE = '''
"""A package from elsewhere."""

import torch
from pydantic import Field
from semtta.priors import MotionTextPrior, register
from semtta.registry import Settings


class StrangerSettings(Settings):
    """Of ``stranger``."""

    width: int = Field(16, ge=2, description="numbers of a feature")
    sharpness: float = Field(1.5, gt=0, description="steepness of the likeness")


@register("stranger", settings=StrangerSettings, suits={"losses.align.weight": 0.7})
class Stranger(MotionTextPrior):
    """Knows nothing of motions, but says so in the form that is asked for."""

    name = "stranger"

    def __init__(self, settings: StrangerSettings) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.motion, self.settings = torch.nn.Linear(23 * 9, settings.width), settings

    def encode_motion(self, motion):
        return torch.tanh(self.settings.sharpness * self.motion(motion.rotations[:, :, 1:].flatten(2)).mean(1))

    def encode_text(self, labels):
        return torch.ones(len(labels), self.settings.width)
'''
RUN = """
import json, sys
from semtta_cli.main import main
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["semtta", *arguments]
    print("##", flush=True)
    try:
        main()
    except SystemExit as stopped:
        print(f"exit {stopped.code}" if stopped.code else "", flush=True)
"""


@pytest.fixture
def installed(tmp_path) -> Path:
    """As an installer would leave it: the module, its metadata, its entry point."""
    (tmp_path / "stranger_prior.py").write_text(SOURCE)
    info = tmp_path / "stranger_prior-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger-prior\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text("[semtta.priors]\nstranger = stranger_prior:Stranger\n")
    return tmp_path


def commands(folder: Path, *calls: list[str]) -> tuple[list[str], str]:
    """What each ``semtta ARGUMENTS`` prints, and what all complain of."""
    import json

    paths = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": paths, "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(calls)], capture_output=True, text=True, env=environment, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("##\n")[1:], done.stderr


def test_it_is_listed_with_its_settings(installed):
    unknown = ["config", "--prior", "stranger", "--set", "prior.widht=3"]
    (listed, told, config, refused), err = commands(
        installed, ["plugins"], ["plugins", "stranger"], ["config", "--prior", "stranger", "--set", "prior.width=5"], unknown,
    )  # fmt: skip
    assert "stranger" in next(line for line in listed.splitlines() if "motionclip" in line)
    assert "Knows nothing of motions" in told
    rows = {line.split()[1]: line for line in told.splitlines() if "prior." in line}
    for name, kind, default, description in (
        ("prior.width", "int", "16", "numbers of a feature"), ("prior.sharpness", "float", "1.5", "steepness of the likeness"),
    ):  # fmt: skip
        assert all(part in rows[name] for part in (kind, default, description))
    assert "losses.align.weight=0.7" in told
    found = {line.split()[1]: line.split() for line in config.splitlines() if "." in line and len(line.split()) > 4}
    assert found["prior.width"][3] == "5"
    assert found["prior.width"][5] == "--set"
    assert found["prior.sharpness"][3] == "1.5"
    assert found["losses.align.weight"][3] == "0.7"
    assert "prior stranger" in " ".join(found["losses.align.weight"])
    assert "exit 2" in refused
    assert "Did you mean 'prior.width'" in err


@pytest.mark.skipif(
    not Path(assets.__file__).with_name("estimator_open.safetensors").exists(), reason="the included weights are not here"
)
def test_it_adapts_with_its_settings_by_name(installed):
    call = [
        "adapt", str(CLIP / "walk.mp4"), "--keypoints", str(CLIP / "keypoints.npz"), "--label", "walking", "--prior", "stranger",
        "--set", "prior.width=5", "--set", "prior.sharpness=2.5", "--set", "epochs=1", "--set", "min_steps=1",
        "--set", "segment_stride=60", "--device", "cpu", "--out", str(installed / "out"),
    ]  # fmt: skip
    (said,), err = commands(installed, call)
    folder = installed / "out" / "walk"
    assert (folder / "motion.npz").exists(), said + err
    saved = yaml.safe_load((folder / "config.yaml").read_text())
    assert saved["settings"]["prior"] == {"name": "stranger", "width": 5, "sharpness": 2.5}
    assert (saved["origins"]["prior.width"], saved["origins"]["losses.align.weight"]) == ("--set", "prior stranger")
