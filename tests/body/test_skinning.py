"""Forward kinematics by hand, folded keypoints against the skinned mesh, and everything against smplx."""

from __future__ import annotations

import math

import numpy as np
import pytest
import smplx
import torch
from body_models import assert_agree, identity, random_betas, random_rotations
from smplx.lbs import lbs
from smplx.utils import Struct

from semtta.body import SMPL, Body, OpenBody
from semtta.constants import JOINT_SETS, SMPL24
from semtta.errors import SemttaError
from semtta.geometry import axis_angle_to_matrix

ZERO = torch.zeros(10, dtype=torch.float64)


def about(axis: str, degrees: float) -> torch.Tensor:
    vector = torch.zeros(3, dtype=torch.float64)
    vector["xyz".index(axis)] = math.radians(degrees)
    return axis_angle_to_matrix(vector)


def index(name: str) -> int:
    return SMPL24.index(name)


def test_rest_pose_gives_the_rest_joints(open_body: OpenBody) -> None:
    torch.testing.assert_close(open_body.joints(identity(), ZERO), open_body.rest_joints(ZERO))


def test_hip_turned_by_90_degrees_lifts_the_knee_forward(open_body: OpenBody) -> None:
    rest = open_body.rest_joints(ZERO)
    hip, knee, ankle = (rest[index(f"L_{name}")] for name in ("Hip", "Knee", "Ankle"))
    rotations = identity()
    rotations[index("L_Hip")] = about("x", -90)  # (x, y, z) -> (x, z, -y): what hung down points forward
    posed = open_body.joints(rotations, ZERO)
    for name, at in (("L_Knee", knee), ("L_Ankle", ankle)):
        dx, dy, dz = (at - hip).tolist()
        torch.testing.assert_close(posed[index(name)], hip + torch.tensor([dx, dz, -dy], dtype=torch.float64))
    assert posed[index("L_Knee"), 2] - hip[2] > 0.35
    others = [i for i, name in enumerate(SMPL24) if name not in ("L_Knee", "L_Ankle", "L_Foot")]
    torch.testing.assert_close(posed[others], rest[others])


def test_rotations_accumulate_down_the_chain(open_body: OpenBody) -> None:
    rest = open_body.rest_joints(ZERO)
    shoulder, elbow, wrist = (rest[index(f"L_{name}")] for name in ("Shoulder", "Elbow", "Wrist"))
    rotations = identity()
    rotations[index("L_Shoulder")] = about("z", -90)  # arm down: (x, y, z) -> (y, -x, z)
    rotations[index("L_Elbow")] = about("y", -90)  # then, in the arm's own frame, forearm forward: (x, y, z) -> (-z, y, x)
    posed = open_body.joints(rotations, ZERO)
    dx, dy, dz = (elbow - shoulder).tolist()
    at_elbow = shoulder + torch.tensor([dy, -dx, dz], dtype=torch.float64)
    fx, fy, fz = (wrist - elbow).tolist()
    at_wrist = at_elbow + torch.tensor([fy, fz, fx], dtype=torch.float64)
    torch.testing.assert_close(posed[index("L_Elbow")], at_elbow)
    torch.testing.assert_close(posed[index("L_Wrist")], at_wrist)


def test_global_rotation_is_about_the_pelvis(open_body: OpenBody) -> None:
    rotations, turned = random_rotations(), random_rotations()
    turn = about("y", 70)
    turned[0] = turn @ rotations[0]
    pelvis = open_body.rest_joints(ZERO)[0]
    expected = (open_body.vertices(rotations, ZERO) - pelvis) @ turn.T + pelvis
    torch.testing.assert_close(open_body.vertices(turned, ZERO), expected)


@pytest.mark.parametrize("method", ["joints", "vertices", "keypoints"])
def test_translation_and_batch_dimensions(posed_blend_body: Body, method: str) -> None:
    def call(*args: torch.Tensor) -> torch.Tensor:
        if method == "keypoints":
            return posed_blend_body.keypoints(*args[:2], "coco17", *args[2:])
        return getattr(posed_blend_body, method)(*args)

    rotations, betas, shift = random_rotations(2, 3), random_betas(2, 1), torch.randn(2, 3, 3, dtype=torch.float64)
    batched = call(rotations, betas, shift)
    assert batched.shape[:2] == (2, 3)
    assert batched.shape[-1] == 3
    for i in range(2):
        for t in range(3):
            torch.testing.assert_close(batched[i, t], call(rotations[i, t], betas[i, 0]) + shift[i, t])
    one_pose_many_shapes = call(rotations[0, 0], random_betas(4))
    assert one_pose_many_shapes.shape[0] == 4
    assert call(rotations[:0], betas[:0]).shape[0] == 0


