"""What the included body is."""

from __future__ import annotations

import math
from collections import Counter
from importlib.resources import files

import numpy as np
import pytest
import torch
from body_models import identity, random_betas, random_rotations

from semtta.body import OpenBody, load
from semtta.constants import SMPL24, mirrored
from semtta.errors import SemttaError

ZERO = torch.zeros(10, dtype=torch.float64)


@pytest.fixture(scope="module")
def rest(open_body: OpenBody) -> tuple[np.ndarray, np.ndarray]:
    return open_body.vertices(identity(), ZERO).numpy(), open_body.rest_joints(ZERO).numpy()


def joint(joints: np.ndarray, name: str) -> np.ndarray:
    return joints[SMPL24.index(name)]


def winding_number(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """How often a closed surface [F,3,3] goes round each point (van Oosterom and Strackee 1983): 1 is inside."""
    a, b, c = np.moveaxis(corners[None] - points[:, None, None], 2, 0)
    la, lb, lc = (np.linalg.norm(x, axis=-1) for x in (a, b, c))
    volume = np.einsum("pfi,pfi->pf", a, np.cross(b, c))
    dots = (np.einsum("pfi,pfi->pf", x, y) * z for x, y, z in ((a, b, lc), (b, c, la), (c, a, lb)))
    return 2 * np.arctan2(volume, la * lb * lc + sum(dots)).sum(1) / (4 * math.pi)


def test_size_and_meta(open_body: OpenBody) -> None:
    asset = files("semtta") / "assets" / "open_body.npz"
    assert len(asset.read_bytes()) < 1_000_000
    assert 5500 < open_body.num_vertices < 6500
    assert open_body.num_vertices != 6890
    assert open_body.faces.min() == 0
    assert open_body.faces.max() == open_body.num_vertices - 1
    assert open_body.meta["licence"] == "CC0-1.0"
    assert {"source", "command", "seed", "facts"} <= set(open_body.meta)


def test_mean_person(rest: tuple[np.ndarray, np.ndarray]) -> None:
    vertices, joints = rest
    assert np.ptp(vertices[:, 1]) == pytest.approx(1.73, abs=0.01)
    assert np.abs(joint(joints, "Pelvis")).max() < 2e-3
    hips, shoulders = (np.linalg.norm(joint(joints, f"L_{n}") - joint(joints, f"R_{n}")) for n in ("Hip", "Shoulder"))
    assert 0.16 < hips < 0.20
    assert 0.32 < shoulders < 0.40


def test_rest_pose_is_smpls(rest: tuple[np.ndarray, np.ndarray]) -> None:
    vertices, joints = rest

    def direction(a: str, b: str) -> np.ndarray:
        d = joint(joints, b) - joint(joints, a)
        return d / np.linalg.norm(d)

    assert direction("L_Shoulder", "L_Wrist") @ (1, 0, 0) > math.cos(math.radians(5))
    assert direction("R_Shoulder", "R_Wrist") @ (-1, 0, 0) > math.cos(math.radians(5))
    for side in "LR":
        assert direction(f"{side}_Hip", f"{side}_Ankle") @ (0, -1, 0) > math.cos(math.radians(5))
        assert direction(f"{side}_Ankle", f"{side}_Foot")[2] > 0.8  # toes forward
        bend = np.degrees(np.arccos(direction(f"{side}_Shoulder", f"{side}_Elbow") @ direction(f"{side}_Elbow", f"{side}_Wrist")))
        assert bend < 6
    assert direction("Pelvis", "Head")[1] > 0.99
    assert vertices[:, 0].max() > joint(joints, "L_Hand")[0]


def test_shapes_are_unit_normal(open_body: OpenBody) -> None:
    heights = np.ptp(open_body.vertices(identity(), random_betas(200)).numpy()[..., 1], axis=1)
    assert heights.mean() == pytest.approx(1.73, abs=0.02)
    assert 0.06 < heights.std() < 0.11
    taller = torch.zeros(10, dtype=torch.float64)
    taller[0] = 1
    assert np.ptp(open_body.vertices(identity(), taller).numpy()[:, 1]) > 1.78


def test_left_and_right_mirror_each_other(open_body: OpenBody, rest: tuple[np.ndarray, np.ndarray]) -> None:
    vertices, joints = rest
    flip = np.array([-1, 1, 1])
    assert np.abs(joints[mirrored("smpl24")] * flip - joints).max() < 2e-3
    assert np.abs(vertices[:, 0].max() + vertices[:, 0].min()) < 2e-3
    for name in ("coco17", "body25", "h36m17"):
        points = open_body.keypoints(identity(), ZERO, name).numpy()
        assert np.abs(points[mirrored(name)] * flip - points).max() < 0.012


def test_surface_is_closed_and_faces_outward(open_body: OpenBody, rest: tuple[np.ndarray, np.ndarray]) -> None:
    faces = open_body.faces.numpy()
    directed = Counter(tuple(edge) for i in range(3) for edge in faces[:, [i, (i + 1) % 3]].tolist())
    assert max(directed.values()) == 1
    assert all((b, a) in directed for a, b in directed)
    a, b, c = np.moveaxis(rest[0][faces], 1, 0)
    volume = np.einsum("fi,fi->f", a, np.cross(b, c)).sum() / 6
    assert 0.05 < volume < 0.09  # a person of about 65 kg


def test_joints_lie_inside(open_body: OpenBody, rest: tuple[np.ndarray, np.ndarray]) -> None:
    vertices, joints = rest
    assert winding_number(joints, vertices[open_body.faces.numpy()]).min() > 0.9


def test_face_and_feet(open_body: OpenBody) -> None:
    points = dict(
        zip(names := ("Nose", "L_Eye", "L_Ear"), open_body.keypoints(identity(), ZERO, "coco17")[[0, 1, 3]], strict=True)
    )
    assert len(names) == 3
    assert points["Nose"][2] > points["L_Eye"][2] > points["L_Ear"][2]  # in front of one another
    assert points["L_Eye"][0] > 0
    assert points["L_Ear"][0] > points["L_Eye"][0]
    feet = open_body.keypoints(identity(), ZERO, "body25")[19:22]
    toe, small, heel = feet
    assert toe[2] > heel[2]
    assert small[0] > toe[0]
    assert (feet[:, 1] < -0.85).all()


def test_posed_regressors_follow_the_joints(open_body: OpenBody) -> None:
    rotations, betas = random_rotations(20, scale=0.4), random_betas(20)
    h36m = open_body.keypoints(rotations, betas, "h36m17")
    smpl = open_body.joints(rotations, betas)
    pairs = ((1, "R_Hip"), (2, "R_Knee"), (3, "R_Ankle"), (11, "L_Shoulder"), (12, "L_Elbow"), (13, "L_Wrist"))
    for i, name in pairs:
        assert (h36m[:, i] - smpl[:, SMPL24.index(name)]).norm(dim=-1).mean() < 0.012


def test_weights_sum_to_one(open_body: OpenBody) -> None:
    torch.testing.assert_close(open_body.lbs_weights.sum(1), torch.ones(open_body.num_vertices, dtype=torch.float64))
    torch.testing.assert_close(open_body.J_regressor.sum(1), torch.ones(24, dtype=torch.float64))
    assert (open_body.lbs_weights.max(0).values > 0.4).all()  # every joint moves something


def test_smpl29_starts_with_the_kinematic_joints(open_body: OpenBody) -> None:
    points = open_body.keypoints(identity(), ZERO, "smpl29")
    torch.testing.assert_close(points[:24], open_body.joints(identity(), ZERO))


def test_load_gives_it() -> None:
    assert isinstance(load("open"), OpenBody)
    assert load("open").name == "open"


@pytest.mark.parametrize("joint_set", ["blazepose33", "spin9"])
def test_a_joint_set_that_the_body_has_no_points_for(open_body: OpenBody, joint_set: str) -> None:
    assert joint_set not in open_body.joint_sets()
    assert "body25" in open_body.joint_sets()
    with pytest.raises(SemttaError, match=f"no regressor for the joint set '{joint_set}'"):
        open_body.keypoints(identity(), ZERO, joint_set)
