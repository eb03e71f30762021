"""Detected keypoints to 2D evidence in crop pixels, and back to keypoints in pixels of the frame."""

from __future__ import annotations

import torch
from torch import Tensor

from ..constants import SMPL29, SUPERVISED_SETS, evidence_matrix, paired_by_name, shared_joints
from ..errors import SemttaError
from ..geometry import crop_points, project_to_image, uncrop_points
from ..types import Evidence, Keypoints2D, Result, Video, not_found


def to_smpl29(keypoints: Keypoints2D, threshold: float, supervised: str) -> Keypoints2D:
    """Keypoints of any joint set -> CycleAdapt's 29 joints (``smpl29``), paired by name.

    Joints outside the set ``supervised``, with a confidence not above ``threshold`` or not found (``semtta.types.not_found``)
    get confidence 0. The neck, pelvis and head are midpoints of their neighbours if the detector does not give them.
    """
    supervised_joints = SUPERVISED_SETS[supervised]
    xy, confidence = keypoints.xy.float(), keypoints.confidence.float()
    seen = (confidence > threshold) & ~not_found(xy, confidence)
    xy, confidence = xy.where(seen[..., None], 0), confidence.where(seen, 0)
    out, weight = paired_by_name(xy, confidence, keypoints.joint_set, "smpl29")
    allowed = torch.tensor([name in supervised_joints for name in SMPL29], device=weight.device)
    return Keypoints2D(out, weight * allowed, "smpl29", keypoints.source)


def ground_truth_keypoints(video: Video) -> Keypoints2D:
    """The true joints projected into the video's frames, with confidence 1; SemttaError without ground truth or camera."""
    truth = video.ground_truth
    if truth is None or truth.camera is None:
        raise SemttaError(
            f"'{video.name}' has no ground truth with a camera: evidence.source=ground_truth needs a dataset that has both."
        )
    xy = project_to_image(truth.joints, truth.camera.focal_px, truth.camera.center_px)
    seen = xy.isfinite().all(-1)
    if truth.valid is not None:
        seen = seen & truth.valid[:, None]
    return Keypoints2D(xy, seen.float(), truth.joint_set, "ground truth")


def to_evidence(keypoints: Keypoints2D, boxes: Tensor) -> Evidence:
    """Keypoints ``smpl29`` in pixels of the frame -> evidence in pixels of the 224 crops of ``boxes`` [T, 3]."""
    if keypoints.joint_set != "smpl29":
        raise SemttaError(f"Evidence needs the joint set smpl29, not {keypoints.joint_set}: call to_smpl29 first.")
    return Evidence(crop_points(keypoints.xy, boxes), keypoints.confidence > 0)


def to_keypoints(evidence: Evidence, boxes: Tensor, before: Keypoints2D, similarity: Tensor) -> Keypoints2D:
    """Evidence after adaptation -> keypoints in pixels of the frame.

    Confidence: the detector's for detected joints, the similarity [T] for filled-in ones, else 0.
    """
    filled = similarity[:, None].expand_as(before.confidence).clamp(min=1e-3)
    confidence = before.confidence.where(before.confidence > 0, filled).where(evidence.present, 0)
    return Keypoints2D(uncrop_points(evidence.points, boxes), confidence, "smpl29", before.source)


def joint_visibility(evidence: Evidence) -> Tensor:
    """How well the 2D evidence supports each of SMPL's 24 joints: [T, 24] in [0, 1]."""
    matrix = torch.tensor(evidence_matrix(), device=evidence.points.device)
    return evidence.present.float() @ matrix.T


def filled_in(result: Result) -> Tensor:
    """Which of ``result.keypoints`` were filled in, bool [T, J]: present after adaptation but not detected before."""
    after = result.keypoints
    detected = torch.zeros_like(after.confidence, dtype=torch.bool)
    source, target = shared_joints(result.keypoints_before.joint_set, after.joint_set)
    detected[:, target] = present(result.keypoints_before)[:, source].to(detected.device)
    return present(after) & ~detected


def present(keypoints: Keypoints2D) -> Tensor:
    """Which keypoints are present (detected or filled in), bool [T, J]."""
    return (keypoints.confidence > 0) & keypoints.xy.isfinite().all(-1)
