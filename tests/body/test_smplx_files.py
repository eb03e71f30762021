"""SMPL-H and SMPL-X files as bodies of 24 joints, against the package smplx on made-up models in those formats."""

from __future__ import annotations

import logging
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import smplx
import torch
from body_models import assert_agree, random_betas, random_rotations
from scipy.sparse import csc_matrix
from smplx.joint_names import JOINT_NAMES, SMPLH_JOINT_NAMES
from smplx.utils import Struct
from smplx.vertex_ids import vertex_ids

from semtta.assets.conversion import import_asset
from semtta.body import SMPL, SMPLHX, Body, load
from semtta.body.smpl import VERTICES
from semtta.constants import SMPL24, SMPL_PARENTS
from semtta.errors import SemttaError

Arrays = dict[str, np.ndarray]
#: Kind -> vertices and names of the joints.
KINDS = {"smplh": (6890, SMPLH_JOINT_NAMES[:52]), "smplx": (10475, JOINT_NAMES[:55])}


def parents_of(names: list[str]) -> list[int]:
    """The tree that the names tell: fingers hang on wrists, segment by segment; jaw and eyes on the head."""
    parents = [2**32 - 1, *SMPL_PARENTS[1:22]]
    for joint, name in enumerate(names[22:], 22):
        if not name[-1].isdigit():
            parents.append(names.index("head"))
        elif name.endswith("1"):
            parents.append(names.index(f"{name.split('_')[0]}_wrist"))
        else:
            parents.append(joint - 1)
    return parents


def make(kind: str) -> Arrays:
    """A model with nothing of the licensed ones in it but sizes and names, exact in float32 (which smplx rounds to)."""
    vertices, names = KINDS[kind]
    joints, rng = len(names), np.random.default_rng(0)
    weights, regressor = np.zeros((vertices, joints)), np.zeros((joints, vertices))
    for column in rng.integers(0, joints, (3, vertices)):
        weights[np.arange(vertices), column] += rng.uniform(0.1, 1, vertices)
    for row in regressor:
        row[rng.choice(vertices, 12, replace=False)] = rng.uniform(0.1, 1, 12)
    arrays = {
        "v_template": 0.4 * rng.standard_normal((vertices, 3)),
        "shapedirs": 0.02 * rng.standard_normal((vertices, 3, 16 if kind == "smplh" else 20)),
        "posedirs": 0.005 * rng.standard_normal((vertices, 3, 9 * (joints - 1)), dtype=np.float32),
        "weights": weights / weights.sum(1, keepdims=True),
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "hands_meanl": rng.standard_normal(45), "hands_meanr": rng.standard_normal(45),
        "hands_componentsl": np.eye(45), "hands_componentsr": np.eye(45),
        "lmk_bary_coords": np.full((51, 3), 1 / 3),
    }  # fmt: skip
    arrays = {key: array.astype(np.float32) for key, array in arrays.items()}
    return {
        **arrays, "f": rng.integers(0, vertices, (100, 3)).astype(np.uint32), "lmk_faces_idx": np.arange(51),
        "kintree_table": np.array([parents_of(names), range(joints)]).astype(np.uint32),
    }  # fmt: skip


@pytest.fixture(scope="module", params=list(KINDS))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Arrays, Path]:
    """Kind, arrays and the file as it is distributed: SMPL-H as a pickle with a sparse matrix, SMPL-X as an npz with objects."""
    kind = request.param
    arrays, folder = make(kind), tmp_path_factory.mktemp(kind)
    if kind == "smplh":
        path = folder / "SMPLH_male.pkl"
        path.write_bytes(pickle.dumps({**arrays, "J_regressor": csc_matrix(arrays["J_regressor"]), "bs_style": "lbs"}, 2))
    else:
        path = folder / "SMPLX_NEUTRAL.npz"
        np.savez(path, **arrays, joint2num=np.array({"Pelvis": 0}, dtype=object))
    return kind, arrays, path


def reference(kind: str, arrays: Arrays, path: Path, dtype: torch.dtype) -> torch.nn.Module:
    options = {"dtype": dtype, "use_pca": False, "flat_hand_mean": True}
    if kind == "smplh":
        return smplx.SMPLHLayer("", data_struct=Struct(**arrays), **options)
    return smplx.SMPLXLayer(str(path), **options)


def everything(body: Body, rotations: torch.Tensor, betas: torch.Tensor) -> torch.Tensor:
    return torch.cat((body.joints(rotations, betas), body.vertices(rotations, betas)), -2)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.float64, 1e-12)])
def test_body_of_the_model_with_hands_at_rest(model, dtype: torch.dtype, tolerance: float) -> None:
    """Joints, vertices and gradients are smplx's."""
    kind, arrays, path = model
    body, theirs = load(path, dtype=dtype), reference(kind, arrays, path, dtype)
    taken = [*range(22), *(KINDS[kind][1].index(f"{side}_middle1") for side in ("left", "right"))]
    rotations, betas = random_rotations(3, dtype=dtype).requires_grad_(), random_betas(3, dtype=dtype).requires_grad_()
    out = theirs(betas=betas, global_orient=rotations[:, :1], body_pose=rotations[:, 1:22])
    expected = torch.cat((out.joints[:, taken], out.vertices), 1)
    assert_agree(everything(body, rotations, betas), expected, (rotations, betas), tolerance)


