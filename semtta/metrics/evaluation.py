"""Evaluation of a result against ground truth, and quality measures without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..body import body_of
from ..constants import H36M_EVALUATION, LIMBS12, SMPL_PARENTS, joint_set
from ..errors import SemttaError
from ..geometry import project_to_image
from ..types import BodyParams, EvaluationProtocol, GroundTruth, Result
from .errors import (
    MM,
    Root,
    acceleration,
    acceleration_error,
    jitter,
    limb_direction_error,
    mpjpe,
    mpvpe,
    pa_mpjpe,
    pa_mpjpe_without_offsets,
    root_align,
    torso_axes,
)
from .ground import ground_quality
from .paths import root_path_errors


def _root_of(names: Sequence[str], root: str = "Pelvis") -> Root:
    """Index of the root joint in a joint set; both hips for "midhip" and for a set without the root joint."""
    if root != "midhip" and root in names:
        return names.index(root)
    return names.index("L_Hip"), names.index("R_Hip")


def _protocol_of(truth: GroundTruth) -> EvaluationProtocol:
    """The ground truth's protocol; by default all its joints (CycleAdapt's 14 of ``h36m17``), relative to the pelvis."""
    if truth.protocol is not None:
        return truth.protocol
    return EvaluationProtocol(
        "own joints", truth.joint_set, H36M_EVALUATION if truth.joint_set == "h36m17" else None, "Pelvis", "annotated",
        "annotated", "the valid ones", "this project",
    )  # fmt: skip


def _params(result: Result, body: Any, unadapted: bool) -> BodyParams:
    """The motion after or before adaptation, on the body's device."""
    return (result.unadapted if unadapted else result.params).to(body.v_template)


@torch.no_grad()
def _regress(params: BodyParams, name: str, body: Any) -> Tensor:
    """Joints [T, J, 3] of a joint set, metres, without translation, on the CPU."""
    params = params.to(body.v_template)
    return body.keypoints(params.rotations, params.betas, name).float().cpu()


def _keypoints(result: Result, name: str, body: Any, unadapted: bool) -> Tensor:
    return _regress(_params(result, body, unadapted), name, body)


def evaluate(
    result: Result,
    ground_truth: GroundTruth,
    body: Any = None,
    unadapted: bool = False,
    protocol: EvaluationProtocol | None = None,
) -> dict[str, float]:
    """Compare a result with ground truth: means over the valid frames, in millimetres.

    Keys: ``mpjpe``, ``pa_mpjpe``, ``accel`` (mm/frame^2, over neighbouring frames), ``mpvpe`` (if the ground
    truth has parameters of a body with the same mesh), ``mpjpe_occluded`` and ``pa_mpjpe_occluded`` (over joints that are not
    visible, mean over the frames that have any), the errors of the root's path (``semtta.metrics.root_path_errors``) where the
    truth is in front of the camera, ``frames`` (the number of valid frames: the weight for a mean over tracks). A protocol of
    limbs adds ``pa_mpjpe_no_offsets``, ``limb_deg`` (degrees), ``joint_jitter`` and ``true_jitter`` (mm/frame^2).

    ``protocol`` sets the joints, root, regressor and body of the ground truth; by default its own protocol, or else all its
    joints (CycleAdapt's 14 of ``h36m17``), relative to the pelvis. A joint set that the ground truth lacks is regressed from its
    parameters, with the body of the annotated gender or the neutral one.

    ``body``: the result's body model, by default the run's, loaded if needed. ``unadapted``: evaluate the motion before
    adaptation. Raises SemttaError if the two do not have the same frames, or no frame is valid.
    """
    truth, index = _same_frames(result, ground_truth)
    protocol = protocol or _protocol_of(truth)
    valid = torch.ones(len(truth.joints), dtype=torch.bool) if truth.valid is None else truth.valid.bool()
    if not valid.any():
        raise SemttaError(f"{result.name}: no frame of the ground truth is valid, so there is nothing to evaluate.")
    names = joint_set(protocol.joint_set)
    root = _root_of(names, protocol.root)
    true_params = _true_params(truth, protocol)
    same_mesh = true_params is not None and truth.body.split("-")[0] == result.body.split("-")[0]
    regressed = protocol.joint_set != truth.joint_set
    meshes = same_mesh and protocol.vertices != "none"
    as_stored = protocol.joint_set == "smpl24" and not regressed and not unadapted
    if meshes or not as_stored:
        body = body_of(result, body)
    true_body = _true_body(truth, protocol, result, body) if regressed or meshes else None

    predicted = result.joints.detach().cpu().float() if as_stored else _keypoints(result, protocol.joint_set, body, unadapted)
    target = truth.joints.float()
    if regressed:
        if true_params is None:
            truth_has = f"the ground truth has {truth.joint_set} and no body parameters"
            raise SemttaError(f"{result.name}: protocol {protocol.name} needs {protocol.joint_set}, {truth_has}.")
        target = _regress(true_params, protocol.joint_set, true_body)
    moved: Tensor | bool | None = as_stored or _params(result, body, unadapted).translation
    true_moved: Tensor | bool | None = not regressed or (None if true_params is None else true_params.translation)
    here, there = _root_places(predicted, root, moved), _root_places(target, root, true_moved)
    predicted, target = root_align(predicted, root), root_align(target, root)
    hidden = None if truth.visible is None or regressed else ~truth.visible.bool()
    if protocol.joints is not None:
        chosen = list(protocol.joints)
        predicted, target = predicted[:, chosen], target[:, chosen]
        hidden = None if hidden is None else hidden[:, chosen]

    per_frame = _joint_errors(predicted, target, valid, index, protocol.limbs)
    if here is not None and there is not None:
        per_frame |= root_path_errors(here[valid], there[valid])
    if meshes and true_params is not None:
        shift = (protocol.joint_set, root) if protocol.vertices == "root" else None
        params = _params(result, body, unadapted)
        per_frame["mpvpe"] = _vertex_error(params, body, true_params, true_body, shift)[valid]
    if hidden is not None:
        per_frame["mpjpe_occluded"] = mpjpe(predicted, target, root=None, mask=hidden)[valid]
        per_frame["pa_mpjpe_occluded"] = pa_mpjpe(predicted, target, mask=hidden)[valid]
    return _means(per_frame, valid)


