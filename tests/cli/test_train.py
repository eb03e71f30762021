"""``semtta train prior`` and ``denoiser`` on bad input: one line, exit code 2, nothing written."""

from __future__ import annotations

import numpy as np
import pytest
from command_line import call


@pytest.mark.parametrize("command", ["prior", "denoiser"])
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("missing", "No packed motions"),
        ("nan", "NaN or infinite"),
        ("rate", "60 frames per second, expected 30"),
        ("joints", "24 joints"),
    ],
)
def test_motions_that_cannot_be_used(command, fault, message, tmp_path, monkeypatch, capsys):
    folder, out = tmp_path / "mocap", tmp_path / "out" / "weights.safetensors"
    folder.mkdir()
    trans = np.zeros((80, 3), np.float32)
    trans[40] = np.nan if fault == "nan" else 0
    if fault != "missing":
        np.savez(
            folder / "toy_train.npz", poses=np.zeros((80, 66 if fault == "joints" else 72), np.int16), pose_scale=1e-4,
            trans=trans, fps=60 if fault == "rate" else 30, source="toy", start=[0], length=[80], clip_id=["a"],
            content=["walking"], style=["normal"], text=["a person is walking"],
        )  # fmt: skip
    code, _, shown = call(monkeypatch, capsys, "train", command, folder, out, "--steps", 1)
    assert code == 2
    assert message in shown
    assert len(shown.strip().splitlines()) == 1
    assert not out.parent.exists()


def test_weights_of_another_kind_are_not_evaluated(tmp_path, monkeypatch, capsys):
    from semtta.denoisers import MDNet

    path = MDNet().save(tmp_path / "denoiser.safetensors")
    code, _, shown = call(monkeypatch, capsys, "train", "prior", tmp_path, path, "--variant", "infill", "--evaluate")
    assert code == 2
    assert "expected 'infill'" in shown
    code, _, shown = call(monkeypatch, capsys, "train", "prior", tmp_path, tmp_path / "x.safetensors", "--variant", "open")
    assert code == 2
