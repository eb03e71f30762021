"""Measurements of one run: errors before and after, errors per label, and the quality of the filled-in points."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..constants import joint_set, shared_joints
from ..data.evidence import filled_in, present
from ..data.landmarks import smooth_landmarks
from ..errors import SemttaError
from ..geometry import project_to_image
from ..labelers.spans import frame_labels
from ..metrics import evaluate, evaluate_joints, quality
from ..types import GroundTruth, Result, Video

#: A 2D point is correct within this fraction of the torso's length in the image (neck to mid hip, median over the clip).
PCK_TORSO = 0.2


def measure(result: Result, video: Video, body: Any) -> dict[str, Any]:
    """The numbers of one run, as JSON values.

    ``metrics`` and ``unadapted`` in the units of ``semtta.metrics``; ``weights``: the number of frames that each is a mean over
    ("occluded" for the ``*_occluded`` ones); ``labels``: frames and MPJPE before and after per label; ``fill_in``.
    """
    truth = video.ground_truth
    numbers: dict[str, Any] = {"metrics": quality(result, body), "unadapted": quality(result, body, unadapted=True)}
    weights: dict[str, int] = {"frames": len(result.joints)}
    if truth is not None:
        valid = _valid(truth)
        truth = replace(truth, valid=valid)
        for key, unadapted in (("metrics", False), ("unadapted", True)):
            numbers[key] |= evaluate(result, truth, body, unadapted)
            weights["frames"] = int(numbers[key].pop("frames"))
        if truth.visible is not None:
            hidden = ~truth.visible.bool()
            if truth.protocol is not None and truth.protocol.joints is not None:
                hidden = hidden[:, list(truth.protocol.joints)]
            weights["occluded"] = int((hidden.any(1) & valid).sum())
        numbers["labels"] = by_label(result, truth, video, body)
    return {**numbers, "weights": weights, "fill_in": fill_in(result, truth)}


def measure_landmarks(video: Video) -> dict[str, Any]:
    """The numbers of a detector's 3D landmarks alone, lightly smoothed, as ``measure`` gives those of a run."""
    landmarks, truth = None if video.keypoints is None else video.keypoints.landmarks, video.ground_truth
    if landmarks is None or truth is None:
        raise SemttaError(f"{video.name}: no {'3D landmarks' if truth else 'ground truth'} to measure the landmarks by.")
    smooth = smooth_landmarks(landmarks, video.fps)
    numbers = evaluate_joints(smooth.xyz, smooth.joint_set, (smooth.confidence > 0).any(-1), truth)
    weights = {"frames": int(numbers.pop("frames"))}
    return {"metrics": numbers, "unadapted": {}, "labels": [], "weights": weights, "fill_in": None}


def _valid(truth: GroundTruth) -> Tensor:
    return torch.ones(len(truth.joints), dtype=torch.bool) if truth.valid is None else truth.valid.bool()


def by_label(result: Result, truth: GroundTruth, video: Video, body: Any) -> list[dict[str, Any]]:
    """MPJPE (mm) before and after over the frames of each label: the clip's own labels, else the predicted ones."""
    names = frame_labels(video.labels or result.labels, len(truth.joints))
    protocol = None if truth.protocol is None else replace(truth.protocol, vertices="none")  # MPVPE is expensive and not needed
    records = []
    for label in sorted({name for name in names if name}):
        inside = torch.tensor([name == label for name in names]) & _valid(truth)
        if inside.any():
            part = replace(truth, valid=inside, params=truth.params if protocol else None, visible=None)
            before, after = (evaluate(result, part, body, unadapted, protocol)["mpjpe"] for unadapted in (True, False))
            records.append({"label": label, "frames": int(inside.sum()), "before": before, "after": after})
    return records


def fill_in(result: Result, truth: GroundTruth | None) -> dict[str, int] | None:
    """The counts behind Fig. 4: ``detected`` and ``filled`` points, and how many of them are judged and correct.

    Correct (PCK): within ``PCK_TORSO`` of the torso's length of the true joint's projection. Only the first two counts are given
    without ground truth that has a camera, a neck and hips.
    """
    filled, detected = filled_in(result).cpu(), present(result.keypoints_before).cpu()
    counts = {"detected": int(detected.sum()), "filled": int(filled.sum())}
    if truth is None or truth.camera is None or not {"Neck", "L_Hip", "R_Hip"} <= set(joint_set(truth.joint_set)):
        return counts
    names = joint_set(truth.joint_set)
    points = project_to_image(truth.joints.float(), truth.camera.focal_px, truth.camera.center_px)
    neck, left, right = (points[:, names.index(name)] for name in ("Neck", "L_Hip", "R_Hip"))
    tolerance = PCK_TORSO * (neck - (left + right) / 2).norm(dim=-1).median()
    source, target = shared_joints(truth.joint_set, result.keypoints.joint_set)
    for name, chosen, keypoints in (("filled", filled, result.keypoints), ("detected", detected, result.keypoints_before)):
        judged = chosen[:, target] & _valid(truth)[:, None] & points[:, source].isfinite().all(-1)
        correct = (keypoints.xy.cpu()[:, target] - points[:, source]).norm(dim=-1) <= tolerance
        counts |= {f"{name}_judged": int(judged.sum()), f"{name}_correct": int((judged & correct).sum())}
    return counts