def _root_places(joints: Tensor, root: Root, moved: Tensor | bool | None) -> Tensor | None:
    """Where the root of joints [T, J, 3] is: [T, 3]. ``moved``: what is to be added; True: nothing is; None: it is not known."""
    places = (joints - root_align(joints, root))[:, 0]
    if isinstance(moved, Tensor):
        return places + moved.detach().cpu().float()
    return places if moved else None


def _means(per_frame: Mapping[str, Tensor], valid: Tensor) -> dict[str, float]:
    means = {name: float(values.nanmean()) for name, values in per_frame.items() if values.isfinite().any()}
    return {**means, "frames": int(valid.sum())}


def _joint_errors(
    predicted: Tensor, target: Tensor, valid: Tensor, index: Tensor, limbs: Sequence[tuple[int, int]]
) -> dict[str, Tensor]:
    """Errors by frame of root-relative joints [T, J, 3]; with ``limbs`` the joints are the twelve of LIMBS12."""
    neighbours = valid[2:] & valid[1:-1] & valid[:-2] & _neighbours(index)
    errors = {
        "mpjpe": mpjpe(predicted, target, root=None)[valid],
        "pa_mpjpe": pa_mpjpe(predicted, target)[valid],
        "accel": acceleration_error(predicted, target, root=None)[neighbours],
    }
    if limbs:
        hips, shoulders = ([LIMBS12.index(f"{side}_{name}") for side in "LR"] for name in ("Hip", "Shoulder"))
        kept, true = predicted[valid], target[valid]
        axes = torso_axes(true[:, hips], true[:, shoulders])
        errors["pa_mpjpe_no_offsets"] = pa_mpjpe_without_offsets(kept, true, axes)
        errors["limb_deg"] = limb_direction_error(kept, true, limbs)
        errors["joint_jitter"] = jitter(predicted, root=None)[neighbours]
        errors["true_jitter"] = jitter(target, root=None)[neighbours]
    return errors


def evaluate_joints(joints: Tensor, names: str, valid: Tensor, ground_truth: GroundTruth) -> dict[str, float]:
    """As ``evaluate``, of joints from elsewhere (a detector's landmarks) by a protocol of limbs, without any body.

    Args:
        joints: [T, J, 3] metres, camera frame, anywhere.
        names: their joint set, with the protocol's joints.
        valid: bool [T], which frames of them count.
        ground_truth: of the same T frames, in its protocol's joint set.

    Raises:
        SemttaError: the protocol has no limbs, or no frame is valid on both sides.
    """
    protocol = _protocol_of(ground_truth)
    if not protocol.limbs or protocol.joints is None or protocol.joint_set != ground_truth.joint_set:
        raise SemttaError(
            f"Joints without a body cannot be judged by protocol {protocol.name}, only by one of limbs (multiview)."
        )
    of_truth, mine = joint_set(protocol.joint_set), joint_set(names)
    chosen = [mine.index(of_truth[joint]) for joint in protocol.joints]
    hips = LIMBS12.index("L_Hip"), LIMBS12.index("R_Hip")
    predicted = root_align(joints.cpu().float()[:, chosen], hips)
    target = root_align(ground_truth.joints.cpu().float()[:, list(protocol.joints)], hips)
    valid = valid.cpu() if ground_truth.valid is None else valid.cpu() & ground_truth.valid.cpu()
    if not valid.any():
        raise SemttaError("There are no landmarks in any frame of the ground truth, so there is nothing to evaluate.")
    return _means(_joint_errors(predicted, target, valid, torch.arange(len(target)), protocol.limbs), valid)


