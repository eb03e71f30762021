"""Shards of synthetic training images in memory-mapped files, and their augmentation as tensor operations.

A shard is ``00012.images.npy`` uint8 [N, 3, S, S] with ``00012.npz`` (see semtta.synthesis.images).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample

from ..constants import mirrored
from ..errors import SemttaError
from ..geometry import CROP_PX, axis_angle_to_matrix
from ..types import TensorFields

MIRROR24 = mirrored("smpl24")
MIRROR29 = mirrored("smpl29")


@dataclass(frozen=True)
class ImageBatch(TensorFields):
    """Labelled crops; 2D in pixels of the nominal 224 crop, 3D in metres relative to the pelvis, camera frame."""

    images: Tensor  # [N, 3, S, S] uint8, then float in [0, 255]
    rotations: Tensor  # [N, 24, 3, 3]
    betas: Tensor  # [N, 10]
    joints3d: Tensor  # [N, 29, 3]
    joints2d: Tensor  # [N, 29, 2]
    visible: Tensor  # [N, 29] bool
    camera: Tensor  # [N, 3]


class ImageShards:
    """All shards of some folders as one indexable set."""

    def __init__(self, *folders: str | Path) -> None:
        paths = [path for folder in folders for path in sorted(Path(folder).glob("*.npz"))]
        if not paths:
            raise SemttaError(f"No training images in {folders[0]}: render them with 'semtta synth images --out {folders[0]}'.")
        self.images, labels = [], []
        for path in paths:
            self.images.append(np.load(path.with_suffix(".images.npy"), mmap_mode="r"))
            with np.load(path) as data:
                labels.append({k: data[k] for k in ("rotations", "betas", "joints3d", "joints2d", "visible", "camera")})
        self.labels = {k: np.concatenate([x[k] for x in labels]) for k in labels[0]}
        self.offsets = np.cumsum([0] + [len(x) for x in self.images])

    def __len__(self) -> int:
        return int(self.offsets[-1])

    def batch(self, index: np.ndarray, images: bool = True) -> ImageBatch:
        """The labels at ``index`` [N], with the images unless ``images`` is False."""
        shard = np.searchsorted(self.offsets, index, side="right") - 1 if images else np.empty(0, int)
        crops = [self.images[s][i - self.offsets[s]] for s, i in zip(shard, index[: len(shard)], strict=True)]
        pixels = np.stack(crops) if images else np.empty((len(index), 0), np.uint8)
        fields = {k: torch.from_numpy(v[index]) for k, v in self.labels.items()}
        fields = {k: v if v.dtype == torch.bool else v.float() for k, v in fields.items()}
        rotations = axis_angle_to_matrix(fields.pop("rotations"))
        return ImageBatch(images=torch.from_numpy(pixels), rotations=rotations, **fields)


def mirror(batch: ImageBatch, which: Tensor) -> ImageBatch:
    """Mirror the images where ``which`` [N] is True, labels included."""
    flip = torch.diag(batch.camera.new_tensor([-1.0, 1.0, 1.0]))
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
    """Rotate by ``angle`` [N] (radians, about the optical axis), ``scale`` [N] and shift [N, 2] (crop px) images and labels."""
    cos, sin = angle.cos(), angle.sin()
    rotation = torch.stack((torch.stack((cos, -sin), -1), torch.stack((sin, cos), -1)), -2)
    half = CROP_PX / 2
    # an output point p comes from R^-1 (p - shift) / scale, in coordinates of [-1, 1] about the centre
    inverse = rotation.mT / scale[:, None, None]
    theta = torch.cat((inverse, -(inverse @ (shift_px / half)[..., None])), -1)
    grid = affine_grid(theta, [len(angle), 3, size, size], align_corners=False)
    images = batch.images.float()
    if images.shape[-1] >= 1.5 * size:
        images = torch.nn.functional.interpolate(images, size=(size, size), mode="area")
    images = grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    rotation3d = rotation.new_zeros(len(angle), 3, 3)
    rotation3d[:, :2, :2], rotation3d[:, 2, 2] = rotation, 1
    rotations = batch.rotations.clone()
    rotations[:, 0] = rotation3d @ rotations[:, 0]
    camera_scale = batch.camera[:, 0] * scale
    offset = (rotation @ batch.camera[:, 1:, None])[..., 0] + shift_px / (half * camera_scale[:, None])
    joints2d = (batch.joints2d - half) @ rotation.mT * scale[:, None, None] + half + shift_px[:, None]
    return replace(
        batch, images=images, rotations=rotations, joints3d=batch.joints3d @ rotation3d.mT, joints2d=joints2d,
        camera=torch.cat((camera_scale[:, None], offset), 1),
    )  # fmt: skip


def perturb(images: Tensor, generator: torch.Generator) -> Tensor:
    """Random colour, blur, noise and cut-out on float images [N, 3, S, S] in [0, 255]."""
    n, _, size, _ = images.shape

    def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return (torch.rand(*shape, generator=generator) * (high - low) + low).to(images.device)

    blurred = avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    images = torch.where(uniform(n, 1, 1, 1) < 0.4, blurred, images)
    # one affine colour map per image: saturation, contrast, gain and offset of the channels
    saturation = torch.where(uniform(n, 1, 1) < 0.5, uniform(n, 1, 1), 1.0)
    gain = uniform(n, 3, 1, low=0.8, high=1.2) * uniform(n, 1, 1, low=0.65, high=1.25)
    matrix = gain * (torch.eye(3, device=images.device) * saturation + (1 - saturation) / 3)
    mean = images.mean((-2, -1))[..., None]
    offset = mean - matrix @ mean + uniform(n, 3, 1, low=-20, high=20)
    images = torch.baddbmm(offset, matrix, images.flatten(2)).view_as(images)
    # noise is cropped at random from one field: drawing it anew for each image would cost as much as the network
    field = torch.randn(3, size + 64, size + 64, generator=generator).to(images.device)
    steps = torch.arange(size, device=images.device)
    rows, columns = torch.randint(64, (2, n, 1), generator=generator).to(images.device) + steps
    noise = field[:, rows[:, :, None], columns[:, None, :]].transpose(0, 1)
    images = (images + noise * uniform(n, 1, 1, 1, high=12)).clamp(0, 255)
    center, half = uniform(2, n, 1, high=size), uniform(2, n, 1, low=0.04, high=0.22) * size
    across, down = (steps + 0.5 - center).abs() < half  # [n, size] each
    cut = across[:, None, None] & down[:, None, :, None] & (uniform(n, 1, 1, 1) < 0.35)
    images = torch.where(cut, uniform(n, 3, 1, 1, high=255), images)
    return images


def augment(batch: ImageBatch, size: int, generator: torch.Generator) -> ImageBatch:
    """Random mirroring, rotation (about 12 degrees), scale, shift and perturbation; images become float [N, 3, size, size]."""
    n, device = len(batch.images), batch.images.device
    batch = mirror(batch, (torch.rand(n, generator=generator) < 0.5).to(device))
    angle = 0.2 * torch.randn(n, generator=generator) * (torch.rand(n, generator=generator) < 0.6)
    scale = torch.exp(0.1 * torch.randn(n, generator=generator)).clamp(0.75, 1.3)
    shift = 8 * torch.randn(n, 2, generator=generator)
    batch = rotate_and_scale(batch, size, angle.to(device), scale.to(device), shift.to(device))
    return replace(batch, images=perturb(batch.images, generator))
