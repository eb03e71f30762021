"""What test_devices runs in a process of its own, on the pretended device: adapt FRAMES SETTINGS, or train MOTIONS OUT."""

import json
import sys
from pathlib import Path

from pretended import NAME, install, waits

import semtta
import semtta.body
from semtta.data import first_frames
from semtta.datasets import open_dataset
from semtta.synthesis.images import generate
from semtta.training import denoiser, estimator, prior


def adapt(frames: str, settings: str) -> dict[str, int]:
    """Waits in the last epoch, by where they are asked for."""
    video = first_frames(open_dataset("synthwild", split="val").load("val-walking-occluded"), int(frames))
    seen = []
    result = semtta.adapt(
        video,
        settings={"device": NAME, "labeler": "oracle", **json.loads(settings)},
        progress=lambda *_: seen.append(waits.copy()),
    )
    assert result.params.rotations.device.type == "cpu"
    assert result.params.rotations.isfinite().all()
    return dict(seen[-1] - seen[-2])


def train(motions: str, out: str) -> dict[str, int]:
    """A few steps of every part."""
    folder = Path(out)
    prior.cases = lambda *_, **__: []  # the threshold's choice is on the CPU
    denoiser.train_denoiser(motions, folder / "denoiser.safetensors", denoiser.DenoiserTraining(steps=2, batch=4), NAME)
    for variant in ("infill", "open", "open-cosine"):
        training = prior.PriorTraining(variant, steps=2, batch=10, completion=folder / "infill.safetensors")
        prior.train_prior(motions, folder / f"{variant}.safetensors", training, NAME)
    generate(folder / "images", 8, "studio", Path(motions), shard=8)
    options = estimator.EstimatorTraining(steps=1, head_steps=1, batch=4)
    estimator.train_estimator([folder / "images"], folder, semtta.body.load("open"), options, device=NAME)
    return {}


with install():
    print(json.dumps({"adapt": adapt, "train": train}[sys.argv[1]](*sys.argv[2:])))