@pytest.mark.parametrize("joint_set", sorted(set(JOINT_SETS) - {"spin9", "blazepose33"}))  # regressed on SMPL only, or never
def test_folded_keypoints_equal_regression_after_skinning(open_body: OpenBody, joint_set: str) -> None:
    rotations, betas = random_rotations(5), random_betas(5)
    regressor = open_body.regressor(joint_set)
    everything = torch.cat([open_body.joints(rotations, betas), open_body.vertices(rotations, betas)], -2)
    torch.testing.assert_close(regressor.sum(1), torch.ones(len(regressor), dtype=torch.float64))
    folded = open_body.keypoints(rotations, betas, joint_set)
    torch.testing.assert_close(folded, regressor @ everything, atol=1e-10, rtol=0)
    single = OpenBody().keypoints(rotations.float(), betas.float(), joint_set)
    torch.testing.assert_close(single.double(), folded, atol=1e-5, rtol=0)


def test_folded_keypoints_with_pose_blend_shapes(posed_blend_body: Body) -> None:
    rotations, betas = random_rotations(5), random_betas(5)
    dense = posed_blend_body.regressor("coco17")[:, 24:] @ posed_blend_body.vertices(rotations, betas)
    torch.testing.assert_close(posed_blend_body.keypoints(rotations, betas, "coco17"), dense, atol=1e-10, rtol=0)


def test_gradients(posed_blend_body: Body) -> None:
    inputs = random_rotations(1).requires_grad_(), random_betas(1).requires_grad_()
    assert torch.autograd.gradcheck(posed_blend_body.joints, inputs, fast_mode=True)
    assert torch.autograd.gradcheck(lambda r, b: posed_blend_body.keypoints(r, b, "coco17"), inputs, fast_mode=True)
    assert torch.autograd.gradcheck(posed_blend_body.vertices, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(posed_blend_body.joints, inputs, fast_mode=True)


def test_function_transforms_and_a_cache_made_in_inference_mode() -> None:
    body = OpenBody(dtype=torch.float64)
    rotations, betas = random_rotations(3), random_betas(3)
    with torch.inference_mode():
        expected = body.keypoints(rotations, betas, "body25").clone()
    mapped = torch.func.vmap(lambda r, b: body.keypoints(r, b, "body25"))(rotations, betas)
    torch.testing.assert_close(mapped, expected)
    gradient = torch.func.grad(lambda b: body.keypoints(rotations, b, "body25").square().sum())(betas)
    leaf = betas.clone().requires_grad_()
    body.keypoints(rotations, leaf, "body25").square().sum().backward()
    torch.testing.assert_close(gradient, leaf.grad)
    assert not body.state_dict()  # nothing of a body gets into a checkpoint


def test_dtype_follows_the_module() -> None:
    body = OpenBody()
    rotations, betas = random_rotations(2, dtype=torch.float32), random_betas(2, dtype=torch.float32)
    assert body.keypoints(rotations, betas, "smpl29").dtype == torch.float32
    assert body.double().keypoints(rotations.double(), betas.double(), "smpl29").dtype == torch.float64


def test_errors_name_the_trouble(posed_blend_body: Body, open_body: OpenBody) -> None:
    with pytest.raises(ValueError, match=r"\[...,24,3,3\]"):
        open_body.joints(torch.zeros(2, 24, 3), ZERO)
    with pytest.raises(SemttaError, match=r"no regressor for the joint set 'h36m17' \(it has: coco17, smpl24\)"):
        posed_blend_body.keypoints(identity(), ZERO, "h36m17")
    with pytest.raises(SemttaError, match="Did you mean 'coco1"):
        open_body.keypoints(identity(), ZERO, "coco71")
    assert posed_blend_body.joint_sets() == ["smpl24", "coco17"]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.float64, 1e-12)])
def test_agrees_with_smplx(smpl_arrays: dict[str, np.ndarray], dtype: torch.dtype, tolerance: float) -> None:
    """Joints, vertices and their gradients, on a made-up model whose numbers are exact in float32 (smplx rounds to that)."""
    arrays = {key: a.astype(np.float32).astype(np.float64) if a.dtype.kind == "f" else a for key, a in smpl_arrays.items()}
    body = SMPL(arrays, dtype=dtype)
    reference = smplx.SMPL("", data_struct=Struct(**arrays), create_transl=False, dtype=dtype, batch_size=4)
    rotations, betas = random_rotations(4, dtype=dtype).requires_grad_(), random_betas(4, dtype=dtype).requires_grad_()
    out = reference(betas=betas, body_pose=rotations[:, 1:], global_orient=rotations[:, :1], pose2rot=False)
    expected = torch.cat((out.joints[:, :24], out.vertices), 1)
    found = torch.cat((body.joints(rotations, betas), body.vertices(rotations, betas)), 1)
    assert_agree(found, expected, (rotations, betas), tolerance)


def test_open_body_agrees_with_smplx(open_body: OpenBody) -> None:
    rotations, betas = random_rotations(3), random_betas(3)
    vertices, joints = lbs(
        betas,
        rotations,
        open_body.v_template[None].expand(3, -1, -1),
        open_body.shapedirs,
        torch.zeros(207, open_body.num_vertices * 3, dtype=torch.float64),
        open_body.J_regressor,
        torch.tensor(open_body.parents),
        open_body.lbs_weights,
        pose2rot=False,
    )
    torch.testing.assert_close(open_body.vertices(rotations, betas), vertices, atol=1e-5, rtol=0)
    torch.testing.assert_close(open_body.joints(rotations, betas), joints, atol=1e-5, rtol=0)
