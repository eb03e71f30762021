"""The fill-in threshold of a prior (sigma of Eq. 6), from its own curve of filled keypoints' precision, as in Fig. 4."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..geometry import matrix_from_6d, matrix_to_6d, project_to_crop
from ..geometry.kinematics import pelvis_frame_positions
from ..priors import Prior
from ..types import Motion
from .denoiser import random_camera
from .prior_repair import Attempt, Case

#: Weak-perspective scale of the projection: a person of 1.7 m is 170 of the crop's 224 pixels high.
SCALE = 0.9
#: A filled keypoint is right within this share of the torso (left shoulder to right hip).
PCK_SHARE = 0.2
#: How far a motion is on its way from the mean pose to what the prior makes of it.
STAGES = (0.0, 1 / 3, 2 / 3, 1.0)
THRESHOLDS = tuple(round(0.05 * k, 2) for k in range(20))


class CurvePoint(NamedTuple):
    """What fill-in does at a threshold."""

    threshold: float
    filled: float  # share of the missing keypoints that are filled
    precision: float  # share of the filled ones that are right; NaN where none is
    filled_right: float  # share filled where the label is right and the prior is done
    filled_wrong: float  # share filled where the label is wrong


def keypoint_hits(case: Case, rotations: Tensor, seed: int = 0) -> Tensor:
    """Which projected joints are right [B, T, 24] (bool), for a random camera around each window."""
    seen = random_camera(case.rotations, 0.2, torch.Generator().manual_seed(seed))
    camera = torch.tensor([SCALE, 0.0, 0.0])
    root = seen[:, :, :1]
    true = pelvis_frame_positions(case.rotations)
    there, here = (
        project_to_crop((root @ place[..., None])[..., 0], camera) for place in (true, pelvis_frame_positions(rotations))
    )
    torso_px = (true[..., 16, :] - true[..., 2, :]).norm(dim=-1) * 112 * SCALE
    return (here - there).norm(dim=-1) <= PCK_SHARE * torso_px[..., None]


@torch.no_grad()
def fill_in_curve(prior: Prior, attempts: Sequence[Attempt]) -> list[CurvePoint]:
    """Missing keypoints that would be filled at each threshold, and how many of them rightly.

    The motions are attempts at repair, at four stages of the way with the right label and done with a wrong one: a fifth
    of the labels are wrong. The missing keypoints are the projections of the joints that the hidden part moves. No points
    without an attempt.
    """
    if not attempts:
        return []
    similarity, hits, missing, kinds = [], [], [], []
    for case, motions, wrong in attempts:
        before, after = (matrix_to_6d(motions[kind], "columns") for kind in ("before", "right label"))
        tried = [(matrix_from_6d(before + part * (after - before), "columns"), case.labels) for part in STAGES]
        for kind, (rotations, labels) in enumerate([*tried, (motions["wrong label"], wrong)]):
            similarity.append(prior.similarity(Motion(rotations, visible=case.visible), labels))
            gone = case.visible == 0
            hits.append((keypoint_hits(case, rotations) & gone).sum((1, 2)))
            missing.append(gone.sum((1, 2)))
            kinds += [kind] * len(labels)
    return curve(torch.cat(similarity), torch.cat(hits), torch.cat(missing), torch.tensor(kinds))


def curve(similarity: Tensor, hits: Tensor, missing: Tensor, kinds: Tensor) -> list[CurvePoint]:
    """The points of the curve, from windows [N]: similarity, right and missing keypoints, stage (the last: wrong label)."""
    points = []
    for threshold in THRESHOLDS:
        taken = similarity > threshold
        shares = [float(missing[taken & (kinds == k)].sum() / missing[kinds == k].sum()) for k in (3, 4)]
        precision = float(hits[taken].sum() / missing[taken].sum()) if taken.any() else float("nan")
        points.append(CurvePoint(threshold, float(missing[taken].sum() / missing.sum()), precision, *shares))
    return points


def choose_threshold(points: Sequence[CurvePoint]) -> float:
    """The threshold with the most right minus wrong filled keypoints: a wrong one costs what a right one brings."""
    filling = [p for p in points if p.filled]
    return max(filling, key=lambda p: p.filled * (2 * p.precision - 1)).threshold if filling else points[-1].threshold


def print_curve(points: Sequence[CurvePoint]) -> None:
    """One line a threshold."""
    print("threshold  filled  precision  filled (right label, done)  filled (wrong label)")
    for p in points:
        print(f"{p.threshold:9.2f}{p.filled:8.2f}{p.precision:11.2f}{p.filled_right:28.2f}{p.filled_wrong:22.2f}", flush=True)
