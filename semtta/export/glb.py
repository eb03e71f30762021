"""GLB (binary glTF 2.0): everybody as a skinned mesh with a skeleton animation, and the camera."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import roma
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..constants import SMPL24, SMPL_PARENTS
from ..geometry.world import Origin, Up
from ..rendering.skin import skinning
from ..types import Result
from .base import register, require_size
from .scene import CameraTrack, Person, bodies_of, camera_track, from_zero, people_in

COMPONENTS = {np.dtype(np.float32): 5126, np.dtype(np.uint32): 5125, np.dtype(np.uint8): 5121}
SHAPES = {(): "SCALAR", (3,): "VEC3", (4,): "VEC4", (16,): "MAT4"}
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
MATERIAL = {"metallicFactor": 0, "roughnessFactor": 0.8}
COLORS = ((0.6, 0.68, 0.8), (0.85, 0.6, 0.45), (0.6, 0.75, 0.55), (0.75, 0.62, 0.8), (0.82, 0.76, 0.5))
#: From a camera that looks along z with y down to glTF's, which looks along -z with y up.
FLIP = torch.diag(torch.tensor([1.0, -1, -1], dtype=torch.float64))
JOINTS = len(SMPL24)


@register("glb")
def write_glb(
    result: Result,
    path: Path,
    people: Sequence[Result] = (),
    body: Any = None,
    up: Up = "y",
    origin: Origin = "person",
    in_place: bool = False,
    fps: float | None = None,
) -> None:
    """Each person as a skinned mesh of the clip's mean shape with 24 joints, and the camera; metres, y up (glTF's own axes).

    One animation moves everybody, each from their own time on: 0 is where the first of them comes. Each frame has its time by the
    video; with ``fps`` the motion is resampled to that rate. Each vertex is bound to its four strongest joints; SMPL's pose blend
    shapes are left out. With ``in_place`` there is no camera, for it saw people who walk.

    ``people``: everybody in the clip; none: only ``result``. ``body``: the loaded body model, by default each run's.
    """
    scene = from_zero(people_in(people or [result], up, origin, in_place, fps))
    write_scene(scene, path, body, camera=not in_place)


def write_scene(scene: Sequence[Person], path: Path, body: Any = None, camera: bool = True) -> None:
    """People as ``write_glb`` writes them, with the camera or without."""
    require_size(sum(len(person.times) for person in scene) * (4 + 12 + 16 * JOINTS))
    data, document = _Buffers(), _document("everybody" if len(scene) > 1 else scene[0].result.name)
    for person, its_body in zip(scene, bodies_of(scene, body), strict=True):
        _add_person(document, data, person, its_body, apart=len(scene) > 1)
    if camera:
        _add_camera(document, data, scene[0].result, camera_track(scene))
    _write(path, document | data.document(), data.binary())


def _document(name: str) -> dict[str, Any]:
    return {
        "asset": {"version": "2.0", "generator": "semtta"},
        "scene": 0,
        "scenes": [{"nodes": []}],
        "nodes": [],
        "meshes": [],
        "skins": [],
        "materials": [],
        "animations": [{"name": name, "samplers": [], "channels": []}],
    }


def _add_person(document: dict[str, Any], data: _Buffers, person: Person, body: Any, apart: bool) -> None:
    """Nodes of the 24 joints and of the mesh, the skin, and the channels that move the joints.

    ``apart``: below a node of their own, for Blender makes one armature of all skins that have the same parent.
    """
    skin, name = skinning(body, person.result.params.betas), person.result.name
    offsets = skin.joints.copy()
    offsets[1:] -= skin.joints[list(SMPL_PARENTS[1:])]
    inverse_bind = np.tile(np.eye(4, dtype=np.float32), (JOINTS, 1, 1))
    inverse_bind[:, 3, :3] = -skin.joints  # column-major: the translation is the last row here
    attributes = {
        "POSITION": data.add(skin.vertices, ARRAY_BUFFER, bounds=True),
        "NORMAL": data.add(skin.normals, ARRAY_BUFFER),
        "JOINTS_0": data.add(skin.influences, ARRAY_BUFFER),
        "WEIGHTS_0": data.add(skin.weights, ARRAY_BUFFER),
    }
    indices = data.add(skin.faces.reshape(-1), ELEMENT_ARRAY_BUFFER)
    count, first = len(document["skins"]), len(document["nodes"])
    primitive = {"attributes": attributes, "indices": indices, "material": count}
    color = [*COLORS[count % len(COLORS)], 1]
    document["materials"].append({"name": name, "pbrMetallicRoughness": {"baseColorFactor": color, **MATERIAL}})
    document["meshes"].append({"name": f"{name} ({person.result.body})", "primitives": [primitive]})
    bind = data.add(inverse_bind.reshape(JOINTS, 16))
    joints = list(range(first, first + JOINTS))
    document["skins"].append({"name": name, "joints": joints, "skeleton": first, "inverseBindMatrices": bind})
    document["nodes"] += [_joint_node(joint, offsets[joint], first) for joint in range(JOINTS)]
    document["nodes"].append({"name": name, "mesh": count, "skin": count})
    tops = [first, first + JOINTS]
    if apart:
        document["nodes"].append({"name": f"{name} (person)", "children": tops})
        tops = [len(document["nodes"]) - 1]
    document["scenes"][0]["nodes"] += tops
    rotations = dict(zip(joints, continuous_quaternions(person.motion.rotations), strict=True))
    _animate(document, data, person.times.numpy(), {first: person.motion.joints[:, 0].numpy()}, rotations)


def _add_camera(document: dict[str, Any], data: _Buffers, result: Result, track: CameraTrack) -> None:
    """The camera's node: still, or with channels that move it. glTF has no principal point: it is noted as ``extras``."""
    width, height = result.size
    optics = {"yfov": 2 * math.atan(height / 2 / result.camera.focal_px), "aspectRatio": width / height}
    note = {"focal_px": result.camera.focal_px, "center_px": list(result.camera.center_px), "image_size": [width, height]}
    lens = {"type": "perspective", "name": "camera", "perspective": {**optics, "znear": 0.05, "zfar": 1000.0}, "extras": note}
    turns = continuous_quaternions((track.rotations @ FLIP)[:, None])[0]
    node = len(document["nodes"])
    still = {"translation": track.centers[0].tolist(), "rotation": turns[0].tolist()}
    document["cameras"] = [lens]
    document["nodes"].append({"name": "camera", "camera": 0, **still})
    document["scenes"][0]["nodes"].append(node)
    if len(track.times) > 1:
        _animate(document, data, track.times, {node: track.centers.numpy()}, {node: turns})


