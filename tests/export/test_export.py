"""Exported files, read back by other means and compared with the result."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from glb_files import read_glb

from semtta import export as exports
from semtta.constants import SMPL24, SMPL_PARENTS
from semtta.errors import SemttaError
from semtta.export import export, exporters, to_world
from semtta.geometry import axis_angle_to_matrix


@pytest.fixture(scope="module")
def result(make_result):
    return make_result(frames=9)


# --- the registry and paths ------------------------------------------------------------------------------------------


def test_the_six_formats_are_there():
    assert {"npz", "bvh", "glb", "fbx", "usd", "csv"} <= set(exporters.names())


def test_export_of_a_saved_folder_goes_beside_it(result, tmp_path):
    place = result.save(tmp_path)
    assert export(tmp_path, "csv") == place / "walk on the spot.csv"
    assert export(place, "bvh", tmp_path / "new" / "walk.bvh").is_file()
    assert export(result, "npz", tmp_path).name == "walk on the spot.npz"


def test_unknown_formats_and_options_are_explained(result, tmp_path):
    with pytest.raises(SemttaError, match="Did you mean 'bvh'"):
        export(result, "bhv", tmp_path)
    with pytest.raises(SemttaError, match="unit"):
        export(result, "bvh", tmp_path, unit="inch")
    with pytest.raises(SemttaError, match="up axis"):
        export(result, "bvh", tmp_path, up="x")
    with pytest.raises(SemttaError, match="No result"):
        export(tmp_path, "bvh")
    assert list(tmp_path.iterdir()) == []


def test_a_plug_in_exporter_is_used(result, tmp_path):
    @exports.register("txt")
    def write_text(result, path):
        path.write_text(f"{len(result.joints)} frames")

    try:
        assert export(result, "txt", tmp_path).read_text() == "9 frames"
    finally:
        exporters._entries.pop("txt")


# --- the world -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("up", "axis"), [("y", 1), ("z", 2)])
def test_the_person_stands_upright_on_the_ground(result, up, axis):
    world = to_world(result, up)
    assert world.joints[..., axis].min().item() == pytest.approx(0, abs=1e-9)
    assert (world.joints[:, SMPL24.index("Head"), axis] > 1.2).all()
    others = [i for i in range(3) if i != axis]
    assert world.joints[0, 0, others].abs().max() < 1e-9
    assert torch.linalg.det(world.rotation).item() == pytest.approx(1)
    mapped = result.joints.double() @ world.matrix[:3, :3].mT + world.matrix[:3, 3]
    torch.testing.assert_close(mapped, world.joints)


def test_the_person_faces_the_viewer_in_a_y_up_world(result):
    """The camera looks along -z there, so a person who faces it faces +z: nearer, larger z."""
    world = to_world(result, "y", "camera")
    assert (world.joints[..., 2] < 0).all()
    torch.testing.assert_close(world.joints[..., 2], -result.joints[..., 2].double())


# --- csv -------------------------------------------------------------------------------------------------------------


def test_csv_has_every_joint_of_every_frame(result, tmp_path):
    with export(result, "csv", tmp_path).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["frame"]) for row in rows] == list(range(9))
    assert float(rows[3]["time_s"]) == pytest.approx(0.1)
    for t, row in enumerate(rows):
        for j, name in enumerate(SMPL24):
            values = np.float32([row[f"{name}_{axis}"] for axis in "xyz"])
            assert (values == result.joints[t, j].numpy()).all()


# --- bvh -------------------------------------------------------------------------------------------------------------


def read_bvh(path):
    """(joint names, parents, offsets [J, 3], channels of each, frames [T, C], frame time)."""
    tokens = path.read_text().split()
    names, parents, offsets, channels, stack = [], [], [], [], []
    i = 1
    while tokens[i] != "MOTION":
        word = tokens[i]
        if word in ("ROOT", "JOINT", "End"):
            parents.append(stack[-1] if stack else -1)
            names.append(tokens[i + 1])
            channels.append([])
            i += 2
        elif word == "{":
            stack.append(len(names) - 1)
            i += 1
        elif word == "}":
            stack.pop()
            i += 1
        elif word == "OFFSET":
            offsets.append([float(v) for v in tokens[i + 1 : i + 4]])
            i += 4
        else:
            assert word == "CHANNELS"
            count = int(tokens[i + 1])
            channels[-1] = tokens[i + 2 : i + 2 + count]
            i += 2 + count
    count, frame_time = int(tokens[i + 2]), float(tokens[i + 5])
    frames = np.array(tokens[i + 6 :], float).reshape(count, -1)
    return names, parents, np.array(offsets), channels, frames, frame_time


def bvh_kinematics(parents, offsets, channels, frame):
    """Joint positions [J, 3] of one frame: rotations multiply in the order in which they are listed."""
    rotations, positions, used = [], [], 0
    for joint, parent in enumerate(parents):
        rotation, place = np.eye(3), offsets[joint].copy()
        for channel in channels[joint]:
            value, axis = frame[used], "XYZ".index(channel[0])
            used += 1
            if channel.endswith("position"):
                place[axis] += value
            else:
                turn = torch.zeros(3, dtype=torch.float64)
                turn[axis] = np.deg2rad(value)
                rotation = rotation @ axis_angle_to_matrix(turn).numpy()
        if parent >= 0:
            place = positions[parent] + rotations[parent] @ place
            rotation = rotations[parent] @ rotation
        rotations.append(rotation)
        positions.append(place)
    return np.array(positions)


@pytest.mark.parametrize(("unit", "scale"), [("cm", 100), ("m", 1)])
def test_bvh_moves_the_joints_where_the_result_has_them(result, tmp_path, unit, scale):
    path = export(result, "bvh", tmp_path, unit=unit, origin="camera")
    names, parents, offsets, channels, frames, frame_time = read_bvh(path)
    assert frame_time == pytest.approx(1 / 30)
    assert frames.shape == (9, 75)
    order = [names.index(name) for name in SMPL24]
    expected = result.joints.numpy() * (1, -1, -1)
    for t, frame in enumerate(frames):
        joints = bvh_kinematics(parents, offsets, channels, frame)[order] / scale
        np.testing.assert_allclose(joints, expected[t], atol=1e-4)


def test_bvh_at_gimbal_lock_and_over_half_a_turn(make_result, open_body, tmp_path):
    result = make_result(frames=40)
    turning = axis_angle_to_matrix(torch.arange(40)[:, None] * torch.tensor([0.0, 0.2, 0]))
    rotations = result.params.rotations.clone()
    rotations[:, 0] = rotations[:, 0] @ turning
    rotations[:, 4] = axis_angle_to_matrix(torch.tensor([torch.pi / 2, 0, 0]))
    params = replace(result.params, rotations=rotations)
    result = replace(result, params=params, joints=open_body.joints(rotations, params.betas, params.translation))
    names, parents, offsets, channels, frames, _ = read_bvh(export(result, "bvh", tmp_path, unit="m", origin="camera"))
    assert np.abs(np.diff(frames[:, 3:], axis=0)).max() < 60  # degrees
    joints = bvh_kinematics(parents, offsets, channels, frames[30])[[names.index(name) for name in SMPL24]]
    np.testing.assert_allclose(joints, result.joints[30].numpy() * (1, -1, -1), atol=1e-4)


def test_bvh_rest_pose_has_the_body_s_bones(result, open_body, tmp_path):
    names, parents, offsets, *_ = read_bvh(export(result, "bvh", tmp_path))
    rest = open_body.rest_joints(result.params.betas[0]).numpy() * 100
    assert names[0] == "Pelvis"
    assert names.count("Site") == 5
    for joint, parent in enumerate(SMPL_PARENTS[1:], start=1):
        here = names.index(SMPL24[joint])
        assert names[parents[here]] == SMPL24[parent]
        np.testing.assert_allclose(offsets[here], rest[joint] - rest[parent], atol=0.01)


# --- glb -------------------------------------------------------------------------------------------------------------


def quaternion_matrix(q):
    x, y, z, w = q
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def test_glb_skins_the_mesh_where_the_body_has_it(result, open_body, tmp_path):
    document, array = read_glb(export(result, "glb", tmp_path, body=open_body, origin="camera"))
    nodes, skin = document["nodes"], document["skins"][0]
    parents = [-1] * len(nodes)
    for index, node in enumerate(nodes):
        for child in node.get("children", []):
            parents[child] = index
    assert parents[:24] == list(SMPL_PARENTS)
    assert [nodes[j]["name"] for j in skin["joints"]] == list(SMPL24)
    assert sorted(document["scenes"][0]["nodes"]) == [i for i, p in enumerate(parents) if p < 0]

    animation = document["animations"][0]
    tracks = {}
    for channel in animation["channels"]:
        sampler = animation["samplers"][channel["sampler"]]
        tracks[channel["target"]["node"], channel["target"]["path"]] = array(sampler["output"])
        np.testing.assert_allclose(array(sampler["input"])[:, 0], np.arange(9) / 30, atol=1e-6)
    t = 5
    world = []
    for joint in range(24):
        local = np.eye(4)
        local[:3, :3] = quaternion_matrix(tracks[joint, "rotation"][t])
        local[:3, 3] = tracks[joint, "translation"][t] if (joint, "translation") in tracks else nodes[joint]["translation"]
        world.append(local if parents[joint] < 0 else world[parents[joint]] @ local)
    expected = result.joints[t].numpy() * (1, -1, -1)
    np.testing.assert_allclose(np.array(world)[:, :3, 3], expected, atol=1e-4)

    primitive = document["meshes"][0]["primitives"][0]
    attributes = {name: array(index) for name, index in primitive["attributes"].items()}
    bones = np.array(world) @ array(skin["inverseBindMatrices"]).reshape(24, 4, 4).transpose(0, 2, 1)
    blended = np.einsum("vk,vkij->vij", attributes["WEIGHTS_0"], bones[attributes["JOINTS_0"]])
    points = np.concatenate((attributes["POSITION"], np.ones((len(blended), 1))), 1)
    skinned = np.einsum("vij,vj->vi", blended, points)[:, :3]
    params = result.params[t]
    vertices = open_body.vertices(params.rotations, params.betas, params.translation).numpy() * (1, -1, -1)
    error = np.linalg.norm(skinned - vertices, axis=1)
    assert np.median(error) < 1e-4
    assert error.max() < 0.02
    np.testing.assert_allclose(attributes["WEIGHTS_0"].sum(1), 1, atol=1e-5)
    assert array(primitive["indices"]).max() < len(vertices)
    np.testing.assert_allclose(np.linalg.norm(attributes["NORMAL"], axis=1), 1, atol=1e-3)


def test_glb_quaternions_never_jump(make_result, open_body, tmp_path):
    result = make_result(frames=70)
    turning = axis_angle_to_matrix(torch.arange(70)[:, None] * torch.tensor([0.0, 0.15, 0]))
    rotations = result.params.rotations.clone()
    rotations[:, 0] = rotations[:, 0] @ turning
    result = replace(result, params=replace(result.params, rotations=rotations))
    document, array = read_glb(export(result, "glb", tmp_path, body=open_body))
    outputs = [s["output"] for s in document["animations"][0]["samplers"][1:]]
    assert all(((q[1:] * q[:-1]).sum(1) > 0).all() for q in map(array, outputs))


def test_glb_is_read_by_another_program(result, open_body, tmp_path):
    trimesh = pytest.importorskip("trimesh")
    scene = trimesh.load(export(result, "glb", tmp_path, body=open_body))
    mesh = next(iter(scene.geometry.values()))
    assert mesh.faces.shape == tuple(open_body.faces.shape)
    assert mesh.is_winding_consistent
    height = np.ptp(mesh.vertices[:, 1])
    assert 1.4 < height < 2.2
