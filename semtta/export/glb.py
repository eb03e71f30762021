"""GLB (binary glTF 2.0): the skinned mesh with the motion as a skeleton animation."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import roma
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..body import body_of
from ..constants import SMPL24, SMPL_PARENTS
from ..geometry.timing import resampled
from ..geometry.world import Origin, Up, to_world
from ..rendering.skin import skinning
from ..types import Result
from .base import register

COMPONENTS = {np.dtype(np.float32): 5126, np.dtype(np.uint32): 5125, np.dtype(np.uint8): 5121}
SHAPES = {(): "SCALAR", (3,): "VEC3", (4,): "VEC4", (16,): "MAT4"}
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
MATERIAL = {"baseColorFactor": [0.6, 0.68, 0.8, 1], "metallicFactor": 0, "roughnessFactor": 0.8}


@register("glb")
def write_glb(
    result: Result, path: Path, body: Any = None, up: Up = "y", origin: Origin = "person", fps: float | None = None
) -> None:
    """Mesh of the clip's mean shape, 24 joints, one animation; metres, y up (glTF's own axes).

    Each frame has its time by the video; with ``fps`` the motion is resampled to that rate.
    Each vertex is bound to its four strongest joints; SMPL's pose blend shapes are left out. ``body``: the loaded body model,
    by default the run's.
    """
    body = body_of(result, body)
    result = result if fps is None else resampled(result, fps)
    motion = to_world(result, up, origin)
    skin = skinning(body, result.params.betas)
    offsets = skin.joints.copy()
    offsets[1:] -= skin.joints[list(SMPL_PARENTS[1:])]
    times = result.times.numpy().astype(np.float32)
    inverse_bind = np.tile(np.eye(4, dtype=np.float32), (24, 1, 1))
    inverse_bind[:, 3, :3] = -skin.joints  # column-major: the translation is the last row here

    data = _Buffers()
    attributes = {
        "POSITION": data.add(skin.vertices, ARRAY_BUFFER, bounds=True),
        "NORMAL": data.add(skin.normals, ARRAY_BUFFER),
        "JOINTS_0": data.add(skin.influences, ARRAY_BUFFER),
        "WEIGHTS_0": data.add(skin.weights, ARRAY_BUFFER),
    }
    indices = data.add(skin.faces.reshape(-1), ELEMENT_ARRAY_BUFFER)
    primitive = {"attributes": attributes, "indices": indices, "material": 0}
    bind = data.add(inverse_bind.reshape(24, 16))
    time = data.add(times, bounds=True)
    tracks = [(0, "translation", data.add(motion.joints[:, 0].numpy().astype(np.float32)))]
    tracks += [(j, "rotation", data.add(q)) for j, q in enumerate(continuous_quaternions(motion.rotations))]

    nodes = [_joint_node(joint, offsets[joint]) for joint in range(24)]
    mesh = {"name": result.name, "mesh": 0, "skin": 0}
    document = {
        "asset": {"version": "2.0", "generator": "semtta"},
        "scene": 0,
        "scenes": [{"nodes": [0, len(nodes)]}],
        "nodes": [*nodes, mesh],
        "meshes": [{"name": result.body, "primitives": [primitive]}],
        "skins": [{"joints": list(range(24)), "skeleton": 0, "inverseBindMatrices": bind}],
        "materials": [{"pbrMetallicRoughness": MATERIAL}],
        "animations": [
            {
                "name": result.name,
                "samplers": [{"input": time, "output": output, "interpolation": "LINEAR"} for _, _, output in tracks],
                "channels": [{"sampler": i, "target": {"node": n, "path": p}} for i, (n, p, _) in enumerate(tracks)],
            }
        ],
        **data.document(),
    }
    _write(path, document, data.binary())


def _joint_node(joint: int, offset: NDArray) -> dict[str, Any]:
    children = [child for child, parent in enumerate(SMPL_PARENTS) if parent == joint]
    return {"name": SMPL24[joint], "translation": offset.tolist(), **({"children": children} if children else {})}


def continuous_quaternions(rotations: Tensor) -> list[NDArray[np.float32]]:
    """Rotations [T, 24, 3, 3] -> 24 arrays [T, 4] (x, y, z, w), each quaternion in the hemisphere of the previous one."""
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