def total(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The numbers of several tracks combined: means weighted by ``frames`` (as in CycleAdapt), over the tracks that have them."""
    names = [name for row in rows for name in row if name != "frames"]
    means = {}
    for name in dict.fromkeys(names):
        known = [row for row in rows if name in row]
        means[name] = sum(row[name] * row["frames"] for row in known) / sum(row["frames"] for row in known)
    return {**means, "frames": sum(int(row["frames"]) for row in rows)}


def _true_params(truth: GroundTruth, protocol: EvaluationProtocol) -> BodyParams | None:
    """The ground truth's parameters; shapes beyond the protocol's limit are replaced by the mean shape."""
    params = truth.params
    if params is None or protocol.max_beta is None:
        return params
    plausible = (params.betas.abs() <= protocol.max_beta).all(-1, keepdim=True)
    return replace(params, betas=params.betas * plausible)


def _true_body(truth: GroundTruth, protocol: EvaluationProtocol, result: Result, body: Any) -> Any:
    """The body of the annotated gender, or the neutral one."""
    name = truth.body if protocol.gender == "annotated" else truth.body.split("-")[0]
    if name == result.body and body is not None:
        return body
    from ..body import load

    return load(name)


def _neighbours(index: Tensor) -> Tensor:
    """Mask [T - 2]: whether frames i, i + 1 and i + 2 are consecutive in time (dropped frames leave gaps)."""
    step = index.diff()
    return (step[1:] == step[:-1]) & (step[1:] == step.min()) if len(step) > 1 else step.new_zeros(0, dtype=torch.bool)


def _same_frames(result: Result, truth: GroundTruth) -> tuple[GroundTruth, Tensor]:
    """The ground truth of the result's frames, on the CPU, and their frame numbers [T] in the file."""
    truth = truth.to("cpu")
    index = result.frame_index.cpu()
    params = None if truth.params is None else truth.params.to("cpu")
    if len(truth.joints) == len(result.joints):
        return replace(truth, params=params), index
    if len(index) and int(index.max()) < len(truth.joints):
        return replace(truth[index], params=None if params is None else params[index]), index
    raise SemttaError(
        f"{result.name}: the result has {len(result.joints)} frames, the ground truth {len(truth.joints)}: "
        "they are not of the same clip."
    )


@torch.no_grad()
def _vertex_error(
    params: BodyParams, body: Any, true_params: BodyParams, true_body: Any, shift: tuple[str, Root] | None, chunk: int = 256
) -> Tensor:
    """MPVPE [T] in mm, computed in chunks, on the CPU; meshes relative to the root of a joint set, or unshifted."""
    errors = []
    for start in range(0, len(params.rotations), chunk):
        meshes = []
        for part, model in ((params, body), (true_params, true_body)):
            part = part.to(model.v_template)[start : start + chunk]
            vertices = model.vertices(part.rotations, part.betas)
            if shift is not None:
                points = model.keypoints(part.rotations, part.betas, shift[0])
                vertices = vertices - (points - root_align(points, shift[1]))[..., :1, :]
            meshes.append(vertices)
        errors.append(mpvpe(*meshes).cpu())
    return torch.cat(errors)


def quality(result: Result, body: Any = None, unadapted: bool = False) -> dict[str, float]:
    """Quality measures that need no ground truth.

    ``reprojection_px``: median distance in the image between projected joints and detected keypoints; ``jitter``: mean
    acceleration of the root-relative joints, mm/frame^2; ``bone_variation_mm``: standard deviation of bone lengths over the
    clip, mean over the bones. With a world also those of ``ground_quality``.
    """
    model, keypoints = body_of(result, body), result.keypoints_before.to("cpu")
    translation = (result.unadapted if unadapted else result.params).translation
    numbers: dict[str, float] = {}
    if translation is not None:
        points = _keypoints(result, keypoints.joint_set, model, unadapted) + translation.detach().cpu()[:, None]
        error = (project_to_image(points, result.camera.focal_px, result.camera.center_px) - keypoints.xy).norm(dim=-1)
        seen = error[(keypoints.confidence > float(result.setting("evidence.threshold", 0))) & error.isfinite()]
        if len(seen):
            numbers["reprojection_px"] = float(seen.median())
    joints = _keypoints(result, "smpl24", model, unadapted)
    if len(joints) > 2:
        numbers["jitter"] = float(acceleration(root_align(joints)).norm(dim=-1).mean()) * MM
    if len(joints) > 1:
        bones = (joints[:, 1:] - joints[:, list(SMPL_PARENTS[1:])]).norm(dim=-1)
        numbers["bone_variation_mm"] = float(bones.std(0).mean()) * MM
    return {**numbers, **ground_quality(result, model, unadapted)}


def compare(result: Result, ground_truth: GroundTruth | None = None, body: Any = None) -> dict[str, dict[str, float]]:
    """``quality``, and with ground truth ``evaluate``, of the motion ``before`` and ``after`` adaptation."""
    model = body_of(result, body)
    table = {}
    for when, unadapted in (("before", True), ("after", False)):
        truth = {} if ground_truth is None else evaluate(result, ground_truth, model, unadapted)
        table[when] = {**truth, **quality(result, model, unadapted)}
    return table
