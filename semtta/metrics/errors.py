"""Errors of 3D poses, from tensors in metres, in millimetres.

Every error function takes ``[..., J, 3]`` and returns one value per frame, ``[...]``, the mean over the joints; ``evaluate``
averages over frames. ``mask`` (bool, broadcast to ``[..., J]``) restricts that mean to some
joints, such as the occluded ones, without changing the alignment; a frame without any such joint is NaN (for ``nanmean``).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

MM = 1000.0
Root = int | Sequence[int] | None


def root_align(joints: Tensor, root: Root = 0) -> Tensor:
    """Joints [..., J, 3] relative to joint ``root``, or to the mean of several (mid-hip); None: unchanged."""
    if root is None:
        return joints
    chosen = joints[..., root : root + 1, :] if isinstance(root, int) else joints[..., list(root), :]
    return joints - chosen.mean(-2, keepdim=True)


def _joint_mean(values: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over the last dimension of the values inside the mask; NaN if there are none."""
    if mask is None:
        return values.mean(-1)
    mask = mask.to(values.device).bool().expand_as(values)
    return torch.where(mask, values, 0).sum(-1) / mask.sum(-1)


def procrustes_align(predicted: Tensor, target: Tensor) -> Tensor:
    """``predicted`` [..., J, D] after the similarity transform that best aligns it with ``target`` (least squares).

    Umeyama (1991): one batched SVD of the covariance; the determinant's sign is applied to the smallest singular value, so a
    mirrored pose is never matched by a reflection. If all points coincide the best scale is 0: every point moves to the
    target's centre.
    """
    mean_p, mean_t = predicted.mean(-2, keepdim=True), target.mean(-2, keepdim=True)
    p, t = predicted - mean_p, target - mean_t
    u, s, vh = torch.linalg.svd(t.mT @ p)
    sign = torch.ones_like(s)
    sign[..., -1] = torch.linalg.det(u @ vh).sign()
    rotation = (u * sign[..., None, :]) @ vh
    variance = p.square().sum((-2, -1))
    scale = (s * sign).sum(-1) / variance.clamp(min=torch.finfo(variance.dtype).tiny)
    return scale[..., None, None] * p @ rotation.mT + mean_t


def mpjpe(predicted: Tensor, target: Tensor, root: Root = 0, mask: Tensor | None = None) -> Tensor:
    """Mean per-joint position error of root-aligned joints: [..., J, 3] metres -> [...] mm."""
    error = root_align(predicted, root) - root_align(target, root)
    return _joint_mean(error.norm(dim=-1), mask) * MM


def pa_mpjpe(predicted: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """MPJPE after Procrustes alignment over all joints: [..., J, 3] metres -> [...] mm."""
    return _joint_mean((procrustes_align(predicted, target) - target).norm(dim=-1), mask) * MM


def mpvpe(predicted: Tensor, target: Tensor, predicted_root: Tensor | None = None, target_root: Tensor | None = None) -> Tensor:
    """Mean per-vertex error: [..., V, 3] metres -> [...] mm, each mesh relative to its root joint [..., 3] if given."""
    if predicted_root is not None:
        predicted = predicted - predicted_root[..., None, :]
    if target_root is not None:
        target = target - target_root[..., None, :]
    return (predicted - target).norm(dim=-1).mean(-1) * MM


def acceleration(joints: Tensor) -> Tensor:
    """Second difference over time: [..., T, J, 3] -> [..., T - 2, J, 3], per frame squared."""
    return joints[..., 2:, :, :] - 2 * joints[..., 1:-1, :, :] + joints[..., :-2, :, :]


def acceleration_error(predicted: Tensor, target: Tensor, root: Root = 0, mask: Tensor | None = None) -> Tensor:
    """Error of the joints' acceleration, as HMMR and VIBE measure it: [..., T, J, 3] metres -> [..., T - 2] mm/frame^2.

    Value i belongs to frame i + 1, as does ``mask`` [..., T - 2, J]; fewer than three frames give no values.
    """
    error = acceleration(root_align(predicted, root)) - acceleration(root_align(target, root))
    return _joint_mean(error.norm(dim=-1), mask) * MM


def pck(
    predicted: Tensor, target: Tensor, threshold: float | Tensor = 150.0, root: Root = 0, mask: Tensor | None = None
) -> Tensor:
    """Percentage of correct keypoints, as a fraction [...] (0 to 1): joints with an error of at most ``threshold``.

    3D points [..., J, 3] in metres: the threshold is in millimetres (150: MPI-INF-3DHP's 3DPCK) and the joints are
    root-aligned. 2D points [..., J, 2] in pixels: the threshold is in pixels, nothing is aligned. It may be a tensor
    [..., 1], such as half of each head's size.
    """
    if predicted.shape[-1] == 3:
        error = (root_align(predicted, root) - root_align(target, root)).norm(dim=-1) * MM
    else:
        error = (predicted - target).norm(dim=-1)
    return _joint_mean((error <= threshold).to(error.dtype), mask)


def limb_direction_error(predicted: Tensor, target: Tensor, limbs: Sequence[tuple[int, int]]) -> Tensor:
    """Mean angle between predicted and true limbs, nothing aligned: joints [..., J, 3] in the camera frame -> [...] degrees.

    ``limbs``: pairs of joints (upper, lower). Independent of the lengths of limbs and, unlike the position errors, not fed by
    errors further up the chain.
    """
    upper, lower = [a for a, _ in limbs], [b for _, b in limbs]
    one, other = predicted[..., lower, :] - predicted[..., upper, :], target[..., lower, :] - target[..., upper, :]
    # atan2 is accurate at 0 and 180 degrees, where acos is not
    angle = torch.atan2(torch.linalg.cross(one, other).norm(dim=-1), (one * other).sum(-1))
    return torch.rad2deg(angle).mean(-1)


def jitter(joints: Tensor, root: Root = 0) -> Tensor:
    """Mean size of the acceleration of root-relative joints: [..., T, J, 3] metres -> [..., T - 2] mm/frame^2."""
    return acceleration(root_align(joints, root)).norm(dim=-1).mean(-1) * MM


def pa_mpjpe_without_offsets(predicted: Tensor, target: Tensor, axes: Tensor) -> Tensor:
    """PA-MPJPE [T] mm without what is constant over the clip: joints [T, J, 3] metres.

    Two sources of joints rarely mean the same points of the body: a hip is the joint's centre for one and a mark on the skin for
    another. Here each joint's mean residual after Procrustes alignment, in the body's ``axes`` [T, 3, 3] (``torso_axes``), is
    taken as such a difference and removed before the error is measured. A clip's constant errors of pose vanish too, so this
    says how the motion is followed, beside PA-MPJPE and not instead of it.
    """
    residual = (procrustes_align(predicted, target) - target) @ axes  # in the body's axes
    return (residual - residual.mean(0)).norm(dim=-1).mean(-1) * MM


def torso_axes(hips: Tensor, shoulders: Tensor) -> Tensor:
    """The body's axes as columns [..., 3, 3] from (left, right) hips and shoulders [..., 2, 3]: left, up, and their normal."""
    up = shoulders.mean(-2) - hips.mean(-2)
    up = up / up.norm(dim=-1, keepdim=True)
    left = hips[..., 0, :] - hips[..., 1, :] + shoulders[..., 0, :] - shoulders[..., 1, :]
    left = left - (left * up).sum(-1, keepdim=True) * up
    left = left / left.norm(dim=-1, keepdim=True)
    return torch.stack((left, up, torch.linalg.cross(left, up)), -1)
