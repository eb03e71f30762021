"""The truth of a ``synthwild`` clip, disturbed as a good system's result may be: what ``motion:FILE`` is to refine.

``python tests/estimators/disturbed.py`` prints the table of docs/estimators.md.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import semtta
from semtta.constants import SMPL24
from semtta.datasets import datasets
from semtta.geometry import axis_angle_to_matrix, matrix_to_axis_angle
from semtta.metrics import evaluate
from semtta.types import GroundTruth, Video

LEGS = torch.tensor([SMPL24.index(f"{side}_{name}") for side in "LR" for name in ("Hip", "Knee", "Ankle", "Foot")])
#: Correlation of the noise: a Gaussian of this deviation, frames.
CORRELATED = 6.0


def disturbed(truth: GroundTruth, body: semtta.body.Body, noise_mm: float = 60.0, seed: int = 0) -> Tensor:
    """Rotations [T, 24, 3, 3]: noise on every joint's, smooth in time, that moves the joints by ``noise_mm`` on average.

    In the third of the frames that hides most of the legs, these are at rest besides.
    """
    assert truth.params is not None
    assert truth.visible is not None
    rotations, betas = truth.params.rotations, truth.params.betas
    count, reach = len(rotations), int(3 * CORRELATED)
    white = torch.randn(72, 1, count + 2 * reach, generator=torch.Generator().manual_seed(seed))
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / CORRELATED).square())
    noise = torch.nn.functional.conv1d(white, kernel[None, None])[:, 0].T.unflatten(1, (24, 3))

    def moved(scale: float) -> Tensor:
        return rotations @ axis_angle_to_matrix(scale * noise)

    def error_mm(scale: float) -> float:
        pair = [body.joints(r, betas) for r in (moved(scale), rotations)]
        return 1000 * float((pair[0] - pair[0][:, :1] - pair[1] + pair[1][:, :1]).norm(dim=-1).mean())

    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if error_mm(middle) < noise_mm else (low, middle)
    hidden = (~truth.visible.bool())[:, LEGS].sum(1)
    frames = hidden.argsort(descending=True, stable=True)[: count // 3]
    result = moved(low).clone()
    result[frames[:, None], LEGS] = torch.eye(3)
    return result


def write(path: Path, video: Video, rotations: Tensor) -> Path:
    """As another system gives it, in AMASS's keys, with the camera of the clip."""
    truth = video.ground_truth
    assert truth is not None
    assert truth.camera is not None
    assert truth.params is not None
    np.savez(
        path, poses=matrix_to_axis_angle(rotations).flatten(1), trans=truth.params.translation, betas=truth.params.betas[0],
        mocap_framerate=video.fps, camera_focal_px=truth.camera.focal_px, camera_center_px=np.array(truth.camera.center_px),
        image_size=np.array(video.size), body="open",
    )  # fmt: skip
    return path


def refine(track: str, folder: Path, label: str | None = "", seed: int = 0, **settings: object) -> list[dict[str, float]]:
    """Errors before and after; ``label``: "" the clip's own, None none, else that one."""
    body, video = semtta.body.load("open"), datasets.create("synthwild", split="val").load(track)
    path = write(folder / f"{track}.npz", video, disturbed(video.ground_truth, body, seed=seed))
    if label:
        video = replace(video, labels=tuple(replace(item, label=label) for item in video.labels))
    more = {"labeler": "none"} if label is None else {}
    result = semtta.adapt(video, estimator=f"motion:{path}", settings={**more, **settings})
    return [evaluate(result, video.ground_truth, body, unadapted) for unadapted in (True, False)]


def main() -> None:
    """Every clip of the part with hidden joints, with its label, a wrong one and none."""
    tracks = [name for name in datasets.create("synthwild", split="val").tracks() if not name.endswith("clear")]
    columns = ("mpjpe_occluded", "mpjpe", "pa_mpjpe", "accel")
    for track in sys.argv[1:] or tracks:
        for label in ("", "jumping", None):
            with tempfile.TemporaryDirectory() as folder:
                before, after = refine(track, Path(folder), label, threads=1)
            cells = " | ".join(f"{before[name]:.1f} → {after[name]:.1f}" for name in columns)
            fall = 1 - after["mpjpe_occluded"] / before["mpjpe_occluded"]
            print(f"| {track} | {label or ('own' if label == '' else 'none')} | {cells} | {fall:+.0%} |", flush=True)


if __name__ == "__main__":
    main()
