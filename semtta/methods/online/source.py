"""Labelled source images beside the test video: BOA trains on random ones, DynaBOA on those like the frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...errors import SemttaError
from ...geometry import axis_angle_to_matrix
from ...types import FrameBatch, TensorFields
from . import terms
from .loop import Decoded, to_unit_square

#: Images that are read at most: DynaBOA, too, keeps a sample of its source data.
LIMIT = 4096


@dataclass(frozen=True)
class SourceImages(TensorFields):
    """N labelled crops."""

    crops: Tensor  # uint8 [N, 3, S, S]
    rotations: Tensor  # [N, 24, 3, 3]
    betas: Tensor  # [N, 10]
    joints: Tensor  # [N, 24, 3] metres
    points: Tensor  # [N, 24, 2] the crop as [-1, 1]

    def __len__(self) -> int:
        return len(self.crops)

    @property
    def batch(self) -> FrameBatch:
        """Them as an estimator takes them."""
        return FrameBatch.of_crops(self.crops)

    def loss(self, decoded: Decoded) -> Tensor:
        """The published codes' loss on labelled images."""
        return terms.supervised(decoded, self.rotations, self.betas, self.joints, self.points)


def load_source(folder: str | Path, crop_px: int | None, limit: int = LIMIT) -> SourceImages:
    """Read at most ``limit`` images of a folder that ``semtta synth images`` wrote, shard by shard.

    Raises SemttaError for a folder without whole shards, or with crops of another size than the estimator's.
    """
    folder = Path(folder)
    shards = sorted(path for path in folder.glob("*.npz") if (folder / f"{path.stem}.images.npy").exists())
    if not shards:
        raise SemttaError(f"No labelled images in {folder}: make some with 'semtta synth images --out {folder}'.")
    parts: list[SourceImages] = []
    count = 0
    for shard in shards:
        if count >= limit:
            break
        try:
            with np.load(shard, allow_pickle=False) as file:
                label = {key: torch.from_numpy(file[key]) for key in ("rotations", "betas", "joints3d", "joints2d")}
            crops = torch.from_numpy(np.load(folder / f"{shard.stem}.images.npy"))
        except (OSError, ValueError, KeyError) as error:
            raise SemttaError(f"{shard} is not a shard of labelled images, or is damaged ({error}).") from error
        if crops.shape[-1] != crop_px:
            raise SemttaError(
                f"{folder} holds crops of {crops.shape[-1]} pixels, the estimator takes {crop_px}: "
                f"make others with 'semtta synth images --size {crop_px}'."
            )
        rotations = axis_angle_to_matrix(label["rotations"])
        part = SourceImages(
            crops, rotations, label["betas"], label["joints3d"][:, :24], to_unit_square(label["joints2d"][:, :24])
        )
        parts.append(part[: limit - count])
        count += len(parts[-1])
    return SourceImages(*(torch.cat(tensors) for tensors in zip(*(vars(part).values() for part in parts), strict=True)))


class SourceRetrieval:
    """DynaBOA's look-up: the cluster nearest to a frame's pooled feature by cosine, then one of its images at random.

    ``features``: a batch of N frames -> [N, F] of the pre-trained network.
    """

    def __init__(self, images: SourceImages, features: Callable[[FrameBatch], Tensor], clusters: int, seed: int) -> None:
        parts = [features(FrameBatch.of_crops(piece)) for piece in images.crops.split(64)]
        self.centres, self.member = spherical_kmeans(torch.cat(parts), min(clusters, len(images)), seed)

    def __call__(self, feature: Tensor) -> int:
        """Index of an image for a feature [F], drawn with torch's global random state."""
        nearest = torch.cosine_similarity(self.centres, feature[None]).argmax()
        inside = (self.member == nearest).nonzero()[:, 0]
        return int(inside[torch.randint(len(inside), ())])


def spherical_kmeans(features: Tensor, count: int, seed: int, rounds: int = 20) -> tuple[Tensor, Tensor]:
    """Clusters by cosine of features [N, F]: unit centres [K, F] and the cluster [N] of each; K <= ``count``, none empty."""
    unit = torch.nn.functional.normalize(features, dim=-1)
    order = torch.randperm(len(unit), generator=torch.Generator().manual_seed(seed))
    centres = unit[order[:count].to(unit.device)]
    for _ in range(rounds):
        member = (unit @ centres.mT).argmax(1)
        used, member = member.unique(return_inverse=True)
        sums = unit.new_zeros(len(used), unit.shape[1]).index_add(0, member, unit)
        centres = torch.nn.functional.normalize(sums, dim=-1)
    return centres, member
