"""The scripts of examples/ run as they are, on the included clip with few steps."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from semtta import assets
from semtta.constants import SMPL24, SMPL29
from semtta.testing import check_prior

EXAMPLES = Path(__file__).parents[2] / "examples"
#: One epoch of two steps.
TINY = {"loop.epochs": 1, "loop.min_steps": 1, "loop.segment_stride": 60, "device": "cpu"}

pytestmark = pytest.mark.skipif(
    not Path(assets.__file__).with_name("estimator_open.safetensors").exists(), reason="the included weights are not here"
)


def load(path: Path) -> ModuleType:
    """A script as a module; the same one every time, since a name can be registered once."""
    if path.stem not in sys.modules:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
    return sys.modules[path.stem]


def example(name: str) -> Any:
    return load(EXAMPLES / f"{name}.py")


def test_every_script_is_listed():
    listed = (EXAMPLES / "README.md").read_text()
    assert all(f"({path.name})" in listed for path in [*EXAMPLES.glob("*.py"), EXAMPLES / "custom_prior"])


def test_adapt_video(tmp_path):
    swing = example("adapt_video").main(tmp_path, TINY)
    assert swing.keys() == {"L_Ankle", "R_Ankle"}
    assert all(0.1 < metres < 2.5 for metres in swing.values())
    assert list(tmp_path.rglob("motion.npz"))


def test_labels_from_file(tmp_path):
    labels = example("labels_from_file").main(tmp_path, TINY).labels
    assert [(item.start, item.stop, item.label) for item in labels] == [
        (0, 30, "walking"), (30, 60, "walking"), (60, 90, "walking"), (90, 120, None),
    ]  # fmt: skip


def test_evaluate_result():
    errors = example("evaluate_result").main(settings={**TINY, "loop.epochs": 2})
    assert list(errors) == ["walk"]
    row = errors["walk"]
    assert 0 < row["after"]["pa_mpjpe"] < row["before"]["pa_mpjpe"] < 200


def test_export_bvh(tmp_path):
    path = example("export_bvh").main(tmp_path, TINY)
    text = path.read_text()
    assert path.suffix == ".bvh"
    assert all(name in text for name in SMPL24[1:])
    assert "Frames: 120" in text


def test_custom_loss(tmp_path):
    module = example("custom_loss")
    record = module.main(tmp_path, TINY).history[0]
    assert 0 < record["loss_bones"] < 2


def test_bones_compares_directions_of_limbs_that_are_seen():
    module = example("custom_loss")
    points = torch.zeros(2, 29, 2)
    for height, names in ((10, ("Hip", "Shoulder")), (50, ("Knee", "Elbow")), (90, ("Ankle", "Wrist"))):
        points[:, [SMPL29.index(f"{side}_{name}") for side in "LR" for name in names], 1] = height
    present = torch.ones(2, 29, dtype=torch.bool)
    hip, knee = module.BONES[0]
    turned = points.clone()
    turned[1, hip] = torch.tensor([-10.0, 50.0])  # the left thigh lies flat, all else as detected
    evidence = type("Evidence", (), {"points": points, "present": present})
    context = type("Context", (), {"projected": turned + 5, "evidence": evidence})
    settings = module.BoneSettings()
    assert torch.allclose(module.bones(context, settings), torch.tensor([0.0, 1 / len(module.BONES)]), atol=1e-6)
    evidence.present = present.clone()
    evidence.present[1, knee] = False  # thigh and shin are not seen
    assert torch.allclose(module.bones(context, settings), torch.zeros(2), atol=1e-6)
    evidence.present = present & False
    assert module.bones(context, settings).tolist() == [0, 0]


def limb_prior() -> Any:
    return load(EXAMPLES / "custom_prior" / "limb_prior.py")


def test_custom_prior_conforms_and_takes_its_settings():
    module = limb_prior()
    check_prior(module.LimbPrior(module.LimbSettings()))
    swinging = torch.eye(3).repeat(1, 60, 24, 1, 1)
    angle = 0.5 * torch.sin(torch.arange(60) / 5)
    for joint in module.JOINTS["legs"]:
        swinging[0, :, joint, 1, 1], swinging[0, :, joint, 1, 2] = angle.cos(), -angle.sin()
        swinging[0, :, joint, 2, 1], swinging[0, :, joint, 2, 2] = angle.sin(), angle.cos()
    motion = module.Motion(swinging)

    def similarity(label: str, **settings: Any) -> float:
        return module.LimbPrior(module.LimbSettings(**settings)).similarity(motion, [label]).item()

    assert similarity("walking") > similarity("waving") + 0.2
    assert similarity("waving", leg_words=("wav",)) == pytest.approx(similarity("walking"))
    assert similarity("walking", amplitude=3.0) < similarity("walking") - 0.1


def test_custom_prior_adapts():
    import semtta
    from semtta.runs.demo import CLIP

    limb_prior()
    video = semtta.load_video(CLIP / "walk.mp4", keypoints=CLIP / "keypoints.npz", label="walking")
    result = semtta.adapt(video, prior="limbs", labeler="fixed", settings={**TINY, "prior.amplitude": 0.5})
    assert result.setting("prior.amplitude") == 0.5
    assert 0 < result.history[0]["loss_align"] < 1


def test_custom_prior_is_found_from_a_package_of_its_own(tmp_path):
    """As an installer would leave it: the module and its entry points; the command prints its settings."""
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((EXAMPLES / "custom_prior" / "pyproject.toml").read_text())["project"]
    info = tmp_path / "semtta_limb_prior-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = project["entry-points"]["semtta.priors"]
    (info / "entry_points.txt").write_text("[semtta.priors]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()))
    (tmp_path / "limb_prior.py").write_text((EXAMPLES / "custom_prior" / "limb_prior.py").read_text())
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv = ['semtta', 'plugins', 'limbs']; from semtta_cli.main import main; main()"],
        capture_output=True, text=True, env={**os.environ, "COLUMNS": "200",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH", ""))))},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "amplitude" in done.stdout
    assert "leg_words" in done.stdout
