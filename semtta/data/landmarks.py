"""3D landmarks of a clip: smoothed over time, and those of the person whose keypoints were given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import conv1d

from ..constants import shared_joints
from ..types import Keypoints2D, Landmarks3D

#: Standard deviation of the smoothing over time, frames: unsmoothed landmarks jitter ten times as much as people move.
SIGMA = 2.0
#: ... and at most so many seconds, so that slow videos keep their motion.
SIGMA_S = 1 / 15
#: Two poses are of one person if the mean distance of their joints is at most this much of the box's longer side,
NEAR = 0.2
#: and as many joints at least are seen in both.
FEWEST = 3


def smooth_landmarks(landmarks: Landmarks3D, fps: float = 30.0, sigma: float = SIGMA) -> Landmarks3D:
    """Landmarks [T, L] averaged over time by a Gaussian times their confidence; what is not seen stays so.

    ``sigma`` in frames, shortened at less than 30 frames a second.
    """
    sigma = min(sigma, SIGMA_S * fps)
    if sigma <= 0 or not len(landmarks):
        return landmarks
    reach = math.ceil(3 * sigma)
    ticks = torch.arange(-reach, reach + 1, device=landmarks.xyz.device, dtype=landmarks.xyz.dtype)
    kernel = torch.exp(-0.5 * (ticks / sigma) ** 2)[None, None]
    weight = landmarks.confidence.to(landmarks.xyz)[..., None]
    weighted = torch.cat([landmarks.xyz.where(weight > 0, 0) * weight, weight], -1)  # [T, L, 4]
    rows = weighted.flatten(1).T[:, None]  # a row for each channel of each landmark
    sums = conv1d(rows, kernel, padding=reach)[:, 0].T.unflatten(1, weighted.shape[1:])
    smooth = sums[..., :3] / sums[..., 3:].clamp(min=torch.finfo(sums.dtype).tiny)
    return replace(landmarks, xyz=smooth.where(weight > 0, landmarks.xyz))


def landmarks_of(given: Keypoints2D, found: Keypoints2D, near: float = NEAR) -> Landmarks3D | None:
    """The landmarks of a detected person, with confidence 0 in frames where its 2D joints are not those of ``given``.

    None if ``found`` has none, or matches in no frame. ``near``: largest mean distance of joints that both see, relative to the
    longer side of the box around the given ones.
    """
    if found.landmarks is None:
        return None
    same = pose_distance(given, found) <= near
    confidence = found.landmarks.confidence * same[:, None].to(found.landmarks.confidence)
    return replace(found.landmarks, confidence=confidence) if bool((confidence > 0).any()) else None


def landmarks_among(given: Keypoints2D, people: Sequence[Keypoints2D], near: float = NEAR) -> Landmarks3D | None:
    """The landmarks of whoever of the detected ``people`` is nearest to the given joints in each frame; see ``landmarks_of``."""
    known = [person for person in people if person.landmarks is not None]
    own = [landmarks for person in known if (landmarks := person.landmarks) is not None]
    if not known:
        return None
    nearest = torch.stack([pose_distance(given, person) for person in known]).argmin(0)
    frames = torch.arange(len(given), device=nearest.device)

    def chosen(values: list[Tensor]) -> Tensor:
        return torch.stack(values)[nearest, frames]

    merged = Keypoints2D(
        chosen([person.xy for person in known]), chosen([person.confidence for person in known]), known[0].joint_set,
        known[0].source, replace(own[0], xyz=chosen([o.xyz for o in own]), confidence=chosen([o.confidence for o in own])),
    )  # fmt: skip
    return landmarks_of(given, merged, near)


def pose_distance(given: Keypoints2D, found: Keypoints2D) -> Tensor:
    """Mean distance [T] of the joints that both see, relative to the longer side of the box of the given ones.

    Infinite where fewer than ``FEWEST`` joints are seen in both.
    """
    mine, theirs = shared_joints(given.joint_set, found.joint_set)
    all_seen = (given.confidence > 0) & given.xy.isfinite().all(-1)
    low = given.xy.where(all_seen[..., None], torch.inf).amin(1)
    high = given.xy.where(all_seen[..., None], -torch.inf).amax(1)
    side = (high - low).amax(-1).clamp(min=1.0)
    both = all_seen[:, mine] & (found.confidence[:, theirs] > 0) & found.xy[:, theirs].isfinite().all(-1)
    distance = (given.xy[:, mine] - found.xy[:, theirs]).norm(dim=-1).where(both, 0)
    count = both.sum(-1)
    return (distance.sum(-1) / count.clamp(min=1) / side).where(count >= FEWEST, torch.inf)
