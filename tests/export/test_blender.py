"""What real Blender (the package bpy, in a process of its own) makes of exported files, against the motion that was exported."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from worlds import in_a_world

from semtta.constants import SMPL24
from semtta.export import export, export_all
from semtta.results import save

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("bpy") is None, reason="bpy is not installed: pip install 'semtta[fbx]'"),
]

#: Metres that joints may be off.
TOLERANCE = 0.002
#: A rate that is no whole number, as cameras have it.
NTSC = 30000 / 1001
PARTS = ("params", "unadapted", "keypoints", "keypoints_before", "world", "confidence", "joints", "boxes", "frame_index")


@pytest.fixture(scope="module")
def people(make_result):
    """Two people, the second 1 m beside the first and from frame 5 on; their camera moves."""
    late = make_result(frames=17)
    move = torch.tensor([1.0, 0, 0.5])
    late = replace(late, joints=late.joints + move, params=replace(late.params, translation=late.params.translation + move))
    late = in_a_world(late)
    return in_a_world(make_result(frames=17)), replace(late, **{name: getattr(late, name)[5:] for name in PARTS}, labels=())


@pytest.fixture(scope="module")
def broken(make_result):
    """One person, at a rate that is no whole number."""
    return in_a_world(make_result(frames=17, fps=NTSC))


@pytest.fixture(scope="module")
def read(people, broken, tmp_path_factory) -> dict[str, dict[str, np.ndarray]]:
    """What Blender reads of each file, see blender_reader.py; and the picture's path."""
    folder: Path = tmp_path_factory.mktemp("blender")
    for number, result in enumerate(people, start=1):
        save(result, folder / "clip", name=f"person-{number}")
    paths = {}
    for to, unit in (("glb", ""), ("fbx", ""), ("bvh", "cm"), ("bvh", "m")):
        (folder / (to + unit)).mkdir()
        for path in export_all(folder / "clip", to, folder / (to + unit), **({"unit": unit} if unit else {})):
            paths[f"{to}{unit} {path.stem}"] = path
    paths |= {f"{to} broken": export(broken, to, folder / f"broken.{to}") for to in ("fbx", "bvh")}
    jobs = [[str(path), 1 if "bvhm" in name else 0.01, str(folder / f"{name}.npz")] for name, path in paths.items()]
    jobs.append([str(paths["glb clip"]), 1, str(folder / "picture.png")])
    program = Path(__file__).with_name("blender_reader.py")
    done = subprocess.run([sys.executable, program, json.dumps(jobs)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {**{name: dict(np.load(folder / f"{name}.npz")) for name in paths}, "picture": {"path": np.array(jobs[-1][2])}}


def distances(arrays: dict[str, np.ndarray], armature: str, result, start: int) -> np.ndarray:
    """Of each joint in each frame [T, 24], metres. Blender's world has z up, as the motion's."""
    order = [arrays["names"].tolist().index(name) for name in SMPL24]
    seen = arrays[armature][start : start + len(result.joints)][:, order]
    return np.linalg.norm(seen - result.world.joints.numpy(), axis=-1)


@pytest.mark.parametrize("to", ["glb", "fbx"])
def test_a_scene_of_two(read, people, to):
    arrays = read[f"{to} clip"]
    for number, (result, start) in enumerate(zip(people, (0, 5), strict=True), start=1):
        (armature,) = [name for name in arrays if f"person-{number}" in name]
        assert len(arrays[armature]) == 17
        assert distances(arrays, armature, result, start).max() < TOLERANCE


@pytest.mark.parametrize("unit", ["cm", "m"])
def test_bvh_of_each(read, people, unit):
    for number, result in enumerate(people, start=1):
        arrays = read[f"bvh{unit} walk on the spot-person-{number}"]
        (armature,) = set(arrays) - {"names", "rate"}
        assert distances(arrays, armature, result, 1).max() < TOLERANCE  # Blender counts BVH's frames from 1


@pytest.mark.parametrize(("to", "first"), [("fbx", 0), ("bvh", 1)])
def test_a_broken_rate(read, broken, to, first):
    arrays = read[f"{to} broken"]
    (armature,) = set(arrays) - {"names", "rate"}
    assert arrays["rate"][0] == pytest.approx(NTSC, rel=1e-5)
    assert len(arrays[armature]) == 17 + first
    assert distances(arrays, armature, broken, first).max() < TOLERANCE


def test_blender_s_picture_shows_people_where_the_video_has_them(read, people):
    from PIL import Image

    from semtta.geometry import project_to_image

    picture = np.asarray(Image.open(str(read["picture"]["path"])).convert("RGB")).astype(float)
    for result, frame, bluish in zip(people, (8, 3), (True, False), strict=True):  # the first is blue, the second orange
        x, y = project_to_image(result.joints[frame, 6], result.camera.focal_px, result.camera.center_px).round().int().tolist()
        red, _, blue = picture[y - 2 : y + 3, x - 2 : x + 3].mean((0, 1))
        assert (blue > red + 5) if bluish else (red > blue + 5)
