"""The first frames of the included clip as a video file with its keypoints, and a network that costs little."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import av
import numpy as np
import torch

from semtta.estimators import HMR, HMRConfig
from semtta.io.weights import save_weights
from semtta.runs.demo import CLIP


def write_clip(folder: Path, frames: int, name: str = "walk", backwards: bool = False) -> Path:
    """``name.mp4`` and ``keypoints.npz`` in a folder; the path of the video."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.mp4"
    with av.open(str(CLIP / "walk.mp4")) as source:
        pictures = [frame.to_ndarray(format="rgb24") for frame, _ in zip(source.decode(video=0), range(frames), strict=False)]
    with av.open(str(path), "w") as target:
        stream = target.add_stream("h264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for picture in reversed(pictures) if backwards else pictures:
            target.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        target.mux(stream.encode())
    with np.load(CLIP / "keypoints.npz") as data:
        arrays = {key: data[key] for key in data.files}
    arrays["keypoints"] = arrays["keypoints"][:frames]
    np.savez(folder / "keypoints.npz", **arrays)
    return path


def tiny_hmr(seed: int = 0, std: float = 0.01, dropout: float = 0.5) -> HMR:
    """A small HMR that knows nothing, but learns; ``std`` of the weights that give the pose."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = HMR(HMRConfig(block="basic", depths=(1, 1), widths=(8, 16), stem=8, crop_px=32, hidden=32, dropout=dropout))
        torch.nn.init.normal_(network.decpose.weight, std=std)
    return network


def write_tiny_hmr(path: Path, seed: int = 0) -> Path:
    """The weights of ``tiny_hmr`` without dropout."""
    network = tiny_hmr(seed, dropout=0.0)
    save_weights(path, "hmr", network.state_dict(), config=asdict(network.config))
    return path
