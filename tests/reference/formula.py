"""Made-up weights and inputs that anyone can make again: every value follows from a name and a shape.

``numpy.random.RandomState`` is used because its streams never change between versions.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

HERE = Path(__file__).parent


def normal(name: str, *shape: int) -> np.ndarray:
    """Standard normal numbers (float64) seeded by the CRC-32 of ``name``."""
    return np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)


def tensor(name: str, *shape: int) -> Tensor:
    """``normal`` as float32."""
    return torch.from_numpy(normal(name, *shape)).float()


def rotations(name: str, *shape: int, scale: float = 0.6) -> Tensor:
    """Rotation matrices [*shape, 3, 3] of ``scale`` times normal rotation vectors (Rodrigues' formula, float64 -> float32)."""
    vector = scale * torch.from_numpy(normal(name, *shape, 3))
    angle = vector.norm(dim=-1, keepdim=True)[..., None]
    x, y, z = (vector / angle[..., 0]).unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), -1).unflatten(-1, (3, 3))
    return (torch.eye(3) + angle.sin() * cross + (1 - angle.cos()) * cross @ cross).float()


def weights(shapes: Mapping[str, tuple[int, ...]], gain: float = 1.0) -> dict[str, Tensor]:
    """A tensor for each name: matrices and kernels normal / sqrt(fan in) * gain, scales 1 + 0.1 n, offsets 0.1 n."""
    made = {}
    for name, shape in shapes.items():
        values = normal(name, *shape)
        last = name.rsplit(".", 1)[-1]
        if last == "num_batches_tracked":
            made[name] = torch.tensor(1)
            continue
        if last == "running_var":
            values = 1 + 0.1 * np.abs(values)
        elif len(shape) >= 2 and max(shape[1:]) > 1:
            values = gain * values / np.sqrt(np.prod(shape[1:]))
        elif last in ("weight", "alpha"):
            values = 1 + 0.1 * values
        else:
            values = 0.1 * values
        made[name] = torch.from_numpy(np.asarray(values)).float()
    return made


def fill(module: nn.Module, prefix: str = "", gain: float = 1.0) -> dict[str, Tensor]:
    """Load ``weights`` of a module's own names and shapes into it; returns them."""
    made = weights({prefix + name: tuple(value.shape) for name, value in module.state_dict().items()}, gain)
    made = {name.removeprefix(prefix): value for name, value in made.items()}
    module.load_state_dict(made)
    return made


def stored(name: str) -> dict[str, np.ndarray]:
    """The arrays of ``NAME.npz`` beside this file."""
    with np.load(HERE / f"{name}.npz", allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def hmr_weights(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """``weights`` of an HMR, tamed: small steps of the regressor from a person in the middle of the crop."""
    made = weights(shapes)
    for name in ("decpose", "decshape", "deccam"):
        made[f"{name}.weight"] = 0.1 * made[f"{name}.weight"]
    made["init_pose"] = made["init_pose"] + torch.eye(3)[:, :2].reshape(1, 6).repeat(1, 24)
    made["init_cam"] = torch.tensor([[0.9, 0.05, -0.1]])
    return made


def smpl_arrays() -> dict[str, np.ndarray]:
    """A model in SMPL's format and size with nothing of SMPL in it."""
    count = 6890
    random = np.random.RandomState(6890)
    skinning, regressor = np.zeros((count, 24)), np.zeros((24, count))
    for column in random.randint(0, 24, (3, count)):
        skinning[np.arange(count), column] += random.uniform(0.1, 1, count)
    for row in regressor:
        row[random.permutation(count)[:12]] = random.uniform(0.1, 1, 12)
    parents = [4294967295, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21]
    return {
        "v_template": 0.4 * random.standard_normal((count, 3)),
        "shapedirs": 0.02 * random.standard_normal((count, 3, 10)),
        "posedirs": 0.005 * random.standard_normal((count, 3, 207)),
        "weights": skinning / skinning.sum(1, keepdims=True),
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "f": random.randint(0, count, (100, 3)).astype(np.uint32),
        "kintree_table": np.array([parents, range(24)]).astype(np.uint32),
    }


def h36m_regressor() -> np.ndarray:
    """Weights [17, 6890] that sum to 1, on 20 vertices each."""
    random = np.random.RandomState(17)
    rows = np.zeros((17, 6890))
    for row in rows:
        row[random.permutation(6890)[:20]] = random.uniform(0.1, 1, 20)
    return rows / rows.sum(1, keepdims=True)


def crops(name: str, count: int, side: int) -> Tensor:
    """Made-up crops, uint8 [count, 3, side, side]."""
    random = np.random.RandomState(zlib.crc32(name.encode()))
    return torch.from_numpy(random.randint(0, 256, (count, 3, side, side)).astype(np.uint8))


def normalised(images: Tensor) -> Tensor:
    """uint8 crops with ImageNet's mean and deviation taken out."""
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (images / 255 - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)


def keypoints(frames: int) -> tuple[Tensor, Tensor]:
    """Made-up keypoints [T, 29, 2] in crop pixels, and which of them are seen [T, 29]."""
    points = 112 + 30 * tensor("joints", 1, 29, 2) + 3 * tensor("moves", frames, 29, 2)
    return points, tensor("visible", frames, 29) > -0.5


def hmr2_weights(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """``weights`` of an HMR2.0, from a person in the middle of the crop."""
    made = weights(shapes)
    for name in ("decpose", "decshape", "deccam"):
        made[f"smpl_head.{name}.weight"] = 0.1 * made[f"smpl_head.{name}.weight"]
    made["smpl_head.init_body_pose"] = made["smpl_head.init_body_pose"] + torch.eye(3)[:, :2].T.reshape(1, 6).repeat(1, 24)
    made["smpl_head.init_cam"] = torch.tensor([[0.9, 0.05, -0.1]])
    return made


def walk(turned: bool) -> Tensor:
    """A made-up motion of 22 joints [1, 41, 22, 3] with y up: swinging limbs, moving forwards, or turning about as well."""
    rest = np.array([
        [0, 0.9, 0], [0.1, 0.8, 0], [-0.1, 0.8, 0], [0, 1, 0], [0.1, 0.45, 0], [-0.1, 0.45, 0], [0, 1.1, 0], [0.1, 0.05, 0],
        [-0.1, 0.05, 0], [0, 1.2, 0], [0.1, 0, 0.15], [-0.1, 0, 0.15], [0, 1.4, 0], [0.08, 1.35, 0], [-0.08, 1.35, 0],
        [0, 1.5, 0.05], [0.2, 1.35, 0], [-0.2, 1.35, 0], [0.3, 1.1, 0], [-0.3, 1.1, 0], [0.35, 0.85, 0.1], [-0.35, 0.85, 0.1],
    ])  # fmt: skip
    time = np.arange(41)[:, None, None] / 20
    swing = 0.08 * np.sin(2 * np.pi * time + 3 * normal("phase", 1, 22, 1)) * normal("swing", 1, 22, 3)
    joints = rest + swing + np.array([0.1, 0.02, 0.9]) * time
    angle = (2.8 * time[..., 0] if turned else 0.2 * np.sin(time[..., 0])) + 0.7
    cosine, sine = np.cos(angle), np.sin(angle)
    x, z = cosine * joints[..., 0] + sine * joints[..., 2], cosine * joints[..., 2] - sine * joints[..., 0]
    return torch.from_numpy(np.stack((x, joints[..., 1], z), -1)).float()[None]
