"""Shards of synthetic training images in memory-mapped files, and their augmentation as tensor operations.

A shard is ``NAME.images.npy`` uint8 [N, 3, S, S] with ``NAME.labels.npz`` (see semtta.synthesis.images).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample

from ..errors import SemttaError
from ..geometry import CROP_PX, axis_angle_to_matrix
from ..skeletons import mirrored
from ..structures import _TensorFields

MIRROR24 = mirrored("smpl24")
MIRROR29 = mirrored("smpl29")


@dataclass(frozen=True)
class ImageBatch(_TensorFields):
    """Labelled crops; 2D in pixels of the nominal 224 crop, 3D in metres relative to the pelvis, camera frame."""

    images: Tensor  # [N, 3, S, S] uint8, then float in [0, 255]
    rotations: Tensor  # [N, 24, 3, 3]
    betas: Tensor  # [N, 10]
    joints3d: Tensor  # [N, 29, 3]
    joints2d: Tensor  # [N, 29, 2]
    visible: Tensor  # [N, 29] bool
    camera: Tensor  # [N, 3]


class ImageShards:
    """All shards of a folder as one indexable set."""

    def __init__(self, folder: str | Path) -> None:
        paths = sorted(Path(folder).glob("*.labels.npz"))
        if not paths:
            raise SemttaError(f"No training images in {folder}: make them with 'semtta synth images --out {folder}'.")
        self.images, labels = [], []
        for path in paths:
            self.images.append(np.load(path.with_name(path.name.replace(".labels.npz", ".images.npy")), mmap_mode="r"))
            with np.load(path) as data:
                labels.append({k: data[k] for k in ("rotations", "betas", "joints3d", "joints2d", "visible", "camera")})
        self.labels = {k: np.concatenate([x[k] for x in labels]) for k in labels[0]}
        self.offsets = np.cumsum([0] + [len(x) for x in self.images])

    def __len__(self) -> int:
        return int(self.offsets[-1])

    def batch(self, index: np.ndarray) -> ImageBatch:
        """The images and labels at ``index`` [N]."""
        shard = np.searchsorted(self.offsets, index, side="right") - 1
        images = np.stack([self.images[s][i - self.offsets[s]] for s, i in zip(shard, index, strict=True)])
        fields = {k: torch.from_numpy(v[index]) for k, v in self.labels.items()}
        fields = {k: v if v.dtype == torch.bool else v.float() for k, v in fields.items()}
        rotations = axis_angle_to_matrix(fields.pop("rotations"))
        return ImageBatch(images=torch.from_numpy(images), rotations=rotations, **fields)


def mirror(batch: ImageBatch, which: Tensor) -> ImageBatch:
    """Mirror left and right of the images where ``which`` [N] is true, labels included."""
    flip = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))
    joints2d = batch.joints2d[:, MIRROR29].clone()
    joints2d[..., 0] = CROP_PX - joints2d[..., 0]

    def choose(mirrored_values: Tensor, values: Tensor) -> Tensor:
        return torch.where(which.view(-1, *[1] * (values.dim() - 1)), mirrored_values, values)

    return replace(
        batch,
        images=choose(batch.images.flip(-1), batch.images),
        rotations=choose(flip @ batch.rotations[:, MIRROR24] @ flip, batch.rotations),
        joints3d=choose(batch.joints3d[:, MIRROR29] @ flip, batch.joints3d),
        joints2d=choose(joints2d, batch.joints2d),
        visible=choose(batch.visible[:, MIRROR29], batch.visible),
        camera=choose(batch.camera * batch.camera.new_tensor([1.0, -1.0, 1.0]), batch.camera),
    )


def rotate_and_scale(batch: ImageBatch, size: int, angle: Tensor, scale: Tensor, shift_px: Tensor) -> ImageBatch:
    """Turn by ``angle`` [N] (radians, about the optical axis), scale [N] and shift [N, 2] (224-crop pixels) images and labels."""
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack((torch.stack((cos, -sin), -1), torch.stack((sin, cos), -1)), -2)
    half = CROP_PX / 2
    # an output point p comes from R^-1 (p - shift) / scale, in coordinates of [-1, 1] about the centre
    inverse = turn.mT / scale[:, None, None]
    theta = torch.cat((inverse, -(inverse @ (shift_px / half)[..., None])), -1)
    grid = affine_grid(theta, [len(angle), 3, size, size], align_corners=False)
    images = batch.images.float()
    if images.shape[-1] >= 1.5 * size:
        images = torch.nn.functional.interpolate(images, size=(size, size), mode="area")
    images = grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    space = torch.zeros(len(angle), 3, 3)
    space[:, :2, :2], space[:, 2, 2] = turn, 1
    rotations = batch.rotations.clone()
    rotations[:, 0] = space @ rotations[:, 0]
    camera_scale = batch.camera[:, 0] * scale
    offset = (turn @ batch.camera[:, 1:, None])[..., 0] + shift_px / (half * camera_scale[:, None])
    joints2d = (batch.joints2d - half) @ turn.mT * scale[:, None, None] + half + shift_px[:, None]
    return replace(
        batch, images=images, rotations=rotations, joints3d=batch.joints3d @ space.mT, joints2d=joints2d,
        camera=torch.cat((camera_scale[:, None], offset), 1),
    )  # fmt: skip


def disturb(images: Tensor, generator: torch.Generator) -> Tensor:
    """Colour, blur, noise and cut-out on float images [N, 3, S, S] in [0, 255]."""
    n, _, size, _ = images.shape

    def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return torch.rand(*shape, generator=generator) * (high - low) + low

    blurred = avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    images = torch.lerp(images, blurred, (uniform(n, 1, 1, 1) * (uniform(n, 1, 1, 1) < 0.5)))
    gray = images.mean(1, keepdim=True)
    images = torch.lerp(images, gray, uniform(n, 1, 1, 1) * (uniform(n, 1, 1, 1) < 0.5))
    mean = images.mean((1, 2, 3), keepdim=True)
    images = (images - mean) * uniform(n, 1, 1, 1, low=0.6, high=1.3) + mean
    images = images * uniform(n, 3, 1, 1, low=0.75, high=1.25) + uniform(n, 3, 1, 1, low=-20, high=20)
    noise = torch.randn(images.shape, generator=generator) * uniform(n, 1, 1, 1, high=12)
    images = (images + noise).clamp(0, 255)
    axis = torch.arange(size) + 0.5
    center, half = uniform(n, 2, high=size), uniform(n, 2, low=0.04, high=0.22) * size
    inside = ((axis - center[:, :1]).abs() < half[:, :1])[:, None, None, :] & (
        (axis - center[:, 1:]).abs() < half[:, 1:]
    )[:, None, :, None]
    cut = inside & (uniform(n) < 0.35).view(n, 1, 1, 1)
    return torch.where(cut, uniform(n, 3, 1, 1, high=255), images)


def augment(batch: ImageBatch, size: int, generator: torch.Generator) -> ImageBatch:
    """Random mirror, turn (about 12 degrees), scale, shift and disturbance; images become float [N, 3, size, size]."""
    n = len(batch.images)
    batch = mirror(batch, torch.rand(n, generator=generator) < 0.5)
    angle = 0.2 * torch.randn(n, generator=generator) * (torch.rand(n, generator=generator) < 0.6)
    scale = torch.exp(0.1 * torch.randn(n, generator=generator)).clamp(0.75, 1.3)
    shift = 8 * torch.randn(n, 2, generator=generator)
    batch = rotate_and_scale(batch, size, angle, scale, shift)
    return replace(batch, images=disturb(batch.images, generator))