def test_names_keypoints_and_what_is_said(model, caplog: pytest.LogCaptureFixture) -> None:
    kind, _, path = model
    with caplog.at_level(logging.WARNING):
        body = load(path, dtype=torch.float64)
    assert isinstance(body, SMPLHX)
    assert body.name == {"smplh": "smplh-male", "smplx": "smplx"}[kind]
    assert "hands and face stay at rest" in caplog.text
    rotations, betas = random_rotations(2), random_betas(2)
    points, vertices = body.keypoints(rotations, betas, "smpl29"), body.vertices(rotations, betas)
    torch.testing.assert_close(points[:, :24], body.J_regressor @ vertices)
    face = [vertex_ids["smplx"][name] for name in ("nose", "leye", "reye", "lear", "rear")]
    if kind == "smplh":  # SMPL's mesh: the vertices that SMPL's keypoints take
        face = [VERTICES[name] for name in ("Nose", "L_Eye", "R_Eye", "L_Ear", "R_Ear")]
    torch.testing.assert_close(points[:, 24:], vertices[:, face])
    assert set(body.joint_sets()) == {"smpl24", "smpl29", "coco17", "coco18", "body25"}


def test_hands_ride_on_the_wrists(model) -> None:
    body = load(model[2], dtype=torch.float64)
    wrist, hand = SMPL24.index("L_Wrist"), SMPL24.index("L_Hand")
    rotations, betas = random_rotations(), random_betas()
    turned = rotations.clone()
    turned[wrist] = random_rotations(seed=3)[0]
    before, after = (body.joints(x, betas) for x in (rotations, turned))
    rest = body.rest_joints(betas)
    torch.testing.assert_close((after[hand] - after[wrist]).norm(), (rest[hand] - rest[wrist]).norm())
    assert (after[hand] - before[hand]).norm() > 0.01
    turned = rotations.clone()
    turned[[hand, hand + 1]] = random_rotations(seed=3)[:2]  # of the hands themselves: ignored
    torch.testing.assert_close(everything(body, turned, betas), everything(body, rotations, betas), rtol=0, atol=0)


def test_a_file_with_hands_given_as_smpl_is_named(model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, _, path = model
    named = {"smplh": "6890 vertices and 52 joints are SMPL-H's", "smplx": "10475 vertices and 55 joints are SMPL-X's"}[kind]
    monkeypatch.setenv("SEMTTA_HOME", str(tmp_path))
    for give in (SMPL.from_file, lambda file: import_asset("smpl", file)):
        with pytest.raises(SemttaError, match=rf"{named}.*--body FILE") as caught:
            give(path)
        assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("*.npz"))


def test_a_regressor_of_smpl_beside_the_file(tmp_path: Path, model) -> None:
    """It fits SMPL-H, whose mesh is SMPL's, and is passed over for SMPL-X."""
    kind, _, path = model
    copy = tmp_path / path.name
    copy.write_bytes(path.read_bytes())
    np.save(tmp_path / "J_regressor_coco.npy", np.full((17, 6890), 1 / 6890))
    body = load(copy, dtype=torch.float64)
    rotations, betas = random_rotations(1), random_betas(1)
    center = body.vertices(rotations, betas).mean(1)
    nose = body.keypoints(rotations, betas, "coco17")[:, 0]
    assert bool(torch.allclose(nose, center)) == (kind == "smplh")


def test_other_models_and_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = make("smplh")
    tree = arrays["kintree_table"].copy()
    tree[0, 5] = 1
    with pytest.raises(SemttaError, match="SMPL-H's kinematic tree: the joints have other parents"):
        SMPLHX({**arrays, "kintree_table": tree})
    tree = arrays["kintree_table"].copy()
    tree[0, SMPLH_JOINT_NAMES.index("left_middle1")] = 0
    with pytest.raises(SemttaError, match="the hands are not at the wrists"):
        SMPLHX({**arrays, "kintree_table": tree})
    with pytest.raises(SemttaError, match="778 vertices and 16 joints, as MANO has"):
        SMPL({**arrays, "v_template": arrays["v_template"][:778], "kintree_table": arrays["kintree_table"][:, :16]})
    with pytest.raises(SemttaError, match="Neither SMPL-H nor SMPL-X: 100 vertices and 52 joints"):
        SMPLHX({**arrays, "v_template": arrays["v_template"][:100]})
    np.savez(tmp_path / "model.npz", **{key: value for key, value in arrays.items() if key != "weights"})
    with pytest.raises(SemttaError, match=r"model\.npz: .*lacks weights"):
        load(tmp_path / "model.npz")
    (tmp_path / "female").mkdir()
    plain = {key: value for key, value in arrays.items() if not key.startswith(("hands", "lmk"))}
    np.savez(tmp_path / "female" / "model.npz", **plain)  # as AMASS's site gives it
    assert load(tmp_path / "female" / "model.npz").name == "smplh-female"
    monkeypatch.setitem(sys.modules, "smplx", None)
    with pytest.raises(SemttaError, match=r"SMPL-H needs the package 'smplx': pip install 'semtta\[smpl\]'"):
        load(tmp_path / "female" / "model.npz")
