"""Labelled images of a dataset as shards: training data for the estimator, and the source data of BOA."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..body import Body
from ..constants import joint_set
from ..data import build_crops
from ..datasets import Dataset
from ..errors import SemttaError
from ..geometry import CROP_PX, crop_points, matrix_to_axis_angle, project_to_crop
from ..io.files import write_atomically
from ..types import Progress, Video


def write_source(
    dataset: Dataset, out: str | Path, body: Body, size: int = CROP_PX, progress: Progress | None = None
) -> dict[str, str]:
    """Write one shard per track of a labelled dataset, in the format of ``semtta synth images``; existing shards are kept.

    A track needs SMPL parameters and annotated 2D joints. Returns the skipped tracks with the reasons; raises SemttaError if
    all were skipped.
    """
    out, tracks, skipped = Path(out), list(dataset.tracks()), {}
    for done, track in enumerate(tracks):
        stem = out / f"{done:05d}"
        if not stem.with_suffix(".npz").exists():
            try:
                video = dataset.load(track)
                labels: dict[str, Any] = label_arrays(video, body)
                crops = build_crops(video, video.boxes, size).numpy()
                write_atomically(stem.with_suffix(".images.npy"), partial(np.save, arr=crops))
                write_atomically(stem.with_suffix(".npz"), partial(np.savez, **labels))
            except SemttaError as error:
                skipped[track] = str(error)
        if progress is not None:
            progress("reading", done + 1, len(tracks))
    if len(skipped) == len(tracks):
        raise SemttaError(f"No labelled image in {len(tracks)} tracks: {next(iter(skipped.values()), 'there are none')}")
    return skipped


def label_arrays(video: Video, body: Body) -> dict[str, np.ndarray]:
    """Labels of a track's frames: ``rotations`` [N, 24, 3] axis-angle, ``betas`` [N, 10], ``joints3d`` [N, 29, 3] metres relative
    to the pelvis, ``joints2d`` [N, 29, 2] pixels of the 224 crop, ``visible`` [N, 29] bool, ``camera`` [N, 3] (s, tx, ty)."""
    truth, points = video.ground_truth, video.keypoints
    if truth is None or truth.params is None or points is None or video.boxes is None:
        raise SemttaError(f"{video.name} has no SMPL parameters with boxes and 2D joints: it cannot be trained on.")
    params = truth.params
    joints = body.keypoints(params.rotations, params.betas, "smpl29").detach()
    annotated = body.keypoints(params.rotations, params.betas, points.joint_set).detach()
    camera = fit_camera(annotated, crop_points(points.xy, video.boxes), points.confidence)
    visible = {name: points.confidence[:, i] > 0 for i, name in enumerate(joint_set(points.joint_set))}
    hidden = torch.zeros(len(joints), dtype=torch.bool)
    arrays = {
        "rotations": matrix_to_axis_angle(params.rotations), "betas": params.betas, "joints3d": joints - joints[:, :1],
        "joints2d": project_to_crop(joints, camera), "camera": camera,
        "visible": torch.stack([visible.get(name, hidden) for name in joint_set("smpl29")], -1),
    }  # fmt: skip
    return {key: value.numpy() for key, value in arrays.items()}


def fit_camera(joints: Tensor, points: Tensor, weight: Tensor) -> Tensor:
    """Weak-perspective cameras (s, tx, ty) [N, 3] that best project joints [N, J, 3] (metres) to crop points [N, J, 2] (pixels).

    Least squares in s, s tx and s ty for ``u = 112 + 112 (s x + s tx)`` and likewise for v, weighted by ``weight`` [N, J].
    """
    target = ((points - CROP_PX / 2) / (CROP_PX / 2)).double()
    one, zero = torch.ones_like(joints[..., 0]).double(), torch.zeros_like(joints[..., 0]).double()
    rows = torch.cat((
        torch.stack((joints[..., 0].double(), one, zero), -1), torch.stack((joints[..., 1].double(), zero, one), -1),
    ), 1)  # fmt: skip
    root = weight.double().clamp(min=0).sqrt().repeat(1, 2)[..., None]
    solution = torch.linalg.lstsq(rows * root, torch.cat((target[..., 0], target[..., 1]), 1)[..., None] * root).solution[..., 0]
    return torch.stack((solution[:, 0], solution[:, 1] / solution[:, 0], solution[:, 2] / solution[:, 0]), -1).float()
