"""Several people of one clip: one world, one clock, one camera; each in a file of their own, or all in one scene."""

from __future__ import annotations

import csv
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from glb_files import read_glb
from worlds import CENTER, in_a_world

from semtta.constants import SMPL24, SMPL_PARENTS
from semtta.errors import SemttaError
from semtta.export import export, export_all, to_world, to_worlds
from semtta.export.runs import runs_of
from semtta.export.scene import camera_track, from_zero, people_in, starts
from semtta.geometry.timing import resampled
from semtta.results import save

Z_TO_Y = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]], dtype=torch.float64)


@pytest.fixture(scope="module")
def first(make_result):
    return in_a_world(make_result(frames=12))


@pytest.fixture(scope="module")
def second(make_result):
    """Comes 5 frames later, 1 m to the right and 20 cm higher in the picture; the camera is the same."""
    late = make_result(frames=17)
    move = torch.tensor([1.0, -0.2, 0.5])
    late = replace(late, joints=late.joints + move, params=replace(late.params, translation=late.params.translation + move))
    late = in_a_world(late)
    parts = (late.params, late.unadapted, late.keypoints, late.keypoints_before, late.world)
    params, unadapted, keypoints, before, world = (part[5:] for part in parts)
    return replace(
        late, params=params, unadapted=unadapted, keypoints=keypoints, keypoints_before=before, world=world, labels=(),
        joints=late.joints[5:], boxes=late.boxes[5:], frame_index=late.frame_index[5:], confidence=late.confidence[5:],
    )  # fmt: skip


