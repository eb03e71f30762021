"""How far each joint of a result is seen rather than guessed.

For joint j in frame t, with all parts in [0, 1]:

1. **2D evidence** of a keypoint k: ``e = sqrt(confidence * exp(-d / (0.05 * side)))``, where d is the distance in the picture of
   the detected point from the motion's own and side is that of the person's box; 0 where k was not detected. A joint that no
   detector gives has the mean of those that stand for it (``semtta.constants.evidence_matrix``: a hand the wrist ...), without
   those that were detected in no frame of the clip.
2. **Nearby in time**: evidence of another frame counts too, ``exp(-|seconds between| / 0.2)`` of it; the most of all frames.
3. **Prior**: where the keypoint was filled in from the motion, at least 0.3 of the motion's similarity to its label.
4. **Second opinion**: times ``0.5 + 0.5 a``, where ``a = confidence * exp(-D / 0.2 m)`` of the detector's 3D landmark, D metres
   from the joint, both from the middle of the hips; ``a = 0.5`` for a result without landmarks.
5. **Along the limb**: a joint hangs on its parent, so what is wrong there is wrong here:
   ``confidence_j = u_j * (0.93 * confidence_parent)^0.3``.

The numbers were chosen on ``synthwild`` val; docs/viewing.md has the 3D errors that go with them. Confidence is of the pose: a
body that leans, or has another size, as a whole can have a confidence of 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..body import Body
from ..constants import LIMBS12, SMPL24, SMPL29, SMPL_PARENTS, evidence_matrix, shared_joints
from ..data.evidence import filled_in, present
from ..data.landmarks import smooth_landmarks
from ..geometry import project_to_image, ray_rotation
from ..types import Result

#: Distance in the picture, of the box's side, at which a detected point that the motion misses is worth a third.
REPROJECTION = 0.05
#: Seconds after which evidence of another frame is worth a third.
MEMORY_S = 0.2
#: How much a filled-in joint is worth at a similarity of 1.
FILLED = 0.3
#: Metres from the landmark at which a joint's second opinion is worth a third, and how much of the whole it is.
LANDMARK_M, LANDMARK_SHARE = 0.2, 0.5
#: What a joint takes from its parent: the factor of each bone, and the exponent.
BONE, CARRIED = 0.93, 0.3
#: Below this a joint counts as a guess, in words and pictures.
GUESS = 0.3


@torch.no_grad()
def joint_confidence(result: Result, body: Body) -> Tensor:
    """Confidence [T, 24] in [0, 1] of SMPL's joints, float32 on the CPU: see the module for the formula.

    Args:
        result: an adapted motion with its keypoints before and after; the joint set of the keypoints is ``smpl29``.
        body: the loaded body model of the motion.
    """
    evidence = _evidence(result, body)
    filled = FILLED * result.keypoints.confidence.cpu().float().where(filled_in(result).cpu(), 0).clamp(0, 1)
    weights = _stand_ins() * ((evidence > 0).any(0) | (filled > 0).any(0))
    weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-6)
    worth = torch.maximum(remembered(evidence @ weights.mT, result.times), filled @ weights.mT)
    own = worth * (1 - LANDMARK_SHARE + LANDMARK_SHARE * _second_opinion(result))
    columns: list[Tensor] = []
    for joint, parent in enumerate(SMPL_PARENTS):
        columns.append(own[:, joint] if parent < 0 else own[:, joint] * (BONE * columns[parent]) ** CARRIED)
    return torch.stack(columns, -1).clamp(0, 1).float()


def remembered(seen: Tensor, times: Tensor, memory_s: float = MEMORY_S) -> Tensor:
    """The most that ``seen`` [T, J] is worth over all frames, ``exp(-|seconds between| / memory_s)`` of each; ``times`` [T].

    >>> remembered(torch.tensor([[0.0], [1.0], [0.0]]), torch.tensor([0.0, 0.2, 0.6]))[:, 0].mul(1000).round().tolist()
    [368.0, 1000.0, 135.0]
    """
    logs, t = seen.double().clamp(min=0).log(), (times.double() / memory_s)[:, None]
    if not len(logs):
        return seen
    past = (logs + t).cummax(0).values - t
    future = (logs - t).flip(0).cummax(0).values.flip(0) + t
    return torch.maximum(past, future).exp().to(seen)


def _stand_ins() -> Tensor:
    return torch.tensor(evidence_matrix())


def _evidence(result: Result, body: Body) -> Tensor:
    """What each detected keypoint is worth [T, 29]."""
    found = result.keypoints_before.to("cpu")
    params = result.params.to(body.v_template)
    points = body.keypoints(params.rotations, params.betas, "smpl29").cpu().float()
    if params.translation is not None:
        points = points + params.translation[:, None].cpu().float()
    xy = project_to_image(points, result.camera.focal_px, result.camera.center_px)
    own, theirs = shared_joints(found.joint_set, "smpl29")
    distance = (found.xy[:, own].float() - xy[:, theirs]).norm(dim=-1) / result.boxes[:, 2:].cpu().float().clamp(min=1)
    worth = (found.confidence[:, own].float().clamp(0, 1) * (-distance / REPROJECTION).exp()).sqrt()
    out = torch.zeros(len(xy), len(SMPL29))
    out[:, theirs] = worth.where(present(found)[:, own], 0).nan_to_num(0)
    return out


def _second_opinion(result: Result) -> Tensor:
    """How far the landmarks agree with each joint [T, 24]; 0.5 where there are none at all."""
    landmarks = result.keypoints_before.landmarks
    if landmarks is None or not len(landmarks):
        return torch.full((len(result.joints), 24), 0.5)
    landmarks = smooth_landmarks(landmarks.to("cpu"), result.fps)
    names = [SMPL24.index(name) for name in LIMBS12]
    source, target = shared_joints(landmarks.joint_set, "smpl24")
    rows = [source[target.index(joint)] for joint in names]
    intrinsics = torch.tensor((result.camera.focal_px, *result.camera.center_px)).expand(len(landmarks), 3)
    turn = ray_rotation(result.boxes[:, :2].cpu().float(), intrinsics)
    theirs, sure = landmarks.xyz[:, rows].float() @ turn.mT, landmarks.confidence[:, rows].float()
    joints = result.joints.detach().cpu().float()
    mine = joints[:, names] - joints[:, 1:3].mean(1, keepdim=True)
    use = (sure > 0.5) & theirs.isfinite().all(-1)
    size = mine.norm(dim=-1)[use].sum() / theirs.norm(dim=-1)[use].sum().clamp(min=1e-6) if bool(use.any()) else 1.0
    agreed = (sure.clamp(0, 1) * (-(mine - theirs * size).norm(dim=-1) / LANDMARK_M).exp()).nan_to_num(0)
    weights = _stand_ins()[:, [SMPL29.index(name) for name in LIMBS12]]
    weights[[SMPL24.index("Neck"), SMPL24.index("Head")]] = weights[SMPL24.index("Spine3")].clone()  # the shoulders
    return agreed @ (weights / weights.sum(-1, keepdim=True)).mT