def _animate(
    document: dict[str, Any], data: _Buffers, times: NDArray, places: dict[int, NDArray], turns: dict[int, NDArray]
) -> None:
    """Channels: where nodes are [T, 3] and how they are turned [T, 4] at ``times`` [T]."""
    animation, time = document["animations"][0], data.add(times.astype(np.float32), bounds=True)
    for path, tracks in (("translation", places), ("rotation", turns)):
        for node, values in tracks.items():
            sampler = {"input": time, "output": data.add(values.astype(np.float32)), "interpolation": "LINEAR"}
            animation["channels"].append({"sampler": len(animation["samplers"]), "target": {"node": node, "path": path}})
            animation["samplers"].append(sampler)


def _joint_node(joint: int, offset: NDArray, first: int) -> dict[str, Any]:
    children = [first + child for child, parent in enumerate(SMPL_PARENTS) if parent == joint]
    return {"name": SMPL24[joint], "translation": offset.tolist(), **({"children": children} if children else {})}


def continuous_quaternions(rotations: Tensor) -> list[NDArray[np.float32]]:
    """Rotations [T, J, 3, 3] -> J arrays [T, 4] (x, y, z, w), each quaternion in the hemisphere of the previous one."""
    quaternions = roma.rotmat_to_unitquat(rotations)
    flips = torch.cat((torch.ones_like(quaternions[:1, :, 0]), (quaternions[1:] * quaternions[:-1]).sum(-1).sign()))
    signs = torch.where(flips == 0, 1, flips).cumprod(0)
    return list((quaternions * signs[..., None]).transpose(0, 1).contiguous().numpy().astype(np.float32))


class _Buffers:
    """Collects arrays as accessors, one buffer view each, in one binary chunk."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._views: list[dict[str, Any]] = []
        self._accessors: list[dict[str, Any]] = []

    def add(self, array: NDArray, target: int | None = None, bounds: bool = False) -> int:
        """Add an array [count, ...]; returns the accessor's index. ``bounds``: with the min and max that glTF requires."""
        array = np.ascontiguousarray(array)
        data = array.tobytes()
        view = {"buffer": 0, "byteOffset": sum(map(len, self._chunks)), "byteLength": len(data)}
        self._views.append({**view, "target": target} if target else view)
        self._chunks.append(data + b"\0" * (-len(data) % 4))
        accessor = {
            "bufferView": len(self._views) - 1,
            "componentType": COMPONENTS[array.dtype],
            "count": len(array),
            "type": SHAPES[array.shape[1:]],
        }
        if bounds:
            accessor |= {"min": np.atleast_1d(array.min(0)).tolist(), "max": np.atleast_1d(array.max(0)).tolist()}
        self._accessors.append(accessor)
        return len(self._accessors) - 1

    def binary(self) -> bytes:
        return b"".join(self._chunks)

    def document(self) -> dict[str, Any]:
        size = sum(map(len, self._chunks))
        return {"buffers": [{"byteLength": size}], "bufferViews": self._views, "accessors": self._accessors}


def _write(path: Path, document: dict[str, Any], binary: bytes) -> None:
    """GLB container: header, JSON chunk (padded with spaces), binary chunk."""
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    with open(path, "wb") as file:
        file.write(struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + len(binary)))
        file.write(struct.pack("<I4s", len(text), b"JSON") + text)
        file.write(struct.pack("<I4s", len(binary), b"BIN\0") + binary)