@pytest.fixture(scope="module")
def clip(first, second, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "walk"
    for number, result in enumerate((first, second), start=1):
        save(result, folder, name=f"person-{number}")
    return folder


# --- the world ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("up", "axes"), [("z", torch.eye(3).double()), ("y", Z_TO_Y)])
def test_the_refined_world_is_the_world(first, up, axes):
    motion = to_world(first, up)
    torch.testing.assert_close(motion.joints, first.world.joints.double() @ axes.mT)
    torch.testing.assert_close(motion.rotations[:, 0], axes @ first.world.params.rotations[:, 0].double())
    seen = motion.joints @ motion.cameras.rotation.mT + motion.cameras.translation[:, None]
    torch.testing.assert_close(seen, first.joints.double(), atol=1e-5, rtol=0)
    torch.testing.assert_close(motion.shift, axes @ CENTER.double(), atol=1e-5, rtol=0)
    there = to_world(first, up, "camera")
    assert there.shift.abs().max() < 1e-6
    torch.testing.assert_close(there.joints - there.joints[:1, :1], motion.joints - motion.joints[:1, :1], atol=1e-5, rtol=0)


def test_the_camera_s_own_frame_needs_no_world(first):
    motion = to_world(first, "camera", "camera")
    torch.testing.assert_close(motion.joints, first.joints.double())


@pytest.mark.parametrize("known", [True, False])
def test_people_stand_in_one_world(first, second, known):
    people = [first, second] if known else [replace(person, world=None) for person in (first, second)]
    one, other = to_worlds(people, "z")
    if known:
        torch.testing.assert_close(other.joints, second.world.joints.double())
        return
    between = (second.joints[0, 0] - first.joints[0, 0]).double()  # camera: x right, y down, z ahead
    found = other.joints[0, 0] - one.joints[0, 0]
    torch.testing.assert_close(found, torch.stack((between[0], between[2], -between[1])), atol=1e-6, rtol=0)
    assert min(one.joints[..., 2].min(), other.joints[..., 2].min()).item() == pytest.approx(0, abs=1e-9)
    assert one.joints[0, 0, :2].abs().max() < 1e-9


@pytest.mark.parametrize("up", ["camera", "y", "z"])
def test_in_place_keeps_heights_and_poses(first, up):
    walking, standing = to_world(first, up), to_world(first, up, in_place=True)
    axis = {"camera": 1, "y": 1, "z": 2}[up]
    flat = [i for i in range(3) if i != axis]
    assert walking.joints[:, 0, flat].std(0).max() > 0.01
    assert standing.joints[:, 0, flat].std(0).max() < 1e-9
    torch.testing.assert_close(standing.joints[..., axis], walking.joints[..., axis])
    torch.testing.assert_close(standing.joints - standing.joints[:, :1], walking.joints - walking.joints[:, :1])
    torch.testing.assert_close(standing.joints[0], walking.joints[0])


# --- the clock ---------------------------------------------------------------------------------------------------------


def test_people_start_at_their_own_time(first, second):
    assert starts([first, second]) == pytest.approx([0, 5 / 30])
    assert starts([second, first]) == pytest.approx([5 / 30, 0])
    assert starts([second]) == [0]
    after = replace(second, frame_index=second.frame_index + 100)  # across a gap, at the average rate
    assert starts([first, after]) == pytest.approx([0, 105 / 30])
    one = replace(first, **{key: getattr(first, key)[:1] for key in ("params", "joints", "frame_index", "world")})
    assert starts([one, second]) == pytest.approx([0, 5 / 30])
    filed = replace(second, times_s=(torch.arange(12).double() + 5) / 30)  # the file's own clock
    assert starts([first, filed]) == pytest.approx([0, 5 / 30])
    assert starts([filed]) == pytest.approx([5 / 30])
    assert from_zero(people_in([filed]))[0].times[0] == 0
    with pytest.raises(SemttaError, match="--person"):
        from_zero(people_in([first, replace(second, frame_index=second.frame_index + 10**9)]))


def test_frames_with_times_of_their_own_tie_the_clocks(first, second):
    times = torch.arange(12).double() ** 1.5 / 30
    slow = replace(first, times_s=times)
    assert starts([slow, second])[1] == pytest.approx(times[5].item())


# --- the camera --------------------------------------------------------------------------------------------------------


def test_the_camera_is_where_both_saw_it(first, second):
    track = camera_track(people_in([second, first], "z"))
    assert len(track.times) == 17
    np.testing.assert_allclose(track.times, np.arange(17) / 30, atol=1e-5)
    expected = CENTER + 0.4 * torch.arange(17)[:, None] / 30 * torch.tensor([1.0, 0, 0])
    torch.testing.assert_close(track.centers.float(), expected, atol=1e-4, rtol=0)


def test_a_camera_that_stands_still_is_one_pose(make_result):
    still = in_a_world(make_result(), turn=0, walk=0)
    assert len(camera_track(people_in([still])).times) == 1
    assert len(camera_track(people_in([replace(still, world=None)])).times) == 1


def test_another_rate_is_one_of_the_world_too(first):
    fine = resampled(first, 60)
    assert len(fine.confidence) == len(fine.world.joints) == len(fine.world.camera.rotation) == 23
    torch.testing.assert_close(fine.world.joints[::2], first.world.joints, atol=1e-5, rtol=0)
    centers = -(fine.world.camera.rotation.mT @ fine.world.camera.translation[..., None])[..., 0]
    expected = CENTER + 0.4 * torch.arange(23)[:, None] / 60 * torch.tensor([1.0, 0, 0])
    torch.testing.assert_close(centers, expected, atol=1e-4, rtol=0)
    bones = (fine.world.joints[:, 1:] - fine.world.joints[:, list(SMPL_PARENTS[1:])]).norm(dim=-1)
    assert bones.std(0).max() < 1e-5


# --- files -------------------------------------------------------------------------------------------------------------


def test_one_scene_or_a_file_each(clip, tmp_path):
    assert export_all(clip, "bvh") == [clip / f"walk on the spot-person-{n}.bvh" for n in (1, 2)]
    assert export_all(clip.parent, "csv", tmp_path, person=2) == [tmp_path / "walk on the spot.csv"]
    assert export_all(clip / "person-2", "csv", tmp_path / "own.csv") == [tmp_path / "own.csv"]
    assert (tmp_path / "own.csv").read_bytes() == (tmp_path / "walk on the spot.csv").read_bytes()
    assert export(clip / "person-1", "csv", tmp_path).name == "walk on the spot.csv"
    assert export_all(clip, "glb") == [clip / "walk.glb"]


def test_people_json_says_who_is_of_the_run(clip, tmp_path):
    """A folder that an earlier run left behind is nobody of this one."""
    folder = tmp_path / "walk"
    shutil.copytree(clip, folder)
    (folder / "people.json").write_text('[{"person": 2}]')
    assert list(runs_of(folder)[1]) == [2]
    assert sorted(runs_of(clip)[1]) == [1, 2]


def test_glb_holds_everybody_and_the_camera(clip, first, second, open_body, tmp_path):
    document, array = read_glb(export_all(clip, "glb", tmp_path, body=open_body)[0])
    nodes, animation = document["nodes"], document["animations"][0]
    assert [skin["name"] for skin in document["skins"]] == [f"walk on the spot-person-{n}" for n in (1, 2)]
    tracks = {}
    for channel in animation["channels"]:
        sampler = animation["samplers"][channel["sampler"]]
        tracks[channel["target"]["node"], channel["target"]["path"]] = array(sampler["input"])[:, 0], array(sampler["output"])
    children = {child for node in nodes for child in node.get("children", [])}
    assert sorted(document["scenes"][0]["nodes"]) == sorted(set(range(len(nodes))) - children)
    for skin, result, start in zip(document["skins"], (first, second), (0, 5), strict=True):
        assert [nodes[j]["name"] for j in skin["joints"]] == list(SMPL24)
        times, places = tracks[skin["joints"][0], "translation"]
        np.testing.assert_allclose(times, (np.arange(12) + start) / 30, atol=1e-6)
        np.testing.assert_allclose(places, result.world.joints[:, 0] @ Z_TO_Y.float().mT, atol=1e-5)
    camera = next(index for index, node in enumerate(nodes) if "camera" in node)
    lens = document["cameras"][0]["perspective"]
    assert lens["yfov"] == pytest.approx(2 * math.atan(120 / 600))
    assert lens["aspectRatio"] == pytest.approx(4 / 3)
    times, centers = tracks[camera, "translation"]
    assert len(times) == 17
    np.testing.assert_allclose(centers[0], CENTER @ Z_TO_Y.float().mT, atol=1e-5)
    # glTF's camera looks along -z: a joint that is ahead of ours is at -z of it, as far right, and above where ours has less y
    x, y, z, w = tracks[camera, "rotation"][1][4]
    turned = np.array([[1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                       [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                       [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]])  # fmt: skip
    seen = ((first.world.joints[4] @ Z_TO_Y.float().mT).numpy() - centers[4]) @ turned
    np.testing.assert_allclose(seen, first.joints[4].numpy() * (1, -1, -1), atol=1e-4)


def test_a_glb_in_place_has_no_camera(first, open_body, tmp_path):
    document, _ = read_glb(export(first, "glb", tmp_path, body=open_body, in_place=True))
    assert "cameras" not in document
    assert len(document["nodes"]) == 25


def test_csv_has_confidence_and_the_world(clip, first, second, tmp_path):
    paths = export_all(clip, "csv", tmp_path, unit="cm")
    for path, result, start in zip(paths, (first, second), (0, 5), strict=True):
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [int(row["frame"]) for row in rows] == list(range(start, start + 12))
        assert float(rows[2]["time_s"]) == pytest.approx((start + 2) / 30, abs=1e-5)
        row = rows[2]
        assert [float(row[f"Head_world_{axis}"]) for axis in "xyz"] == pytest.approx((100 * result.world.joints[2, 15]).tolist())
        assert [float(row[f"Head_{axis}"]) for axis in "xyz"] == pytest.approx((100 * result.joints[2, 15]).tolist())
        assert float(row["R_Hand_confidence"]) == 1
        assert float(row["L_Foot_contact"]) == pytest.approx(result.world.contacts[2, 1].item())


def test_csv_without_either_has_neither(first, tmp_path):
    bare = replace(first, world=None, confidence=None)
    assert len(export(bare, "csv", tmp_path).read_text().splitlines()[0].split(",")) == 2 + 72


@pytest.mark.parametrize("to", ["bvh", "glb", "npz", "csv"])
def test_one_frame_and_ten_people(make_result, open_body, tmp_path, to):
    one = make_result(frames=1, labels=())
    for number in range(1, 11):
        save(in_a_world(one) if number % 2 else one, tmp_path / "crowd", name=f"person-{number}")  # half of them without a world
    options = {"body": open_body} if to == "glb" else {}
    paths = export_all(tmp_path / "crowd", to, fps=25, **options)
    assert len(paths) == (1 if to == "glb" else 10)
    assert all(path.stat().st_size for path in paths)
