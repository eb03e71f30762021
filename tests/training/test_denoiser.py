import json
from math import pi

import numpy as np
import pytest
import torch

from semtta.denoisers import MDNet
from semtta.training import denoiser as training
from semtta.training.loop import fit


@pytest.fixture
def mocap_folder(tmp_path):
    time = np.arange(120)[:, None]
    pose = (0.4 * np.sin(time * 0.1 + np.arange(72))).astype(np.float32)
    for split in ("train", "val"):
        np.savez(
            tmp_path / f"toy_{split}.npz", poses=(pose / pi * 32767).astype(np.int16), pose_scale=pi / 32767,
            trans=np.zeros((120, 3), np.float32), fps=30, source="toy", start=[0], length=[120], clip_id=["a"],
            content=["walking"], style=["normal"], text=["a person is walking"],
        )  # fmt: skip
    return tmp_path


def test_loss_falls_and_resumes_exactly(mocap_folder, tmp_path, monkeypatch):
    how = training.DenoiserTraining(steps=40, batch=4)
    whole = training.train_denoiser(mocap_folder, tmp_path / "whole.safetensors", how)
    curve = [json.loads(line)["loss"] for line in (tmp_path / "whole.curve.jsonl").read_text().splitlines()]
    assert curve[-1] < curve[0]
    out = tmp_path / "part.safetensors"
    monkeypatch.setattr(training, "fit", lambda *args, **options: fit(*args, **options, stop_at=20))
    training.train_denoiser(mocap_folder, out, how)
    monkeypatch.setattr(training, "fit", fit)
    resumed = training.train_denoiser(mocap_folder, out, how)
    assert all(torch.equal(v, resumed.state_dict()[k]) for k, v in whole.state_dict().items())
    assert json.loads((tmp_path / "part.curve.jsonl").read_text().splitlines()[-1])["step"] == 40
    assert isinstance(MDNet.from_checkpoint(out), MDNet)


def test_camera_frame_is_y_down():
    standing = torch.eye(3).repeat(20, 2, 24, 1, 1)
    seen = training.random_camera(standing, 0.3, torch.Generator().manual_seed(0))
    up = seen[:, 0, 0, :, 1]
    assert (up[:, 1] < -0.9).all()  # a standing person's up is -y of the camera, within the pitch
    assert seen[:, 0, 0, 2, 2].max() > 0.5
    assert seen[:, 0, 0, 2, 2].min() < -0.5
    assert torch.equal(seen[:, :, 1:], standing[:, :, 1:])
