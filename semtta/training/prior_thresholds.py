"""Chooses a prior's fill-in threshold (sigma of Eq. 6) from the precision of the keypoints it would fill in, as in Fig. 4."""

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

#: Weak-perspective scale of the projection: a person 1.7 m tall is 170 of the crop's 224 pixels high.
SCALE = 0.9
#: A filled keypoint is right if its error is within this fraction of the torso (left shoulder to right hip).
PCK_TORSO = 0.2
#: Fractions of the way from the mean pose to the prior's repair at which a motion is evaluated.
STAGES = (0.0, 1 / 3, 2 / 3, 1.0)
THRESHOLDS = tuple(round(0.05 * k, 2) for k in range(20))


class CurvePoint(NamedTuple):
    """The effect of fill-in at one threshold."""

    threshold: float
    filled: float  # fraction of the missing keypoints that are filled
    precision: float  # fraction of the filled ones that are right; NaN if none is filled
    filled_right: float  # fraction filled where the label is right and the repair complete
    filled_wrong: float  # fraction filled where the label is wrong


def keypoint_hits(case: Case, rotations: Tensor, seed: int = 0) -> Tensor:
    """Which projected joints are right [B, T, 24] (bool), for a random camera per window."""
    rotations_seen = random_camera(case.rotations, 0.2, torch.Generator().manual_seed(seed))
    camera = torch.tensor([SCALE, 0.0, 0.0])
    root = rotations_seen[:, :, :1]
    true = pelvis_frame_positions(case.rotations)
    target, predicted = (
        project_to_crop((root @ p[..., None])[..., 0], camera) for p in (true, pelvis_frame_positions(rotations))
    )
    torso_px = (true[..., 16, :] - true[..., 2, :]).norm(dim=-1) * 112 * SCALE
    return (predicted - target).norm(dim=-1) <= PCK_TORSO * torso_px[..., None]


@torch.no_grad()
def fill_in_curve(prior: Prior, attempts: Sequence[Attempt]) -> list[CurvePoint]:
    """How many missing keypoints would be filled at each threshold, and how many of them would be right.

    The motions are attempted repairs: at four stages with the right label, and complete with a wrong one, so a fifth of the
    labels are wrong. The missing keypoints are the projections of the joints that the hidden part moves. Empty without
    attempts.
    """
    if not attempts:
        return []
    similarity, hits, missing, kinds = [], [], [], []
    for case, motions, wrong in attempts:
        before, after = (matrix_to_6d(motions[kind], "columns") for kind in ("before", "right label"))
        stages = [(matrix_from_6d(before + part * (after - before), "columns"), case.labels) for part in STAGES]
        for kind, (rotations, labels) in enumerate([*stages, (motions["wrong label"], wrong)]):
            similarity.append(prior.similarity(Motion(rotations, visible=case.visible), labels))
            hidden = case.visible == 0
            hits.append((keypoint_hits(case, rotations) & hidden).sum((1, 2)))
            missing.append(hidden.sum((1, 2)))
            kinds += [kind] * len(labels)
    return curve(torch.cat(similarity), torch.cat(hits), torch.cat(missing), torch.tensor(kinds))


def curve(similarity: Tensor, hits: Tensor, missing: Tensor, kinds: Tensor) -> list[CurvePoint]:
    """The curve from windows [N]: similarity, right and missing keypoints, and stage (the last: wrong label)."""
    points = []
    for threshold in THRESHOLDS:
        filled = similarity > threshold
        shares = [float(missing[filled & (kinds == k)].sum() / missing[kinds == k].sum()) for k in (3, 4)]
        precision = float(hits[filled].sum() / missing[filled].sum()) if filled.any() else float("nan")
        points.append(CurvePoint(threshold, float(missing[filled].sum() / missing.sum()), precision, *shares))
    return points


def choose_threshold(points: Sequence[CurvePoint]) -> float:
    """The threshold with the most right minus wrong filled keypoints: a wrong one costs as much as a right one gains."""
    candidates = [p for p in points if p.filled]
    return max(candidates, key=lambda p: p.filled * (2 * p.precision - 1)).threshold if candidates else points[-1].threshold


def print_curve(points: Sequence[CurvePoint]) -> None:
    """Print one line per threshold."""
    print("threshold  filled  precision  filled (right label, done)  filled (wrong label)")
    for p in points:
        print(f"{p.threshold:9.2f}{p.filled:8.2f}{p.precision:11.2f}{p.filled_right:28.2f}{p.filled_wrong:22.2f}", flush=True)
